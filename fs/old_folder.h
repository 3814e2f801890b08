/*
 * The files of one folder of the parent revision by their sizes: what was renamed within it.
 *
 * Belongs to one thread at a time.
 */
#ifndef FS_OLD_FOLDER_H
#define FS_OLD_FOLDER_H

#include "fs/content.h"
#include "fs/pointer.h"
#include "fs/source.h"

#define OLD_FOLDER_MAX 65536 /* entries that are looked at, the first ones */

/* The folder that was asked for last; begins with zeros. */
struct old_folder {
	char *path; /* NULL: none */
	struct content *files;
	size_t count, room;
};

/*
 * The only file of SIZE bytes in the folder of the dataset OLD where PATH is.  Of several nobody can tell which, but by
 * their lists.  Returns 0, -ENOENT, -ENOMEM, or an error of tree_walk() or tree_cursor_next().
 */
int old_folder_find(struct old_folder *folder, struct source *source, const struct pointer *old, const char *path,
                    uint64_t size, struct content *content);

/* Free it; it may be used again. */
void old_folder_release(struct old_folder *folder);

#endif
