/*
 * The sides of a merge conflict in a dataset, as Git's index has its pointer file: what `revfs checkout` takes a path
 * from.
 */
#ifndef TOOLS_CHECKOUT_SIDE_H
#define TOOLS_CHECKOUT_SIDE_H

#include "fs/git/worktree.h"

enum checkout_side {
	SIDE_POINTER, /* none: what the pointer file in the work tree says */
	SIDE_OURS,
	SIDE_THEIRS,
};

/*
 * The pointer of SIDE, ours or theirs, of the dataset PATH.  RECORD, of files that are in step with the merged pointer,
 * then says that checkouts of both sides may have left what is there: neither's is in the way of the other's.
 * Prints its own errors; returns an exit status.
 */
int checkout_side_find(const struct worktree *wt, const char *path, enum checkout_side side, struct pointer *pointer,
                       struct instep *record);

#endif
