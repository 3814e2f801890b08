/*
 * Attaching one dataset: for the first time, again, or to another revision.
 */
#ifndef TOOLS_ATTACH_ONE_H
#define TOOLS_ATTACH_ONE_H

#include "tools/attach/attaching.h"

struct attach_target {
	const char *path;
	const char *name; /* of the commit, in messages: "HEAD" */
	struct oid commit;
	struct pointer base; /* of the dataset there */
	bool rebase;         /* carry over what is in no snapshot */
	bool stays;          /* an attachment is not to be moved to it: what is not committed yet is told by the pointer
	                        file in the work tree */
	bool is_gone;        /* the commit has no such dataset: BASE means nothing */
};

/*
 * Make TARGET stand at its path, where nothing of it is attached yet.  Refused where other files stand there than those
 * that the pointer file names.  A failure leaves nothing behind.  Prints its own errors and what was done; returns 0 or
 * an exit status.
 */
int attach_new(struct attaching *a, const struct attach_target *target);

/*
 * Bring ATTACHMENT back where it is not mounted, with all that was changed; and to TARGET where it is based on another
 * root and nothing would be lost.  Where it would, it is carried over, or brought back as it was and reported:
 * EXIT_REFUSED, EXIT_FOUND for conflicts.
 */
int attach_again(struct attaching *a, const struct attachment *attachment, const struct attach_target *target);

#endif
