/*
 * Taking single entries out of the upper folder of an attachment that is not mounted.
 */
#ifndef TOOLS_UPPER_PRUNE_H
#define TOOLS_UPPER_PRUNE_H

#include "fs/attached.h"

/* Zero-initialise. */
struct upper_prune {
	char **paths; /* below the upper folder */
	size_t count;
};

/* Add PATH, which what is below it may follow.  0 or -ENOMEM. */
int upper_prune_add(struct upper_prune *prune, const char *path);

/* The first path, or NULL. */
const char *upper_prune_first(const struct upper_prune *prune);

/* Whether the upper folder of ATTACHED has at PATH anything of its own, a whiteout or what stands there: 1, 0 or
 * -errno.
 */
int upper_prune_finds(const struct attached *attached, const char *path);

/* Remove what the upper folder of ATTACHED has at the paths, the last first: files and whiteouts, and directories that
 * are empty then; others stay.  No link is followed.  0 or -errno. */
int upper_prune_run(const struct upper_prune *prune, const struct attached *attached);

/* Free. */
void upper_prune_release(struct upper_prune *prune);

#endif
