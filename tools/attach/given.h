/*
 * What the upper folder of an attachment gives above its base, and whether that is in a snapshot.
 */
#ifndef TOOLS_GIVEN_H
#define TOOLS_GIVEN_H

#include "fs/new_tree.h"
#include "tools/attach/attaching.h"

struct given {
	struct pointer pointer; /* of what one sees */
	bool is_base;           /* nothing differs from the base */
	bool is_unchanged;      /* it is what was recorded last; or the upper folder was let go of, when it was */
	bool is_recorded;       /* it is what some commit has there that a branch or a reflog leads to, or HEAD, or the
	                           pointer file in the work tree */
	uint64_t problems;      /* entries that no snapshot can record: it is in none */
	struct new_tree_counts counts; /* against the base */
};

/* Find out; reads what changed, and writes nothing.  Prints its own errors; returns 0 or an exit status. */
int given_find(struct attaching *a, const struct attachment *attachment, struct given *given);

/* What was recorded last of the files that one sees, which is what changes are made to: the base, or a snapshot that
 * was taken since.  0 or -errno. */
int given_recorded(struct attaching *a, const struct attachment *attachment, struct id *root);

#endif
