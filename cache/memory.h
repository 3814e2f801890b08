/*
 * Expanded records in memory, shared by all readers, each loaded once however many ask at the same time.
 *
 * Holds at most the budget given at open, counted in bytes of values and MEMORY_VALUE_COST for each; what is pinned may
 * exceed it.  The least recently used is dropped first, and of what is spent, not asked for again as far as one can
 * tell, MEMORY_SPENT_MAX bytes are kept at most: so that reading everything once goes through few buffers again and
 * again, which stay in the processor's cache and cost no page faults.  Thread-safe.  No lock is held while a value is
 * loaded.
 */
#ifndef CACHE_MEMORY_H
#define CACHE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"

struct memory;

/* What keeping a value takes beside its bytes. */
#define MEMORY_VALUE_COST 160

/* Spent values are kept as long as it may take until readers that run beside one another have all had their part. */
#define MEMORY_SPENT_MAX (2u << 20)

/* A pinned value: LEN bytes that stay valid and unchanged until memory_unpin(). */
struct memory_value {
	const void *data;
	size_t len;
	void *slot; /* private */
};

struct memory_stats {
	uint64_t hits;
	uint64_t misses;
	uint64_t waits; /* hits that had to wait for a load under way */
	uint64_t evictions;
	uint64_t bytes; /* held now */
};

/*
 * Produce the value for a key: on success *DATA is malloc'ed and becomes the memory's.  Called without a lock.
 * Returns 0 or -errno; failures are handed to all who wait and not kept.
 */
typedef int (*memory_load)(void *arg, unsigned kind, const struct id *id, void **data, size_t *len);

/* Open a memory of BUDGET_BYTES.  0 or -ENOMEM; the caller closes it when nothing is pinned any more. */
int memory_open(size_t budget_bytes, struct memory **memory);

/* Free everything.  Nothing may be pinned. */
void memory_close(struct memory *memory);

/*
 * Pin the value of (KIND, ID), calling LOAD where it is not held.  KIND is any number below 256: values of different
 * kinds never meet.  Returns 0, -ENOMEM, what LOAD answered, or -EINTR (cache/interrupt.h) while another thread loads;
 * a load that ends with -EINTR or -EINPROGRESS is the answer to that thread alone.
 */
int memory_pin(struct memory *memory, unsigned kind, const struct id *id, memory_load load, void *arg,
               struct memory_value *value);

/* Pin only what is held already.  Returns 0 or -ENOENT. */
int memory_pin_held(struct memory *memory, unsigned kind, const struct id *id, struct memory_value *value);

/* Give a value back; sets value->data to NULL.  A value whose data is NULL is ignored. */
void memory_unpin(struct memory *memory, struct memory_value *value);

/* The same for a value that is spent once nobody else has it pinned; when it is pinned again it is not spent any more.
 */
void memory_unpin_spent(struct memory *memory, struct memory_value *value);

/* What happened so far, and what is held now. */
void memory_stats(struct memory *memory, struct memory_stats *stats);

#endif
