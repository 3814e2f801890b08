/*
 * Pins: what the cache (cache/cached.h) is to keep, whatever else it needs room for.
 *
 * A small text file for each revision, or path in one, that is pinned, `pins/<repository>-<commit>[-<path>]` in the
 * folder of the cache, which lists packs and roots (revfs-cache(1) says how).  Like all in that folder it may be gone
 * or damaged at any time: then it protects nothing.  Thread-safe.
 */
#ifndef CACHE_PINS_H
#define CACHE_PINS_H

#include "cache/cached.h"

#define PINS_COMMIT_SIZE 65 /* of a commit's id as hex, with the NUL byte */

/* Pointers are borrowed. */
struct pin {
	const char *repository; /* where it lies: the folder of Git's */
	char commit[PINS_COMMIT_SIZE];
	const char *path; /* in the commit; "": all of it */
	uint64_t bytes;   /* that it takes, as records */
	const struct pack_id *packs;
	size_t packs_count;
	const struct id *roots;
	size_t roots_count;
};

/* Write PIN in the place of one of the same repository, commit and path.  0 or -errno. */
int pins_write(struct cached *cached, const struct pin *pin);

/* Remove the pin of PIN's repository, commit and path.  0, -ENOENT, -errno. */
int pins_remove(struct cached *cached, const struct pin *pin);

/* Call EACH for all pins that are whole, in the order of their files' names, until it answers other than 0, which is
 * returned.  0 or -errno. */
int pins_each(struct cached *cached, int (*each)(void *arg, const struct pin *pin), void *arg);

/* What all pins together keep. */
struct pins_kept {
	struct pack_id *packs; /* sorted */
	size_t packs_count;
	struct id *roots; /* sorted */
	size_t roots_count;
	size_t pins;
};

/* Read it.  Pins that cannot be read keep nothing.  0 (pins_kept_release() frees) or -ENOMEM. */
int pins_kept_read(struct cached *cached, struct pins_kept *kept);

/* Whether the file NAME, in packs/ or else in roots/ of the cache, is kept. */
bool pins_keep(const struct pins_kept *kept, bool is_pack, const char *name);

/* Free what it holds. */
void pins_kept_release(struct pins_kept *kept);

#endif
