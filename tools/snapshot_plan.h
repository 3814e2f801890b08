/*
 * What a snapshot is to do: which datasets, and what stands in the way of recording them.
 *
 * Everything that can be refused is refused here, before any data is read.
 */
#ifndef TOOLS_SNAPSHOT_PLAN_H
#define TOOLS_SNAPSHOT_PLAN_H

#include <stdbool.h>

#include "fs/attached.h"
#include "fs/git/worktree.h"
#include "fs/ignore_line.h"
#include "fs/snapshot.h"
#include "tools/fail.h"
#include "tools/session.h"

struct snapshot_item {
	char *path;
	bool named; /* the user named it */
	bool is_file;
	bool has_head; /* HEAD has a pointer, HEAD_POINTER */
	bool has_work; /* the work tree has one, WORK_POINTER */
	bool has_record;
	bool unmerged;    /* its pointer is in conflict in git's index */
	bool is_attached; /* ATTACHED is open: HAS_RECORD and RECORD are of what is seen there */
	struct attached attached;
	struct pointer head_pointer;
	struct pointer work_pointer;
	struct instep record;
	struct ignore_plan ignore;
	struct snapshot_result result;
	bool ready; /* nothing stands in the way, or what was begun went well */
};

struct snapshot_plan {
	struct session *session;
	struct worktree *wt;
	bool force;
	bool has_tree;
	struct oid tree; /* HEAD's */
	struct work_dataset *known;
	size_t known_count;
	struct attachments attachments;
	const char **paths; /* of all datasets, known and new; NULL-terminated; borrowed from the others */
	struct snapshot_item *items;
	size_t count;
	struct outcome outcome; /* what was refused */
};

/*
 * Plan for the paths ARGUMENTS (as typed, COUNT of them; none: every dataset that is present).  Prints what it refuses.
 * Returns 0, also where items were refused (not `ready`, counted in the outcome), or an exit status.
 */
int snapshot_plan_make(struct session *session, struct worktree *wt, char **arguments, size_t count, bool force,
                       struct snapshot_plan *plan);
void snapshot_plan_release(struct snapshot_plan *plan); /* allowed on a zeroed one */

/* Whether HEAD already holds what the item became: there is nothing to commit. */
bool snapshot_item_is_committed(const struct snapshot_item *item);

#endif
