/*
 * The chunks that the parent revision names, for a file that changed, or that has another place now: those that are not
 * here but at a remote are named again, and not stored again.
 *
 * What is needed to name a chunk without having it: the parent revision, whose root is in the pointer file and whose
 * pages were checked by their hashes from there on, names the same id; and that page's locator, which
 * no hash covers, is confirmed by the pack's own index at a remote where the pack is not condemned
 * (fs/remote/relied.h).  It is named by that same locator.  So the new revision depends on nothing on which the parent
 * does not, wherever the parent goes, and a locator that lies costs a copy of the chunk here, never the chunk.
 *
 * Where the parent has nothing at the path, the file may have been moved, renamed or copied, or its folder was.  The
 * chunk is looked for among the files that are one chunk, and in the lists of those that have the same name and size
 * (fs/old_files.h), and of the one that has that size where it is the only one in the same folder (fs/old_folder.h).
 *
 * A list that cannot be read in OLD_CHUNKS_WAIT_MS counts as empty, and after some of those no more are read.
 * Thread-safe: one thread at a time is served, the others wait for it.
 */
#ifndef FS_OLD_CHUNKS_H
#define FS_OLD_CHUNKS_H

#include <stdbool.h>

#include "fs/gone.h"
#include "fs/pointer.h"
#include "fs/source.h"

struct old_chunks;

#define OLD_CHUNKS_WAIT_MS 10000
#define OLD_CHUNKS_MAX (4u << 20) /* that are looked at in one list, the first ones: about 256 GiB */

/* Of the dataset OLD, read from the store and the remotes of SOURCE (borrowed).  GONE (NULL: not known) tells which of
 * its folders are seen no more, and is taken over in any case.  Asks nothing yet.  0 or -ENOMEM. */
int old_chunks_new(struct source *source, const struct pointer *old, struct gone *gone, struct old_chunks **chunks);
void old_chunks_free(struct old_chunks *chunks); /* NULL is ignored; no thread may be in it */

/*
 * Whether the chunk ID, which the store here lacks, need not be stored: it is in the old content of the file or link at
 * PATH below the dataset ("" where it is one file), which has SIZE bytes now, or in one that may have been moved there,
 * and a remote has it at *LOCATOR.  Reads old lists when PATH is asked for first, and may ask remotes.
 */
bool old_chunks_find(struct old_chunks *chunks, const char *path, uint64_t size, const struct id *id,
                     struct locator *locator);

#endif
