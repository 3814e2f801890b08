#include "cache/record.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/checksum.h"
#include "cache/chunker.h"
#include "cache/codec.h"
#include "cache/wire.h"

#define CHECKED_SIZE 16 /* bytes of the header that its checksum covers */

void record_header_encode(const struct record_header *header, const void *payload, uint8_t out[RECORD_HEADER_SIZE])
{
	out[0] = header->kind;
	out[1] = header->codec;
	wire_put16(out + 2, header->dictionary);
	wire_put32(out + 4, header->raw_len);
	wire_put32(out + 8, header->stored_len);
	wire_put32(out + 12, header->hashed_len);
	wire_put64(out + CHECKED_SIZE, checksum_two(out, CHECKED_SIZE, payload, header->stored_len));
}

bool record_lengths_fit(unsigned kind, unsigned codec, uint32_t raw_len, uint32_t stored_len)
{
	uint32_t limit;
	switch (kind) {
	case RECORD_CHUNK:
		limit = CHUNK_MAX;
		break;
	case RECORD_PAGE:
		limit = RECORD_RAW_MAX;
		break;
	default:
		return false;
	}
	if (raw_len == 0 || raw_len > limit || stored_len == 0 || stored_len > raw_len)
		return false;
	return codec != CODEC_RAW || stored_len == raw_len;
}

/* What a header says, without its checksum. */
static bool header_fits(const struct record_header *h, unsigned kind)
{
	if (h->kind != kind || !record_lengths_fit(kind, h->codec, h->raw_len, h->stored_len))
		return false;
	if (h->hashed_len == 0 || h->hashed_len > h->raw_len)
		return false;
	return kind != RECORD_CHUNK || h->hashed_len == h->raw_len;
}

int record_decode_header(const uint8_t *data, size_t len, unsigned kind, struct record_header *header)
{
	if (len < RECORD_HEADER_SIZE)
		return -EBADMSG;
	const struct record_header h = {
	    .kind = data[0],
	    .codec = data[1],
	    .dictionary = wire_get16(data + 2),
	    .raw_len = wire_get32(data + 4),
	    .stored_len = wire_get32(data + 8),
	    .hashed_len = wire_get32(data + 12),
	};
	if (!header_fits(&h, kind) || len - RECORD_HEADER_SIZE < h.stored_len)
		return -EBADMSG;
	uint64_t sum = checksum_two(data, CHECKED_SIZE, data + RECORD_HEADER_SIZE, h.stored_len);
	if (sum != wire_get64(data + CHECKED_SIZE))
		return -EBADMSG;
	*header = h;
	return 0;
}

int record_decode(const uint8_t *data, size_t len, unsigned kind, const struct id *id, struct record *record)
{
	struct record_header header;
	int r = record_decode_header(data, len, kind, &header);
	if (r < 0)
		return r;
	if (len - RECORD_HEADER_SIZE != header.stored_len)
		return -EBADMSG;
	if (header.dictionary != 0)
		return header.codec == CODEC_RAW || header.codec == CODEC_ZSTD ? -EBADMSG : -ENOTSUP;
	uint8_t *raw = malloc(header.raw_len);
	if (!raw)
		return -ENOMEM;
	r = codec_decode(header.codec, data + RECORD_HEADER_SIZE, header.stored_len, raw, header.raw_len);
	if (r < 0)
		goto out;
	struct id hash;
	id_of(raw, header.hashed_len, &hash);
	r = -EBADMSG;
	if (!id_equal(&hash, id))
		goto out;
	*record = (struct record){.data = raw, .len = header.raw_len, .hashed_len = header.hashed_len};
	raw = NULL;
	r = 0;
out:
	free(raw);
	return r;
}

int record_read(const struct io *io, int fd, uint64_t offset, uint32_t stored_len, unsigned kind, const struct id *id,
                struct record *record)
{
	if (stored_len == 0 || stored_len > RECORD_RAW_MAX)
		return -EBADMSG;
	const size_t len = RECORD_HEADER_SIZE + (size_t)stored_len;
	uint8_t *data = malloc(len);
	if (!data)
		return -ENOMEM;
	int r = io_read_exact(io, fd, data, len, offset);
	if (r == 0)
		r = record_decode(data, len, kind, id, record);
	free(data);
	return r;
}
