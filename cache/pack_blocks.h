/*
 * Which blocks of a pack the cache has.
 *
 * Ranges are kept in whole blocks but where the pack ends, so that the end of a file that is no multiple of a block is
 * the pack's.  Not thread-safe.
 */
#ifndef CACHE_PACK_BLOCKS_H
#define CACHE_PACK_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"

#define PACK_BLOCK ((size_t)128 << 10)
#define PACK_BLOCKS_MAX 8192 /* what lies behind them is never there */

struct pack_blocks {
	struct pack_id pack;
	uint64_t end;  /* of the pack, once it was met; 0: it is not known */
	size_t credit; /* the owner's */
	uint8_t bits[PACK_BLOCKS_MAX / 8];
};

/* Whether BLOCK is there. */
bool pack_blocks_have(const struct pack_blocks *blocks, uint64_t block);

/* Whether all of LEN bytes at OFFSET are. */
bool pack_blocks_have_all(const struct pack_blocks *blocks, uint64_t offset, size_t len);

/* The bytes from BEGIN to END are there, at last; what of blocks they leave out lies behind the end. */
void pack_blocks_add(struct pack_blocks *blocks, uint64_t begin, uint64_t end);

/* The blocks with bytes from BEGIN to END are not. */
void pack_blocks_remove(struct pack_blocks *blocks, uint64_t begin, uint64_t end);

/* How cached_each_part() tells what is there; ARG is a struct pack_blocks. */
void pack_blocks_take_part(void *arg, uint64_t begin, uint64_t end);

#endif
