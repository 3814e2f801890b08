/*
 * Shared memory that grows in place: a memfd, mapped once over a large reserved range of addresses.
 *
 * What lies in it may be mapped by another process at another address, so it holds no pointers.  Bytes of a fresh
 * region are zero.  The base never moves.  Not thread-safe: the owner's lock guards it.
 */
#ifndef FS_REGION_H
#define FS_REGION_H

#include <stddef.h>
#include <stdint.h>

struct region {
	int fd; /* the memfd, CLOEXEC; owned */
	uint8_t *base;
	size_t size;     /* bytes that may be touched */
	size_t reserved; /* bytes of addresses; size never exceeds it */
};

/*
 * Make an empty region.  NAME shows in /proc.  RESERVE bytes of addresses are asked for, less where the system gives
 * less.  Returns 0 or -errno; region_close() frees.
 */
int region_open(const char *name, size_t reserve, struct region *region);

/* Map the region that FD is, which stays the caller's: the region gets a duplicate.  Returns 0, -EBADMSG where it is
 * larger than RESERVE, or -errno. */
int region_adopt(int fd, size_t reserve, struct region *region);

/* Make at least SIZE bytes usable, with memory behind each of them.  Returns 0, -ENOMEM, or -errno; what was usable
 * stays so. */
int region_grow(struct region *region, size_t size);

/* Unmap and close; the memory lives on where another process has it.  Allowed on a region whose base is NULL. */
void region_close(struct region *region);

#endif
