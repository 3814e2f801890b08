/*
 * Putting an overlay above the mount below, and taking it away.
 *
 * Functions print their own errors and return 0 or an exit status.
 */
#ifndef TOOLS_ABOVE_H
#define TOOLS_ABOVE_H

#include "tools/attach/attaching.h"

/*
 * Write the record of ATTACHMENT and mount its overlay, whose place is there; the folders for what is written are made
 * where they are missing.  With ANY_DIALECT nothing is in them yet: whichever kind of overlay works is taken, and set
 * in ATTACHMENT.
 */
int above_put(struct attaching *a, struct attachment *attachment, bool any_dialect);

/* Unmount the overlay, not lazily.  WHY, for one that is in use: "detach". */
int above_take(const struct attachment *attachment, const char *why);

#endif
