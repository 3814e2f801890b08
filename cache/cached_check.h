/*
 * Checking what the cache holds (cache/cached.h), without asking anybody.
 *
 * Of a pack's copy those records are checked of which it is known where they lie: all that its index lists against
 * their ids, where index and trailer are there; else those behind the header as far as they follow one another, by
 * their own checksums.  What lies behind a hole, or is not there to its end, is left alone.  Roots are checked against
 * their ids.  A copy in which something is damaged is removed: it is fetched again.
 */
#ifndef CACHE_CACHED_CHECK_H
#define CACHE_CACHED_CHECK_H

#include "cache/cached.h"

struct cached_check {
	uint64_t packs;         /* looked at */
	uint64_t roots;         /* the same */
	uint64_t records;       /* checked, roots not counted */
	uint64_t checked_bytes; /* of records and roots */
	uint64_t damaged;       /* packs and roots that were removed */
	uint64_t removed_bytes; /* that these took */
};

/*
 * Check all.  TELL is told of each file that is removed, by its path in the folder; PROGRESS (may be NULL) of bytes
 * that were checked.  Returns 0; -EINTR (cache/interrupt.h); -ENOMEM; -errno of the folder or of removing.
 */
int cached_check(struct cached *cached, void (*tell)(void *arg, const char *path),
                 void (*progress)(void *arg, uint64_t bytes), void *arg, struct cached_check *result);

#endif
