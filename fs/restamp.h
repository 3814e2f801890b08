/*
 * Writing the stat cache of a dataset that was brought from one tree to another: the old cache, but for what differs
 * between the trees, and the stamps of what was written.
 */
#ifndef FS_RESTAMP_H
#define FS_RESTAMP_H

#include "fs/git/worktree.h"
#include "fs/stamp_set.h"
#include "fs/tree.h"

struct restamp {
	struct source *source;
	const struct worktree *wt;
	const char *path;             /* of the dataset */
	const struct directory *base; /* NULL: none */
	const struct directory *target;
	const struct stamp_set *stamps; /* sealed; paths below the dataset */
	struct id root;                 /* the target's */
	bool has_cache;                 /* the present cache is that of BASE */
};

/* Write it.  A failure costs only time: files are read again. */
void restamp_write(const struct restamp *restamp);

#endif
