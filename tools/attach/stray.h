/*
 * Attachments whose work tree went away under them.
 */
#ifndef TOOLS_STRAY_H
#define TOOLS_STRAY_H

#include "tools/attach/attaching.h"

/*
 * Where the whole clone was moved, with all that was changed in its Git directory: let the records say where it is now.
 * Work trees that are gone otherwise are named in a warning.  Reads the attachments anew where it changed them.  Prints
 * its own errors; returns 0 or an exit status.
 */
int stray_settle(struct attaching *a);

/* Remove folders that have no record, as an attach or detach that was killed leaves them, unless something was written
 * there. */
void stray_sweep(const struct attaching *a);

/* The attachment whose place is exactly the absolute path TYPED, in whichever work tree; or NULL. */
const struct attachment *stray_find(const struct attaching *a, const char *typed);

#endif
