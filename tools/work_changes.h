/*
 * What changed in datasets from a Git tree to the files of the work tree.
 *
 * Files are read only where size and times do not tell, or where one that is new may be a rename.  A dataset that is
 * not checked out counts as what its pointer file says.
 */
#ifndef TOOLS_WORK_CHANGES_H
#define TOOLS_WORK_CHANGES_H

#include "fs/exclude.h"
#include "fs/git/worktree.h"
#include "tools/change_list.h"
#include "tools/fail.h"
#include "tools/session.h"

struct work_changes {
	struct session *session;
	struct worktree *wt;
	const struct exclude *exclude;
	const struct oid *tree; /* NULL: an empty one */
	const struct path_limits *limits;
	struct change_list *list;
	struct outcome *outcome; /* of what could not be compared; printed */
};

/* Add the changes to the list.  Returns 0, -EINTR where the command is to stop, or -errno. */
int work_changes_collect(const struct work_changes *changes);

#endif
