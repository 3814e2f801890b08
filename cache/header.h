/*
 * The 64 bytes that packs, root files and moved files begin with: magic, version, a number, an id, a checksum.
 */
#ifndef CACHE_HEADER_H
#define CACHE_HEADER_H

#include <stdint.h>

#include "cache/id.h"

#define HEADER_SIZE 64
#define HEADER_MAGIC_SIZE 8
#define HEADER_MAJOR 1
#define HEADER_MINOR 0

#define HEADER_MAGIC_PACK "revfsPCK"
#define HEADER_MAGIC_ROOT "revfsROT"
#define HEADER_MAGIC_MOVED "revfsMVD"

struct header {
	uint32_t count;      /* dictionaries of a pack, entries of a moved file, else 0 */
	struct pack_id pack; /* the pack this is, or that was repacked; zeros in a root file */
};

/* Encode HEADER behind MAGIC, of HEADER_MAGIC_SIZE characters. */
void header_encode(const char *magic, const struct header *header, uint8_t out[HEADER_SIZE]);

/* Decode and check.  Returns 0; -EBADMSG for damage, another magic, or a larger major version. */
int header_decode(const char *magic, const uint8_t data[HEADER_SIZE], struct header *header);

#endif
