/*
 * Pushing: bringing a remote what it lacks of a plan (fs/push_plan.h), packs before the pages that name them, roots
 * last.
 *
 * Each object is looked at there once it was put.  Who is killed in the middle leaves whole packs, which the next push
 * finds.  Belongs to one thread.
 */
#ifndef FS_PUSH_H
#define FS_PUSH_H

#include <stdatomic.h>

#include "fs/push_plan.h"

struct push_request {
	const struct push_plan *plan;
	bool dry;                     /* only count */
	const atomic_bool *cancelled; /* looked at between objects; may be NULL */
	/* Told of bytes that went; may be NULL. */
	void (*progress)(void *arg, uint64_t packs, uint64_t bytes);
	void *arg;
};

struct push_result {
	uint64_t packs; /* that went, or would */
	uint64_t roots;
	uint64_t bytes;                /* of packs and roots */
	char failed[REMOTE_PATH_SIZE]; /* what was at work when it ended */
};

/*
 * Do it.  Returns 0; -EINTR; -ENOSPC, -EACCES, -EROFS and other errors of the remote; -EBADMSG where it does not have
 * what it was given, or a pack of ours is damaged; -ENOMEM, -errno.
 */
int push_run(const struct push_request *request, struct push_result *result);

#endif
