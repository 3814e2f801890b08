#include "cache/wire.h"

#include <stdlib.h>
#include <string.h>

#define VARINT_MAX 10 /* bytes of 64 bits */
#define BUFFER_MIN 256

uint16_t wire_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t wire_get32(const uint8_t *p)
{
	return wire_get16(p) | (uint32_t)wire_get16(p + 2) << 16;
}

uint64_t wire_get64(const uint8_t *p)
{
	return wire_get32(p) | (uint64_t)wire_get32(p + 4) << 32;
}

void wire_put16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)value;
	p[1] = (uint8_t)(value >> 8);
}

void wire_put32(uint8_t *p, uint32_t value)
{
	wire_put16(p, (uint16_t)value);
	wire_put16(p + 2, (uint16_t)(value >> 16));
}

void wire_put64(uint8_t *p, uint64_t value)
{
	wire_put32(p, (uint32_t)value);
	wire_put32(p + 4, (uint32_t)(value >> 32));
}

uint64_t wire_zigzag(int64_t value)
{
	uint64_t twice = (uint64_t)value << 1;
	return value < 0 ? ~twice : twice;
}

int64_t wire_unzigzag(uint64_t value)
{
	uint64_t half = value >> 1;
	return (int64_t)(value & 1 ? ~half : half);
}

size_t wire_varint_size(uint64_t value)
{
	size_t size = 1;
	while (value >>= 7)
		size++;
	return size;
}

void wire_reader_init(struct wire_reader *r, const void *data, size_t len)
{
	r->next = data;
	r->end = len ? r->next + len : r->next;
	r->bad = false;
}

size_t wire_reader_left(const struct wire_reader *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->next);
}

const uint8_t *wire_read_bytes(struct wire_reader *r, size_t len)
{
	if (r->bad || len > (size_t)(r->end - r->next)) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *p = r->next;
	if (len)
		r->next += len;
	return p;
}

uint8_t wire_read8(struct wire_reader *r)
{
	const uint8_t *p = wire_read_bytes(r, 1);
	return p ? *p : 0;
}

uint16_t wire_read16(struct wire_reader *r)
{
	const uint8_t *p = wire_read_bytes(r, 2);
	return p ? wire_get16(p) : 0;
}

uint32_t wire_read32(struct wire_reader *r)
{
	const uint8_t *p = wire_read_bytes(r, 4);
	return p ? wire_get32(p) : 0;
}

uint64_t wire_read64(struct wire_reader *r)
{
	const uint8_t *p = wire_read_bytes(r, 8);
	return p ? wire_get64(p) : 0;
}

uint64_t wire_read_varint(struct wire_reader *r)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < VARINT_MAX; i++) {
		uint8_t byte = wire_read8(r);
		if (r->bad)
			return 0;
		if (i == VARINT_MAX - 1 && byte > 1)
			break; /* more than 64 bits */
		value |= (uint64_t)(byte & 0x7f) << 7 * i;
		if (byte & 0x80)
			continue;
		if (byte == 0 && i > 0)
			break; /* not the shortest form */
		return value;
	}
	r->bad = true;
	return 0;
}

void buffer_release(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){0};
}

void buffer_clear(struct buffer *b)
{
	b->len = 0;
	b->failed = false;
}

uint8_t *buffer_reserve(struct buffer *b, size_t len)
{
	if (b->failed)
		return NULL;
	if (b->data && len <= b->capacity - b->len)
		return b->data + b->len;
	size_t needed;
	size_t capacity = b->capacity < BUFFER_MIN ? BUFFER_MIN : b->capacity;
	if (__builtin_add_overflow(b->len, len, &needed))
		goto fail;
	while (capacity < needed)
		capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
	uint8_t *data = realloc(b->data, capacity);
	if (!data)
		goto fail;
	b->data = data;
	b->capacity = capacity;
	return data + b->len;
fail:
	b->failed = true;
	return NULL;
}

void buffer_append(struct buffer *b, const void *data, size_t len)
{
	uint8_t *p = buffer_reserve(b, len);
	if (!p || len == 0)
		return;
	memcpy(p, data, len);
	b->len += len;
}

void buffer_put8(struct buffer *b, uint8_t value)
{
	buffer_append(b, &value, 1);
}

void buffer_put16(struct buffer *b, uint16_t value)
{
	uint8_t bytes[2];
	wire_put16(bytes, value);
	buffer_append(b, bytes, sizeof(bytes));
}

void buffer_put32(struct buffer *b, uint32_t value)
{
	uint8_t bytes[4];
	wire_put32(bytes, value);
	buffer_append(b, bytes, sizeof(bytes));
}

void buffer_put64(struct buffer *b, uint64_t value)
{
	uint8_t bytes[8];
	wire_put64(bytes, value);
	buffer_append(b, bytes, sizeof(bytes));
}

void buffer_put_varint(struct buffer *b, uint64_t value)
{
	uint8_t bytes[VARINT_MAX];
	size_t len = 0;
	while (value > 0x7f) {
		bytes[len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	bytes[len++] = (uint8_t)value;
	buffer_append(b, bytes, len);
}
