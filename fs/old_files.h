/*
 * Where the parent revision had a file that has a new path now: an index of its files, by the chunk of those that are
 * one, by last name and size of those that are lists of chunks.
 *
 * It is filled as it is asked, folder by folder from the root downwards, and reads at most a share of what it may save:
 * OLD_FILES_FIRST entries, and one more for each OLD_FILES_SHARE bytes of the chunks that were asked for.  Folders that
 * are gone, as those that were renamed are, are read whole once they are met.
 * Belongs to one thread at a time.
 */
#ifndef FS_OLD_FILES_H
#define FS_OLD_FILES_H

#include "fs/content.h"
#include "fs/pointer.h"
#include "fs/source.h"

#define OLD_FILES_FIRST 4096
#define OLD_FILES_SHARE 1024
#define OLD_FILES_MAX (1u << 20)         /* files that are noted, the first ones; 16 MiB */
#define OLD_FILES_FOLDERS_MAX (1u << 16) /* and folders */

#define OLD_FILES_LIKELY 8 /* of one name and size, the likeliest ones */

struct old_files;

struct gone;

/* Of the dataset OLD, not of one file, read from SOURCE; GONE (NULL: not known) tells which of its folders are seen no
 * more.  Both are borrowed.  Reads nothing yet.  0 or -ENOMEM. */
int old_files_new(struct source *source, const struct pointer *old, const struct gone *gone, struct old_files **files);
void old_files_free(struct old_files *files); /* NULL is ignored */

/* From now on SIZE more bytes of new content may be saved: read on where that allows it.  Returns 0, -ENOMEM, or an
 * error of tree_cursor_next(): that folder is passed over. */
int old_files_ask(struct old_files *files, uint64_t size);

/* An old file that is the chunk ID alone.  Returns 0, -ENOENT, or an error of tree_cursor_next(). */
int old_files_chunk(struct old_files *files, const struct id *id, struct content *content);

/*
 * The old file that is a list of chunks, has the last name of PATH (below the dataset) and SIZE bytes, and is likely in
 * NTH place, from 0: those whose folders are named as those of PATH are for the longest way up, then those of the
 * folder that was confirmed last.  Returns 0, -ENOENT also where NTH is OLD_FILES_LIKELY, or an error of
 * tree_cursor_next().
 */
int old_files_list(struct old_files *files, const char *path, uint64_t size, unsigned nth, struct content *content);

/* The last answer of old_files_list() was the right one. */
void old_files_confirm(struct old_files *files);

#endif
