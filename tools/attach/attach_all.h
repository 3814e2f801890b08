/*
 * Attaching what was named on the command line.
 */
#ifndef TOOLS_ATTACH_ALL_H
#define TOOLS_ATTACH_ALL_H

#include "tools/attach/attaching.h"

struct attach_request {
	char **arguments; /* a revision, or paths, or both */
	size_t count;
	char **paths; /* that stood behind `--`; NULL where that did not */
	size_t paths_count;
	bool follow; /* only what is attached already */
	bool rebase;
};

/* Attach; what becomes of each dataset is printed and counted in A's outcome.  Prints its own errors; returns 0 or an
 * exit status. */
int attach_all(struct attaching *a, const struct attach_request *request);

#endif
