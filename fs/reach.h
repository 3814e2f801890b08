/*
 * What is reachable from roots: every page and every chunk, each once however many name it.
 *
 * Pages met before are not entered again, so that many revisions cost what differs between them.  Remembers 16 bytes a
 * record.  Belongs to one thread.
 */
#ifndef FS_REACH_H
#define FS_REACH_H

#include "fs/content.h"
#include "fs/pointer.h"
#include "fs/tree.h"

struct reach;

/* SOURCE is borrowed.  0 or -ENOMEM. */
int reach_open(struct source *source, struct reach **reach);

/* Free.  NULL is ignored. */
void reach_close(struct reach *reach);

/*
 * Told of each record not told before, a page before what it names: STORED_LEN is what it takes in its pack, with its
 * header.  Answers 0 to go on; anything else ends and is returned.
 */
typedef int (*reach_each)(void *arg, unsigned kind, const struct id *id, uint32_t stored_len);

/*
 * Tell everything below the root that POINTER names, the root's page first.  Chunks are not read.
 * Returns 0; what EACH answered; the errors of source_pin_page(); -ENODATA where a chunk of which no page says where it
 * lies is in no store.  What was met before an error counts as told.
 */
int reach_root(struct reach *reach, const struct pointer *pointer, reach_each each, void *arg);

/* The same for a directory in a dataset, and for the content of one file. */
int reach_directory(struct reach *reach, const struct directory *directory, reach_each each, void *arg);

/* The same for the content of one file, which has no root page. */
int reach_content(struct reach *reach, const struct content *content, reach_each each, void *arg);

/* What the record takes, where it has been told; else 0. */
uint32_t reach_stored_len(const struct reach *reach, unsigned kind, const struct id *id);

#endif
