/*
 * Numbers as bytes: fixed little-endian integers, minimal unsigned LEB128, zigzag; and a growing buffer to write them
 * to.
 *
 * A reader trusts nothing: the first value that does not fit sets `bad`, after which every read answers zeros, so that
 * a decoder may check once at the end of each step.
 */
#ifndef CACHE_WIRE_H
#define CACHE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The 2 bytes at P, little-endian. */
uint16_t wire_get16(const uint8_t *p);

/* The 4 bytes at P, little-endian. */
uint32_t wire_get32(const uint8_t *p);

/* The 8 bytes at P, little-endian. */
uint64_t wire_get64(const uint8_t *p);

/* Write VALUE to the 2 bytes at P, little-endian. */
void wire_put16(uint8_t *p, uint16_t value);

/* Write VALUE to the 4 bytes at P, little-endian. */
void wire_put32(uint8_t *p, uint32_t value);

/* Write VALUE to the 8 bytes at P, little-endian. */
void wire_put64(uint8_t *p, uint64_t value);

/* Map signed to unsigned so that small magnitudes stay small: 0, -1, 1, -2 become 0, 1, 2, 3. */
uint64_t wire_zigzag(int64_t value);

/* The reverse of wire_zigzag(). */
int64_t wire_unzigzag(uint64_t value);

struct wire_reader {
	const uint8_t *next;
	const uint8_t *end;
	bool bad;
};

/* Begin to read the LEN bytes at DATA, which are borrowed. */
void wire_reader_init(struct wire_reader *r, const void *data, size_t len);

/* How many bytes have not been read yet. */
size_t wire_reader_left(const struct wire_reader *r);

/* The next byte. */
uint8_t wire_read8(struct wire_reader *r);

/* The next 2 bytes, little-endian. */
uint16_t wire_read16(struct wire_reader *r);

/* The next 4 bytes, little-endian. */
uint32_t wire_read32(struct wire_reader *r);

/* The next 8 bytes, little-endian. */
uint64_t wire_read64(struct wire_reader *r);

/* An unsigned LEB128 of at most 64 bits; a longer form than needed, or an overflow, is bad. */
uint64_t wire_read_varint(struct wire_reader *r);

/* LEN bytes in place; NULL (and bad) where there are fewer. */
const uint8_t *wire_read_bytes(struct wire_reader *r, size_t len);

/*
 * A buffer that grows.  Zero-initialised is empty.  A failed allocation sets `failed`, after which writes do nothing;
 * check it once at the end.  buffer_release() frees; it may be used again afterwards.
 */
struct buffer {
	uint8_t *data;
	size_t len;
	size_t capacity;
	bool failed;
};

/* Free; the buffer is empty then and may be used again. */
void buffer_release(struct buffer *b);
void buffer_clear(struct buffer *b); /* empties, keeps the memory */
void buffer_append(struct buffer *b, const void *data, size_t len);

/* Append a byte. */
void buffer_put8(struct buffer *b, uint8_t value);

/* Append 2 bytes, little-endian. */
void buffer_put16(struct buffer *b, uint16_t value);

/* Append 4 bytes, little-endian. */
void buffer_put32(struct buffer *b, uint32_t value);

/* Append 8 bytes, little-endian. */
void buffer_put64(struct buffer *b, uint64_t value);

/* Append VALUE as unsigned LEB128 in its shortest form. */
void buffer_put_varint(struct buffer *b, uint64_t value);

/* Make room for LEN more bytes and return where they go (the caller fills them, then adds LEN to b->len), or NULL. */
uint8_t *buffer_reserve(struct buffer *b, size_t len);

/* The number of bytes that buffer_put_varint() writes for VALUE, 1 to 10. */
size_t wire_varint_size(uint64_t value);

#endif
