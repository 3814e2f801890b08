/*
 * Conflicts in a dataset that Git could not merge: files that both sides changed.
 */
#ifndef TOOLS_CONFLICT_H
#define TOOLS_CONFLICT_H

#include <jansson.h>

#include "fs/git/worktree.h"
#include "fs/tree.h"
#include "tools/session.h"

#define CONFLICT_NAMED_MAX 20 /* of one dataset */

/* Stages of git's index. */
enum conflict_stage {
	STAGE_BASE = 1,
	STAGE_OURS = 2,
	STAGE_THEIRS = 3,
};

/* "conflict in 'data/a.txt': ours has a file of 4 bytes, theirs deleted it", malloc'ed, or NULL.  PATH is one below the
 * dataset. */
char *conflict_text(const char *dataset, const char *path, const struct entry *ours, const struct entry *theirs);

/* The pointer of the dataset PATH that git's index has in STAGE.  0; -ENOENT where it has none; -EINVAL, -ENOTSUP for
 * what is no pointer that we know; -errno. */
int conflict_pointer(const struct worktree *wt, const char *path, enum conflict_stage stage, struct pointer *pointer);

/*
 * Print, a line each, what both sides of the dataset PATH changed, by what git's index has of it; or with VALUE (NULL:
 * none) set its `conflicts`, all of them.  Pages are read and nothing is written.  Of a dataset that is a single file,
 * or is gone, on a side there is nothing to name.  Prints its own errors; returns an exit status.
 */
int conflict_tell(struct session *session, const struct worktree *wt, const char *path, json_t *value);

#endif
