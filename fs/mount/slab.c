#include "fs/mount/slab.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#define SLAB_RESERVE ((size_t)1 << 32)
#define SLAB_MAGIC UINT64_C(0x31424c5353465652) /* "RVFSSLB1" */
#define CLASS_MIN 32u /* bytes of the smallest class, the block's header included; each next is twice as large */

/* The beginning of the region. */
struct slab_head {
	uint64_t magic;
	uint64_t used; /* bytes handed out so far, this head included */
	uint64_t reserved[2];
};

struct block {
	uint8_t class;
	uint8_t reserved[3];
	uint32_t owner;
	uint32_t len;
	uint32_t reserved2;
	uint64_t next_free; /* of a free block; else the first bytes of its data */
};
#define BLOCK_HEAD offsetof(struct block, next_free)

static struct slab_head *slab_head(const struct slab *slab)
{
	return (struct slab_head *)slab->region.base;
}

static struct block *slab_block(const struct slab *slab, uint64_t offset)
{
	assert(offset >= sizeof(struct slab_head) && offset < slab_head(slab)->used);
	return (struct block *)(slab->region.base + offset);
}

static size_t class_size(unsigned class)
{
	return (size_t)CLASS_MIN << class;
}

static void slab_free_block(struct slab *slab, uint64_t offset)
{
	struct block *block = slab_block(slab, offset);

	block->next_free = slab->free[block->class];
	slab->free[block->class] = offset;
}

int slab_open(struct slab *slab)
{
	int err;

	*slab = (struct slab){.region.fd = -1};
	err = region_open("revfs-texts", SLAB_RESERVE, &slab->region);
	if (err)
		return err;
	err = region_grow(&slab->region, sizeof(struct slab_head));
	if (err) {
		region_close(&slab->region);
		return err;
	}
	*slab_head(slab) = (struct slab_head){.magic = SLAB_MAGIC, .used = sizeof(struct slab_head)};
	return 0;
}

int slab_adopt(int fd, bool (*used)(void *arg, uint32_t owner, uint64_t offset), void *arg, struct slab *slab)
{
	uint64_t offset;
	int err;

	*slab = (struct slab){.region.fd = -1};
	err = region_adopt(fd, SLAB_RESERVE, &slab->region);
	if (err)
		return err;
	if (slab->region.size < sizeof(struct slab_head) || slab_head(slab)->magic != SLAB_MAGIC ||
	    slab_head(slab)->used > slab->region.size)
		goto fail;
	for (offset = sizeof(struct slab_head); offset < slab_head(slab)->used;) {
		const struct block *block = slab_block(slab, offset);

		if (slab_head(slab)->used - offset < CLASS_MIN || block->class >= SLAB_CLASSES ||
		    class_size(block->class) > slab_head(slab)->used - offset ||
		    block->len > class_size(block->class) - BLOCK_HEAD)
			goto fail;
		if (!used(arg, block->owner, offset))
			slab_free_block(slab, offset);
		offset += class_size(block->class);
	}
	return 0;
fail:
	region_close(&slab->region);
	return -EBADMSG;
}

void slab_close(struct slab *slab)
{
	region_close(&slab->region);
}

/* A block of CLASS that nothing has: one that was freed, else a new one. */
static int slab_take(struct slab *slab, unsigned class, uint64_t *offset)
{
	uint64_t at = slab->free[class];
	int err;

	if (at) {
		slab->free[class] = slab_block(slab, at)->next_free;
		*offset = at;
		return 0;
	}
	at = slab_head(slab)->used;
	err = region_grow(&slab->region, at + class_size(class));
	if (err)
		return err;
	/* Written before it counts as handed out: whoever adopts the slab walks from block to block. */
	*(struct block *)(slab->region.base + at) = (struct block){.class = (uint8_t) class};
	atomic_signal_fence(memory_order_seq_cst);
	slab_head(slab)->used = at + class_size(class);
	*offset = at;
	return 0;
}

int slab_put(struct slab *slab, uint32_t owner, const void *data, size_t len, uint64_t *offset)
{
	unsigned class = 0;
	struct block *block;
	int err;

	if (len > SLAB_LEN_MAX)
		return -EINVAL;
	while (class_size(class) - BLOCK_HEAD < len)
		class ++;
	err = slab_take(slab, class, offset);
	if (err)
		return err;
	block = slab_block(slab, *offset);
	block->owner = owner;
	block->len = (uint32_t)len;
	memcpy((uint8_t *)block + BLOCK_HEAD, data, len);
	return 0;
}

const void *slab_at(const struct slab *slab, uint64_t offset, size_t *len)
{
	const struct block *block = slab_block(slab, offset);

	*len = block->len;
	return (const uint8_t *)block + BLOCK_HEAD;
}

void slab_drop(struct slab *slab, uint64_t offset)
{
	slab_free_block(slab, offset);
}
