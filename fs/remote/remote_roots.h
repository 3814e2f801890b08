/*
 * The root files of a store on a remote: their sizes, and which of them are condemned.
 */
#ifndef FS_REMOTE_ROOTS_H
#define FS_REMOTE_ROOTS_H

#include "cache/remote_condemned.h"

struct remote_root {
	struct id id;
	uint64_t size; /* of the file */
	int64_t since; /* condemned since then; only where `condemned` is */
	bool condemned;
};

struct remote_roots {
	struct remote_root *items; /* sorted */
	size_t count;
};

/* List them.  0, -ENOMEM, errors of the remote.  remote_roots_release() frees after success. */
int remote_roots_list(struct remote *remote, const struct remote_condemned *condemned, struct remote_roots *roots);

/* The root ID, or NULL where it is not there. */
const struct remote_root *remote_roots_find(const struct remote_roots *roots, const struct id *id);

/* Free what it holds; allowed on a zeroed one. */
void remote_roots_release(struct remote_roots *roots);

#endif
