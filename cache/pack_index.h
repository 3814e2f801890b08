/*
 * The lines of a pack's index, and the trailer that locates and checks it, as bytes.
 */
#ifndef CACHE_PACK_INDEX_H
#define CACHE_PACK_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/id.h"

#define PACK_HEADER_SIZE 64
#define PACK_TRAILER_SIZE 64
#define PACK_ENTRY_SIZE 48
#define PACK_SIZE_MAX (1u << 30)

/* One line of a pack's index, which is sorted by (kind, id). */
struct pack_entry {
	struct id id;
	uint8_t kind;
	uint8_t codec;
	uint16_t dictionary;
	uint32_t raw_len;
	uint32_t stored_len;
	uint32_t offset;
};

struct pack_trailer {
	uint64_t index_offset;
	uint32_t count;
	uint64_t index_checksum;
	struct pack_id pack;
};

/* The order of the index: by kind, then id. */
int pack_entry_cmp(const struct pack_entry *a, const struct pack_entry *b);

/* Write one line of the index. */
void pack_entry_encode(const struct pack_entry *entry, uint8_t out[PACK_ENTRY_SIZE]);

/*
 * Decode a line of a pack whose index begins at INDEX_OFFSET: the record must lie between header and index, and its
 * lengths within the limits of its kind where that is known (another kind is for who asks for it to refuse).
 * Returns 0 or -EBADMSG.
 */
int pack_entry_decode(const uint8_t data[PACK_ENTRY_SIZE], uint64_t index_offset, struct pack_entry *entry);

/* Write the trailer, its checksum included. */
void pack_trailer_encode(const struct pack_trailer *trailer, uint8_t out[PACK_TRAILER_SIZE]);

/* Decode the trailer of a pack of SIZE bytes; the index must fill what lies between its offset and the trailer.
 * Returns 0 or -EBADMSG. */
int pack_trailer_decode(const uint8_t data[PACK_TRAILER_SIZE], uint64_t size, struct pack_trailer *trailer);

#endif
