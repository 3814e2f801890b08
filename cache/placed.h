/*
 * Where records that were just written lie: a table from id to locator, open addressing, at most half full.
 *
 * Zeroed, it is empty.  Belongs to one thread, or is under its owner's lock.
 */
#ifndef CACHE_PLACED_H
#define CACHE_PLACED_H

#include <stdbool.h>
#include <stddef.h>

#include "cache/record.h"

struct placed_record {
	struct id id;
	struct locator locator; /* offset 0: a free slot */
};

struct placed {
	struct placed_record *slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
};

/* Make room for one more.  0 or -ENOMEM. */
int placed_reserve(struct placed *p);

/* Add ID, which is not there, at LOCATOR, whose offset is not 0.  There must be room. */
void placed_add(struct placed *p, const struct id *id, const struct locator *locator);

/* Where ID lies.  False where it is not there. */
bool placed_find(const struct placed *p, const struct id *id, struct locator *locator);

/* Empty it; the memory is kept. */
void placed_clear(struct placed *p);

/* Free what it holds; it is empty then. */
void placed_release(struct placed *p);

#endif
