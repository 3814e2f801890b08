/*
 * Files of the work tree that may be renames of what a list of changes has as deleted.
 */
#ifndef TOOLS_RENAME_CANDIDATES_H
#define TOOLS_RENAME_CANDIDATES_H

#include "fs/git/worktree.h"
#include "fs/source.h"
#include "tools/change_list.h"

struct rename_candidates {
	const struct worktree *wt;
	struct source *source;
	struct change_list *list;
};

/* Read them, so that the list finds renames.  Returns 0, -EINTR where the command is to stop, or -ENOMEM. */
int rename_candidates_read(const struct rename_candidates *candidates);

#endif
