#include "cache/pack_blocks.h"

bool pack_blocks_have(const struct pack_blocks *blocks, uint64_t block)
{
	return block < PACK_BLOCKS_MAX && (blocks->bits[block / 8] >> block % 8 & 1);
}

bool pack_blocks_have_all(const struct pack_blocks *blocks, uint64_t offset, size_t len)
{
	for (uint64_t block = offset / PACK_BLOCK; block * PACK_BLOCK < offset + len; block++) {
		if (!pack_blocks_have(blocks, block))
			return false;
	}
	return true;
}

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + PACK_BLOCK - 1) / PACK_BLOCK;
}

void pack_blocks_add(struct pack_blocks *blocks, uint64_t begin, uint64_t end)
{
	for (uint64_t block = round_up(begin); block < round_up(end) && block < PACK_BLOCKS_MAX; block++)
		blocks->bits[block / 8] |= (uint8_t)(1u << block % 8);
}

void pack_blocks_remove(struct pack_blocks *blocks, uint64_t begin, uint64_t end)
{
	for (uint64_t block = begin / PACK_BLOCK; block < round_up(end) && block < PACK_BLOCKS_MAX; block++)
		blocks->bits[block / 8] &= (uint8_t) ~(1u << block % 8);
}

void pack_blocks_take_part(void *arg, uint64_t begin, uint64_t end)
{
	struct pack_blocks *blocks = arg;

	if (end % PACK_BLOCK)
		blocks->end = end;
	pack_blocks_add(blocks, begin, end);
}
