/*
 * The engine of snapshots of an attached dataset: from the base that is served below and the upper folder that an
 * overlay file system keeps above it to the root of the tree that one sees, in a store.
 *
 * Only the upper folder is walked, and of the base only the pages on the way to what it has are read: the cost follows
 * what was changed.  Reading, cutting and compressing, what is a problem and what is read again are those of a plain
 * snapshot (fs/stages.h), and so is the root: that of a snapshot of the merged tree.  What an upper folder says of the
 * base is told in fs/layer.h.
 *
 * Names that patterns leave out are left out where the upper has them, with what the base has there; what the base
 * alone has is not looked at.
 */
#ifndef FS_UPPER_H
#define FS_UPPER_H

#include "fs/layer.h"
#include "fs/snapshot.h"

struct upper {
	int dirfd; /* the upper folder is NAME below it, and no symlink */
	const char *name;
	const char *path;           /* of the dataset from the root of the work tree, for patterns */
	enum layer_dialect dialect; /* not LAYER_NONE */
	const struct pointer *base; /* the dataset below; a directory */
	const struct pointer *old;  /* of the parent revision, mostly equal to BASE; NULL: none */
	int folder;                 /* of stat caches; negative: none is read or written */
	const char *stat_name;      /* the name of the cache in it: one for the upper folder, not the dataset's own */
};

/*
 * Record what is seen of UPPER above its base.  RESULT is that of snapshot_dataset(), counted against OLD; without one
 * every file counts as added.  Returns 0, also with problems; -EPERM where the marks of the dialect cannot be read by
 * this process; -EINTR; errors of writing; those of opening the upper folder (-ENOENT, -ENOTDIR); of reading the pages
 * of the base; -ESTALE where the pages of OLD, or what the stat cache names, cannot be read: whoever wants the
 * data nevertheless calls again without OLD and with `full`.
 */
int upper_snapshot(const struct snapshot_run *run, const struct upper *upper, struct snapshot_result *result);

/* Look at the upper folder itself: *BARE where it hides all of the base.  Returns 0; -EPERM and errors of opening it as
 * above. */
int upper_look(const struct upper *upper, bool *bare);

#endif
