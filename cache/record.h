/*
 * Records: the unit of packs and root files, a chunk or a page behind a header of 24 bytes.
 *
 * The header lets one range read suffice; the id stands in the pack's index, and whoever reads knows it.
 */
#ifndef CACHE_RECORD_H
#define CACHE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"
#include "cache/io.h"

#define RECORD_HEADER_SIZE 24
#define RECORD_RAW_MAX (1u << 20) /* a page; a chunk has at most CHUNK_MAX */

enum record_kind {
	RECORD_CHUNK = 1,
	RECORD_PAGE = 2,
};

/* Where a record lies.  Never part of an identity; a wrong one costs time, not correctness. */
struct locator {
	struct pack_id pack;
	uint32_t offset;     /* of the record's header; 0: unknown (no record lies there) */
	uint32_t stored_len; /* without the header */
};

/* Where the record ends in its pack. */
static inline uint64_t locator_end(const struct locator *at)
{
	return (uint64_t)at->offset + RECORD_HEADER_SIZE + at->stored_len;
}

struct record_header {
	uint8_t kind;
	uint8_t codec;
	uint16_t dictionary; /* 0: none */
	uint32_t raw_len;
	uint32_t stored_len;
	uint32_t hashed_len; /* how many of the raw bytes, from the first, the id is the hash of */
};

/* The expanded bytes of a record. */
struct record {
	uint8_t *data; /* malloc'ed */
	uint32_t len;
	uint32_t hashed_len;
};

/* Whether a record of KIND and CODEC may have these lengths: the limits of the format.  False for an unknown kind. */
bool record_lengths_fit(unsigned kind, unsigned codec, uint32_t raw_len, uint32_t stored_len);

/* Encode HEADER, with the checksum of itself and its PAYLOAD of header->stored_len bytes. */
void record_header_encode(const struct record_header *header, const void *payload, uint8_t out[RECORD_HEADER_SIZE]);

/*
 * Decode a header and check it against the PAYLOAD of header->stored_len bytes that follows it in the LEN bytes at
 * DATA, which may go on behind it.  Lengths are checked against the limits of KIND before anything is believed. Returns
 * 0; -EBADMSG for damage or another kind than KIND.
 */
int record_decode_header(const uint8_t *data, size_t len, unsigned kind, struct record_header *header);

/*
 * Decode, expand and check a whole record of LEN bytes (header and payload): checksum, lengths, and that ID is the
 * hash. On success the caller frees record->data.  Returns 0; -EBADMSG, -ENOTSUP (unknown codec), -ENOMEM.
 */
int record_decode(const uint8_t *data, size_t len, unsigned kind, const struct id *id, struct record *record);

/*
 * The same for the record that lies at OFFSET of the open file FD, by one read of exactly its length.
 * Returns also -errno of the read; -EBADMSG where the file ends before.
 */
int record_read(const struct io *io, int fd, uint64_t offset, uint32_t stored_len, unsigned kind, const struct id *id,
                struct record *record);

#endif
