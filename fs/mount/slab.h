/*
 * Blocks of 1 byte to 64 KiB in a shared region, named by their offsets.
 *
 * Each block knows its owner, a number of the caller's, so that whoever adopts the region can tell the blocks that are
 * in use from those that are not: the lists of free blocks are not in it.  Not thread-safe: the owner's lock guards it.
 */
#ifndef FS_SLAB_H
#define FS_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs/mount/region.h"

#define SLAB_CLASSES 13
#define SLAB_LEN_MAX 65536

struct slab {
	struct region region;
	uint64_t free[SLAB_CLASSES]; /* the first free block of each class, 0 for none */
};

/* Begin an empty slab.  Returns 0 or -errno; slab_close() frees. */
int slab_open(struct slab *slab);

/*
 * Go on with the region FD, which stays the caller's.  USED answers whether OWNER still holds the block at OFFSET; the
 * others become free.  Returns 0, -EBADMSG for what is no slab, or -errno.
 */
int slab_adopt(int fd, bool (*used)(void *arg, uint32_t owner, uint64_t offset), void *arg, struct slab *slab);

/* Unmap. */
void slab_close(struct slab *slab);

/* Copy LEN bytes into a new block of OWNER.  *OFFSET is never 0.  Returns 0, -EINVAL above the largest length, -ENOMEM,
 * -errno. */
int slab_put(struct slab *slab, uint32_t owner, const void *data, size_t len, uint64_t *offset);

/* The bytes of the block at OFFSET, aligned to 8; they stay where they are until slab_drop(). */
const void *slab_at(const struct slab *slab, uint64_t offset, size_t *len);

/* Free the block at OFFSET. */
void slab_drop(struct slab *slab, uint64_t offset);

#endif
