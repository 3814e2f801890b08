/*
 * Handles of a reader (fs/git/repo_reader.h): one for each call that is being made, a few kept for later calls.
 *
 * Thread-safe, all but the first and the last function.  Private to fs/git/repo*.c.
 */
#ifndef FS_REPO_POOL_H
#define FS_REPO_POOL_H

#include <pthread.h>

#include "fs/git/repo_reader.h"

#define REPO_POOL_MAX 16

/* An open handle, and the packs that were there when it was opened. */
struct repo_handle {
	void *handle;
	uint64_t packs;
};

struct repo_pool {
	const struct repo_reader_ops *ops;
	const struct repo_location *location;
	pthread_mutex_t lock; /* guards what follows */
	struct repo_handle idle[REPO_POOL_MAX];
	unsigned count;
};

typedef int (*repo_pool_call)(const struct repo_reader_ops *ops, void *handle, void *arg);

/* Handles of OPS for the repository at LOCATION (borrowed); none is opened yet. */
void repo_pool_init(struct repo_pool *pool, const struct repo_reader_ops *ops, const struct repo_location *location);

/* Call CALL with a handle; once more with a new one where that failed in a way that may lie in the handle.  Returns
 * what CALL did, or why no handle could be opened. */
int repo_pool_run(struct repo_pool *pool, repo_pool_call call, void *arg);

/* Close all handles. */
void repo_pool_release(struct repo_pool *pool);

#endif
