/*
 * Lines in info/exclude of the common Git directory: names that git leaves alone in every worktree.
 *
 * A mount, and the commands of each worktree, change it at any moment: whoever does holds the lock of the folder
 * (flock), which ends with its process.  Where the file system knows no such lock nobody waits.
 */
#ifndef FS_INFO_EXCLUDE_H
#define FS_INFO_EXCLUDE_H

#include <stdbool.h>

#include "cache/io.h"
#include "fs/git/repo.h"

/*
 * Add the pattern of PATH, from the root of the work tree with a slash in front, unless it stands there; a FOLDER gets
 * a slash behind.  What gitignore(5) takes for special is escaped.  Returns 0; -EBUSY where the lock was held for ten
 * seconds; -errno.
 */
int info_exclude_add(const struct repo *repo, const char *path, bool folder);

/* Open the folder that the file `exclude` is in, which may be a link, and LOCK it until the descriptor is closed.
 * Returns the descriptor; -ENOENT; -EBUSY as above; -errno. */
int info_exclude_open(const struct io *io, const struct repo *repo, bool lock);

#endif
