/*
 * What a bundle is to hold: what revisions and their history reach, and others with theirs do not.
 *
 * Belongs to one thread.
 */
#ifndef FS_BUNDLE_H
#define FS_BUNDLE_H

#include <stdatomic.h>

#include "fs/history.h"
#include "fs/remote/push_plan.h"

struct bundle_tips {
	const struct oid *wanted, *since; /* commits */
	size_t wanted_count, since_count;
};

struct bundle {
	struct push_plan have; /* what who has the since commits has */
	struct push_plan plan; /* what is to go */
	uint64_t commits;      /* that are wanted and are none of since */
	char *failed;          /* with an error: the path of the dataset, malloc'ed; NULL: a commit */
};

/*
 * Find out, into BUNDLE (zeroed), from STORE (borrowed).  What of the since commits' data is not in it is not known to
 * be there, and may go.  Before the plan is done, its `to` is to be set to an empty store. Returns 0; -ENODATA where
 * something is not in STORE; -EINTR once CANCELLED is true; -EBADMSG, -ENOTSUP, -ENOENT, -ENOMEM, -errno.
 */
int bundle_plan(struct bundle *bundle, struct repo *repo, struct store *store, const struct bundle_tips *tips,
                const atomic_bool *cancelled);

/* Free what it holds. */
void bundle_release(struct bundle *bundle);

#endif
