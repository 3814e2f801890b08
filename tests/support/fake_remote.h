/*
 * A kind of remote in memory, that counts what it is asked, and fails, or lies, on demand.
 *
 * One world for all that are opened, by URL; thread-safe.
 */
#ifndef TESTS_SUPPORT_FAKE_REMOTE_H
#define TESTS_SUPPORT_FAKE_REMOTE_H

#include "cache/remote.h"

extern const struct remote_kind remote_kind_fake;

/* What the remote at URL is to do from now on. */
struct fake_plan {
	int error;         /* every request ends so; 0: answers */
	unsigned failures; /* so many requests only; 0 with an error: all */
	size_t short_by;   /* reads give so many bytes less */
	bool flips;        /* the last byte of a read is another */
	bool flips_early;  /* the byte at 30 is, too */
	size_t holds_at; /* a read of more than that tells of so many bytes, and waits for another plan; 0: none does */
};

/* Forget all remotes. */
void fake_remote_clear(void);

/* Set the plan of the remote at URL. */
void fake_remote_plan(const char *url, const struct fake_plan *plan);

/* Let it have no file at all, until they are shown again. */
void fake_remote_hide(const char *url, bool hidden);

/* Put a file there, whatever the plan. */
void fake_remote_put(const char *url, const char *path, const void *data, size_t len);

/* How many reads are being held. */
unsigned fake_remote_held(const char *url);

/* Requests of all kinds so far. */
unsigned fake_remote_requests(const char *url);

#endif
