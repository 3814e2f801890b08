/*
 * Lines in info/exclude of the common Git directory: names that git leaves alone in every worktree.
 */
#ifndef FS_INFO_EXCLUDE_H
#define FS_INFO_EXCLUDE_H

#include <stdbool.h>

#include "fs/git/repo.h"

/*
 * Add the pattern of PATH, from the root of the work tree with a slash in front, unless it stands there; a FOLDER gets
 * a slash behind.  What gitignore(5) takes for special is escaped.  Returns 0 or -errno.
 */
int info_exclude_add(const struct repo *repo, const char *path, bool folder);

#endif
