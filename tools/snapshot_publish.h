/*
 * What a snapshot does with what it has recorded: pointers and ignore lines go to the work tree, and to git to be
 * staged and committed.
 *
 * The data is in the store before.  Functions print their own errors and return an exit status.
 */
#ifndef TOOLS_SNAPSHOT_PUBLISH_H
#define TOOLS_SNAPSHOT_PUBLISH_H

#include "tools/snapshot_plan.h"

/* All but what is set is borrowed. */
struct snapshot_publish {
	struct worktree *wt; /* locked */
	struct snapshot_plan *plan;
	const char *message; /* of the commit; NULL: the editor opens on one that is made up */
	bool no_commit;
	bool has_config;       /* HEAD has the shared settings: they are not staged */
	const char *operation; /* of git, in progress when the snapshot began; or NULL */
	/* Set by snapshot_publish_git(): */
	struct oid commit;
	bool committed;
	char note[96]; /* why not, for people; or "" */
};

/* Write the pointers, in-step records and ignore lines of all items that are ready. */
int snapshot_publish_files(struct snapshot_publish *publish);

/* Stage them, and commit just these, unless that is not wanted, or git is in the midst of something. */
int snapshot_publish_git(struct snapshot_publish *publish);

#endif
