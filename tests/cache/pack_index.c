/* The lines of a pack's index and its trailer, byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/checksum.h"
#include "cache/chunker.h"
#include "cache/codec.h"
#include "cache/pack_index.h"
#include "cache/record.h"
#include "cache/wire.h"
#include "tests/support/damage.h"

static const struct pack_entry line = {.id = {{0xaa, 0xbb}},
                                       .kind = RECORD_CHUNK,
                                       .codec = CODEC_ZSTD,
                                       .raw_len = 0x10203,
                                       .stored_len = 0x103,
                                       .offset = 0x400};

static void line_has_its_known_bytes(void **state)
{
	static const uint8_t expected[PACK_ENTRY_SIZE] = {1, 1, 0, 0, 3, 2, 1, 0, 3, 1, 0, 0, 0, 4, 0, 0, 0xaa, 0xbb};
	uint8_t out[PACK_ENTRY_SIZE];
	struct pack_entry entry;
	(void)state;
	pack_entry_encode(&line, out);
	assert_memory_equal(out, expected, sizeof(out));
	assert_int_equal(pack_entry_decode(out, 0x400 + RECORD_HEADER_SIZE + 0x103, &entry), 0);
	assert_memory_equal(&entry, &line, sizeof(entry));
	assert_int_equal(pack_entry_decode(out, 0x400 + RECORD_HEADER_SIZE + 0x102, &entry), -EBADMSG);
}

static int decode_as(unsigned kind, unsigned codec, uint32_t raw_len, uint32_t stored_len, uint32_t offset)
{
	uint8_t out[PACK_ENTRY_SIZE];
	struct pack_entry entry = line;
	entry.kind = (uint8_t)kind;
	entry.codec = (uint8_t)codec;
	entry.raw_len = raw_len;
	entry.stored_len = stored_len;
	entry.offset = offset;
	pack_entry_encode(&entry, out);
	return pack_entry_decode(out, 4 << 20, &entry);
}

static void line_outside_the_limits_is_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_as(RECORD_CHUNK, CODEC_RAW, CHUNK_MAX, CHUNK_MAX, 64), 0);
	assert_int_equal(decode_as(RECORD_CHUNK, CODEC_RAW, CHUNK_MAX, CHUNK_MAX, 63), -EBADMSG);
	assert_int_equal(decode_as(RECORD_CHUNK, CODEC_RAW, CHUNK_MAX + 1, CHUNK_MAX + 1, 64), -EBADMSG);
	assert_int_equal(decode_as(RECORD_PAGE, CODEC_RAW, RECORD_RAW_MAX, RECORD_RAW_MAX, 64), 0);
	assert_int_equal(decode_as(RECORD_PAGE, CODEC_ZSTD, RECORD_RAW_MAX + 1, 9, 64), -EBADMSG);
	assert_int_equal(decode_as(RECORD_PAGE, CODEC_ZSTD, 9, 10, 64), -EBADMSG);
	assert_int_equal(decode_as(RECORD_PAGE, CODEC_RAW, 10, 9, 64), -EBADMSG);
	assert_int_equal(decode_as(RECORD_PAGE, CODEC_RAW, 9, 9, UINT32_MAX), -EBADMSG);
	assert_int_equal(decode_as(0, CODEC_RAW, 9, 9, 64), -EBADMSG);
	assert_int_equal(decode_as(77, 88, 9, 9, 64), 0); /* to come; for who asks for it to refuse */
	assert_int_equal(decode_as(77, 88, 9, 10, 64), -EBADMSG);
}

static void lines_sort_by_kind_then_id(void **state)
{
	struct pack_entry a = line, b = line;
	(void)state;
	assert_int_equal(pack_entry_cmp(&a, &b), 0);
	b.id.bytes[31] = 1;
	assert_true(pack_entry_cmp(&a, &b) < 0);
	a.kind = RECORD_PAGE;
	assert_true(pack_entry_cmp(&a, &b) > 0);
}

#define EXAMPLE_SIZE (64 + 100 + 3 * PACK_ENTRY_SIZE + 64)
static const struct pack_trailer example = {
    .index_offset = 164, .count = 3, .index_checksum = UINT64_C(0x0807060504030201), .pack = {{9, 8, 7}}};

static void trailer_has_its_known_bytes(void **state)
{
	static const uint8_t expected[56] = {'r', 'e', 'v', 'f', 's', 'E', 'N', 'D', 164, 0, 0, 0, 0, 0, 0, 0, 3, 0,
	                                     0,   0,   0,   0,   0,   0,   1,   2,   3,   4, 5, 6, 7, 8, 9, 8, 7};
	uint8_t out[PACK_TRAILER_SIZE];
	struct pack_trailer trailer;
	(void)state;
	pack_trailer_encode(&example, out);
	assert_memory_equal(out, expected, 56);
	assert_true(wire_get64(out + 56) == checksum(expected, 56));
	assert_int_equal(pack_trailer_decode(out, EXAMPLE_SIZE, &trailer), 0);
	assert_int_equal(trailer.index_offset, 164);
	assert_int_equal(trailer.count, 3);
	assert_true(trailer.index_checksum == example.index_checksum);
	assert_true(pack_id_equal(&trailer.pack, &example.pack));
	for (uint64_t size = 0; size < 2 * EXAMPLE_SIZE; size++)
		assert_int_equal(pack_trailer_decode(out, size, &trailer), size == EXAMPLE_SIZE ? 0 : -EBADMSG);
}

static int decode_trailer(uint64_t index_offset, uint32_t count, uint64_t size)
{
	uint8_t out[PACK_TRAILER_SIZE];
	struct pack_trailer trailer = {.index_offset = index_offset, .count = count};
	pack_trailer_encode(&trailer, out);
	return pack_trailer_decode(out, size, &trailer);
}

static void index_must_fill_what_is_between(void **state)
{
	(void)state;
	assert_int_equal(decode_trailer(64, 0, 128), 0);
	assert_int_equal(decode_trailer(63, 0, 127), -EBADMSG);
	assert_int_equal(decode_trailer(16, 1, 128), -EBADMSG);
	assert_int_equal(decode_trailer(UINT64_MAX - 63, 0, 0), -EBADMSG);
	assert_int_equal(decode_trailer(64, UINT32_MAX, 128 + (uint64_t)UINT32_MAX * 48), -EBADMSG);
	assert_int_equal(decode_trailer(PACK_SIZE_MAX - 64, 0, PACK_SIZE_MAX), 0);
	assert_int_equal(decode_trailer(PACK_SIZE_MAX - 63, 0, PACK_SIZE_MAX + 1), -EBADMSG);
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	struct pack_trailer trailer;
	(void)arg;
	if (len == PACK_TRAILER_SIZE)
		assert_int_equal(pack_trailer_decode(data, EXAMPLE_SIZE, &trailer), -EBADMSG);
}

static void every_damage_to_the_trailer_is_seen(void **state)
{
	uint8_t out[PACK_TRAILER_SIZE];
	(void)state;
	pack_trailer_encode(&example, out);
	damage_each(out, sizeof(out), try_damaged, NULL);
}

static void reserved_bytes_of_the_trailer_are_zero(void **state)
{
	uint8_t out[PACK_TRAILER_SIZE];
	struct pack_trailer trailer;
	(void)state;
	for (size_t at = 20; at < 56; at = at == 23 ? 48 : at + 1) {
		pack_trailer_encode(&example, out);
		out[at] = 1;
		wire_put64(out + 56, checksum(out, 56));
		assert_int_equal(pack_trailer_decode(out, EXAMPLE_SIZE, &trailer), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(line_has_its_known_bytes),
	    cmocka_unit_test(line_outside_the_limits_is_refused),
	    cmocka_unit_test(lines_sort_by_kind_then_id),
	    cmocka_unit_test(trailer_has_its_known_bytes),
	    cmocka_unit_test(index_must_fill_what_is_between),
	    cmocka_unit_test(every_damage_to_the_trailer_is_seen),
	    cmocka_unit_test(reserved_bytes_of_the_trailer_are_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
