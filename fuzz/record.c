/* A record; the first byte says which kind is asked for, and whether checksum and length are made right. */
#include <errno.h>
#include <string.h>

#include "cache/codec.h"
#include "cache/record.h"
#include "cache/wire.h"
#include "fuzz/support/fuzz.h"

/* What passes must be the same by hand: codec, then hash. */
static void check(const uint8_t *data, size_t len, unsigned kind)
{
	struct record_header header;
	struct record record;
	struct id id = {{0}};
	int r = record_decode_header(data, len, kind, &header);
	if (r < 0) {
		REQUIRE(record_decode(data, len, kind, &id, &record) < 0);
		return;
	}
	REQUIRE(header.raw_len <= RECORD_RAW_MAX && header.stored_len <= header.raw_len);
	uint8_t *raw = malloc(header.raw_len);
	REQUIRE(raw);
	r = codec_decode(header.codec, data + RECORD_HEADER_SIZE, header.stored_len, raw, header.raw_len);
	if (r == 0)
		id_of(raw, header.hashed_len, &id);
	int whole = record_decode(data, len, kind, &id, &record);
	if (whole == 0) {
		REQUIRE(r == 0 && record.len == header.raw_len && memcmp(record.data, raw, record.len) == 0);
		free(record.data);
		id.bytes[0] ^= 1;
		REQUIRE(record_decode(data, len, kind, &id, &record) == -EBADMSG);
	} else {
		REQUIRE(r < 0 || header.dictionary || len != RECORD_HEADER_SIZE + (size_t)header.stored_len);
	}
	free(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	const uint8_t control = *data;
	uint8_t *copy = fuzz_copy(data + 1, --len);
	if (control & 0x80 && len >= RECORD_HEADER_SIZE)
		wire_put32(copy + 8, (uint32_t)len - RECORD_HEADER_SIZE);
	if (control & 0x40)
		fuzz_seal_record(copy, len);
	check(copy, len, control & 3);
	free(copy);
	return 0;
}
