/*
 * The place of an overlay: a folder of the work tree, which it covers.
 */
#ifndef TOOLS_COVER_H
#define TOOLS_COVER_H

#include "tools/attach/attaching.h"

/*
 * Whether an overlay may stand at PATH: what is there must be in a snapshot as it is, so that nobody misses what is
 * covered.  A folder that is missing is made: *MADE.  Prints its own errors; returns 0 or an exit status.
 */
int cover_check(struct attaching *a, const char *path, bool *made);

#endif
