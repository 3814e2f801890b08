/*
 * Checkout: making the files of a dataset in the work tree what a pointer says.
 *
 * File by file, three sides are compared: what the files were last in step with (or what checkouts that did not end
 * were to make of them), what they shall be, and what is there.  What is there is replaced or removed only where it is
 * one of the first two; what is missing is written; everything else is left and told.  From one revision to another the
 * cost follows what changed.
 *
 * The caller holds the worktree's lock and keeps the in-step record (fs/instep.h): before anything is touched it says
 * that a checkout is under way, and after a whole one what the files are now.
 */
#ifndef FS_CHECKOUT_H
#define FS_CHECKOUT_H

#include <stdatomic.h>

#include "fs/git/worktree.h"
#include "fs/instep.h"
#include "fs/place.h"
#include "fs/pointer.h"

/* What is told of a path. */
enum checkout_event {
	CHECKOUT_WRITE,    /* is (or would be) written; what stood there goes with it */
	CHECKOUT_REMOVE,   /* is (or would be) removed */
	CHECKOUT_CONFLICT, /* changed on both sides, or something else is in the way: left */
	CHECKOUT_FAILED,   /* with an error; OF_STORE: the data could not be read, else the file could not be written */
};

struct checkout_request {
	const struct worktree *wt;
	const struct place_world *world;
	const char *path;   /* of the dataset */
	const char *inside; /* a path in it, and nothing else is touched; "" for all */
	const struct pointer *target;
	const struct instep *record; /* NULL: none; its root may be of either type */
	bool dry;                    /* only tell */
	bool force;                  /* left is nothing but what the target does not have */
	bool spare;                  /* with force: what is in neither tree is left all the same, as a conflict */
	unsigned jobs;               /* 0: as many as CPUs */
	const atomic_bool *stop;
	/* Told by the caller's thread or a worker, one at a time.  PATH is below the dataset ("" the one file of a
	 * dataset). */
	void (*tell)(void *arg, enum checkout_event event, const char *path, int error, bool of_store);
	/* Told of what was written, by any thread; may be NULL. */
	void (*progress)(void *arg, uint64_t files, uint64_t bytes);
	void *arg;
};

struct checkout_result {
	/* In a dry run: what would be. */
	uint64_t written;
	uint64_t bytes; /* of the files written */
	uint64_t removed;
	uint64_t conflicts;
	uint64_t failed;
	uint64_t
	    destroyed; /* by force, of what is neither in the old tree nor in the new; a dry run may count too many */
	bool whole;    /* all of the dataset is as it shall be: the record may say so */
};

/*
 * Check out; what was written is on the disk then.  Returns 0, also with conflicts and failures; -ENOENT where none of
 * the trees has what stands at INSIDE; -ENOTDIR where INSIDE is a path in what is, or shall be, a single file;
 * -EINTR; -ENOSPC and its like; errors of reading the trees (-ENODATA, -EBADMSG...), and nothing is changed where what
 * the record names is out of reach (-ETIMEDOUT, -ECONNREFUSED...) rather than lost.  A stat cache of the new state is
 * written where the checkout was whole.
 */
int checkout_dataset(const struct checkout_request *request, struct checkout_result *result);

/*
 * Remove the unfinished files and links that a checkout of the dataset PATH left behind when it was killed, in it and
 * beside it.  What cannot be removed stays.  Returns 0 or -errno.
 */
int checkout_sweep(const struct worktree *wt, const char *path);

#endif
