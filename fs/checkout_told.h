/*
 * What a checkout has told of its paths, and counted.
 *
 * Conflicts and failures of a path are told once, though a walk may meet it several times; in a dry run, where nothing
 * that is done can be seen later, so is everything.  Thread-safe.
 */
#ifndef FS_CHECKOUT_TOLD_H
#define FS_CHECKOUT_TOLD_H

#include <pthread.h>

#include "cache/id_set.h"
#include "fs/checkout.h"

struct told {
	const struct checkout_request *request;
	struct checkout_result *result; /* its counts, and the request's tell(), under LOCK */
	pthread_mutex_t lock;
	struct id_set keys; /* of paths, each with its event; under LOCK */
};

/* For REQUEST and RESULT, which are borrowed. */
void told_init(struct told *told, const struct checkout_request *request, struct checkout_result *result);

/* Free what it holds. */
void told_release(struct told *told);

/* Tell of EVENT at PATH, with what tell() of a request takes, and count it, unless that was told before. */
void told_tell(struct told *told, enum checkout_event event, const char *path, int error, bool of_store);

/* Whether EVENT was told of the path of LEN bytes before, where told_tell() keeps that in mind. */
bool told_was(struct told *told, enum checkout_event event, const char *path, size_t len);

/* A file of so many BYTES was written. */
void told_written(struct told *told, uint64_t bytes);

/* PATH would be gone now, if this were no dry run; where it is none, nothing is noted. */
void told_note_gone(struct told *told, const char *path);

/* In a dry run, whether exactly the path of LEN bytes was noted as gone. */
bool told_is_noted(struct told *told, const char *path, size_t len);

/* In a dry run, whether PATH, or a directory above it, would be gone. */
bool told_is_gone(struct told *told, const char *path);

#endif
