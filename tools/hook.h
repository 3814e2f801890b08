/*
 * Git's hooks, at its user's wish: data is pushed before commits are, and attached datasets follow the branch.
 */
#ifndef TOOLS_HOOK_H
#define TOOLS_HOOK_H

#include <stdbool.h>

#include "fs/git/repo.h"

enum hook_kind {
	HOOK_PRE_PUSH,
	HOOK_POST_CHECKOUT,
	HOOK_POST_MERGE,
	HOOK_POST_REWRITE,
	HOOK_KINDS,
};

/* Put the hook where Git looks for it.  *CHANGED: it was not there.  *PATH (malloc'ed) is where.  Prints its own
 * errors; returns an exit status. */
int hook_install(struct repo *repo, enum hook_kind kind, char **path, bool *changed);

/* Take it away; a hook that is not ours stays.  The same. */
int hook_remove(struct repo *repo, enum hook_kind kind, char **path, bool *changed);

#endif
