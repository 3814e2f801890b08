/*
 * Lines of datasets in info/exclude (fs/ignore_line.h) that have done their work.
 */
#ifndef FS_IGNORE_SETTLE_H
#define FS_IGNORE_SETTLE_H

#include "fs/git/worktree.h"
#include "fs/source.h"

/*
 * Take out of info/exclude what was a dataset and is git's own on this branch, so that git sees what is new there; but
 * not while files of the dataset still lie there, which git would take for new.  Without a SOURCE (NULL) whatever git
 * does not track there is taken for one.  Where there are linked worktrees, another may still need the line: it stays.
 * For who holds the lock of the worktree.  Returns 0 or -errno.
 */
int ignore_settle(const struct worktree *wt, struct source *source);

#endif
