/*
 * Repairing the local store: what fs/verify.h found damaged or missing is taken from wherever there is a good copy.
 *
 * A damaged pack that a remote has as it was takes the place of ours.  Of others what can be read, and good copies of
 * what cannot, go to a new pack, a moved file says where, and the damaged one is removed once nothing that was found
 * damaged in it is without a copy.  Roots are put again.  Belongs to one thread.
 */
#ifndef FS_REPAIR_H
#define FS_REPAIR_H

#include "cache/fetch.h"
#include "fs/verify.h"

struct repair {
	struct store *store;           /* borrowed; its lock is held by the caller */
	struct fetch *fetch;           /* where records come from, the cache included; borrowed, may be NULL */
	struct remote *const *remotes; /* where whole packs come from; borrowed */
	size_t remotes_count;
	/* What was done so far. */
	uint64_t packs;   /* whole ones */
	uint64_t records; /* put anew */
	uint64_t roots;
};

/* Repair what REPORT names, as far as that can be done.  0, also where nothing could; -ENOMEM, -errno of writing. */
int repair_run(struct repair *r, const struct verify_report *report);

#endif
