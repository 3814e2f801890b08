/*
 * Pushing: bringing a remote what it lacks of a plan (fs/remote/push_plan.h), packs before the pages that name them,
 * roots last.
 *
 * Each object is looked at there once it was put.  Who is killed in the middle leaves whole packs, which the next push
 * finds.  Belongs to one thread, which may have others put packs and roots for it.
 */
#ifndef FS_PUSH_H
#define FS_PUSH_H

#include <stdatomic.h>

#include "fs/remote/push_plan.h"

/* Half the usual time of grace: what was condemned and deleted meanwhile would not be seen by a push that takes longer.
 */
#define PUSH_TIME_MAX_S (7 * 86400)

/*
 * As many as a link is full with: while one pack is begun, put together and looked at there, which takes round trips,
 * others go.  Few, since what a push that is killed had under way goes once more.
 */
#define PUSH_AT_ONCE 4

struct push_request {
	struct push_plan *plan;
	bool dry;                     /* only count */
	unsigned at_once;             /* packs, or roots, on their way at a time; 0: one */
	const atomic_bool *cancelled; /* looked at between objects; may be NULL */
	/* When what the plan takes for condemned was read, by the store's monotonic clock: once the roots are there,
	 * what a collection took since then is looked for.  0: it is not. */
	uint64_t since_ns;
	/* Told of bytes that went, by any of the threads; may be NULL. */
	void (*progress)(void *arg, uint64_t packs, uint64_t bytes);
	void *arg;
};

struct push_result {
	uint64_t packs;    /* that went, or would */
	uint64_t replaced; /* of these, in place of what was of another size */
	uint64_t roots;
	uint64_t bytes;                /* of packs and roots */
	char failed[REMOTE_PATH_SIZE]; /* what was at work when it ended */
	bool ours_is_damaged;          /* with -EBADMSG: that one, here */
	/* With 0: whether a collection there left alone what the plan relies on.  0; -EAGAIN where it did not, or the
	 * push took too long to tell: plan and push again; errors of asking; -ENOMEM. */
	int collected;
};

/*
 * Do it.  Returns 0; -EINTR; -ENOSPC, -EACCES, -EROFS and other errors of the remote; -EBADMSG where it does not have
 * what it was given, or a pack of ours is damaged; -ENOMEM, -errno.
 */
int push_run(const struct push_request *request, struct push_result *result);

#endif
