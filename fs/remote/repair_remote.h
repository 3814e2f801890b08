/*
 * Repairing the store on a remote: packs that fs/verify.h found damaged or missing there are put again, as they were,
 * from the local store or another remote, each checked whole before; and roots.
 *
 * A pack that is missing there comes from here only where everything in it is reachable from what is repaired: nothing
 * leaks that was never published.  Belongs to one thread.
 */
#ifndef FS_REPAIR_REMOTE_H
#define FS_REPAIR_REMOTE_H

#include "fs/verify.h"

struct repair_remote {
	struct repo *repo;            /* borrowed */
	struct store *store;          /* the local one; borrowed */
	struct remote_store *to;      /* borrowed */
	struct remote *const *others; /* borrowed */
	size_t others_count;
	const struct oid *tips; /* what was checked; borrowed */
	size_t tips_count;
	/* What was done so far. */
	uint64_t packs;
	uint64_t roots;
};

/* Repair what REPORT names, as far as that can be done.  0, also where nothing could; errors of the remote that is
 * written to; -ENOMEM, -errno. */
int repair_remote_run(struct repair_remote *r, const struct verify_report *report);

#endif
