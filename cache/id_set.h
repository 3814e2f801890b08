/*
 * Sets of ids, for going through millions of records: open addressing, at most half full.
 *
 * A struct id_set holds whole ids.  A struct key_set holds 8 bytes an id and may take two ids for one: only for
 * questions where a wrong "yes" does no harm.  Zeroed, a set is empty.  A set belongs to one thread while it changes.
 */
#ifndef CACHE_ID_SET_H
#define CACHE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"

struct id_set {
	struct id *slots;
	uint8_t *used;
	size_t size; /* a power of two, or 0 */
	size_t count;
};

/* Returns 1 where ID is new, 0 where it was there, -ENOMEM. */
int id_set_add(struct id_set *set, const struct id *id);

/* Whether ID was added. */
bool id_set_has(const struct id_set *set, const struct id *id);

/* Free what it holds; it is empty then. */
void id_set_release(struct id_set *set);

struct key_set {
	uint64_t *slots; /* 0: free */
	size_t size;
	size_t count;
};

/* As id_set_add(). */
int key_set_add(struct key_set *set, const struct id *id);

/* As id_set_has(). */
bool key_set_has(const struct key_set *set, const struct id *id);

/* As id_set_release(). */
void key_set_release(struct key_set *set);

#endif
