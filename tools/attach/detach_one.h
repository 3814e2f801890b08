/*
 * Detaching one dataset.
 */
#ifndef TOOLS_DETACH_ONE_H
#define TOOLS_DETACH_ONE_H

#include "tools/attach/attaching.h"

struct detach_choice {
	bool force; /* what is in no snapshot goes, too */
	bool dry;
};

/*
 * Take away the overlay of ATTACHMENT, what was written to it, and its record, in this order; refuse where that is in
 * no snapshot.  What the overlay covered is seen again.  Prints its own errors and what was done; returns 0 or an exit
 * status.
 */
int detach_one(struct attaching *a, const struct attachment *attachment, const struct detach_choice *choice);

/* End the mount below where nothing stands above it any more. */
void detach_end(struct attaching *a);

#endif
