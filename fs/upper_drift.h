/*
 * Drift of an attached dataset: how what is seen of an upper folder above its base differs from a tree.
 *
 * The upper folder is walked, and of the base and the tree only pages are read in which they differ or on the way to
 * what the upper has; the cost follows what was changed.  What the stat cache shows unchanged is not read; what has
 * another size is not, either.  Nothing is written.  Belongs to one thread.
 */
#ifndef FS_UPPER_DRIFT_H
#define FS_UPPER_DRIFT_H

#include "fs/drift.h"
#include "fs/upper.h"

struct upper_drift {
	const struct upper *upper; /* OLD is the tree to compare with: a directory, or NULL: nothing */
	struct source *source;
	const struct io *io;
	const struct exclude *exclude; /* NULL: nothing */
	const atomic_bool *cancelled;
};

/*
 * Compare.  EACH is told of each difference once, in path order, as drift_compare() does.  Returns 0; what EACH
 * answered; -EINTR; -ENOMEM; -EPERM where the marks of the dialect cannot be read by this process; errors of opening
 * the upper folder (-ENOENT, -ENOTDIR); errors of reading the trees.
 */
int upper_drift(const struct upper_drift *drift, drift_each each, void *arg);

#endif
