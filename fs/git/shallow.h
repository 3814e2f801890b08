/*
 * The border of a shallow clone: the commits whose parents are not here, by intent.
 *
 * The file that lists them is read again when it changes (git fetch --deepen).  Thread-safe.
 */
#ifndef FS_SHALLOW_H
#define FS_SHALLOW_H

#include <stdbool.h>

#include "fs/git/oid.h"

struct shallow;

/* For the repository with that common folder.  0 or -ENOMEM. */
int shallow_open(const char *common_dir, struct shallow **shallow);

/* Free.  NULL is ignored. */
void shallow_close(struct shallow *shallow);

/* Whether COMMIT is on the border.  One stat.  0 or -errno where the list can't be read. */
int shallow_find(struct shallow *shallow, const struct oid *commit, bool *found);

#endif
