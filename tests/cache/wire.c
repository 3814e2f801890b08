/* Numbers as bytes: fixed, varint, zigzag; the buffer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/wire.h"

static void fixed_numbers_are_little_endian(void **state)
{
	static const uint8_t bytes[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
	uint8_t out[8];
	(void)state;
	assert_int_equal(wire_get16(bytes), 0x2301);
	assert_int_equal(wire_get32(bytes), 0x67452301);
	assert_true(wire_get64(bytes) == UINT64_C(0xefcdab8967452301));
	wire_put64(out, UINT64_C(0xefcdab8967452301));
	assert_memory_equal(out, bytes, 8);
	wire_put32(out, 0x67452301);
	assert_memory_equal(out, bytes, 4);
	wire_put16(out, 0x2301);
	assert_memory_equal(out, bytes, 2);
}

static void zigzag_alternates_signs(void **state)
{
	static const struct {
		int64_t value;
		uint64_t mapped;
	} cases[] = {
	    {0, 0}, {-1, 1}, {1, 2}, {-2, 3}, {INT64_MAX, UINT64_MAX - 1}, {INT64_MIN, UINT64_MAX},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(wire_zigzag(cases[i].value) == cases[i].mapped);
		assert_true(wire_unzigzag(cases[i].mapped) == cases[i].value);
	}
}

static void varint_has_its_known_bytes(void **state)
{
	static const struct {
		uint64_t value;
		size_t len;
		uint8_t bytes[10];
	} cases[] = {
	    {0, 1, {0}},
	    {127, 1, {0x7f}},
	    {128, 2, {0x80, 0x01}},
	    {300, 2, {0xac, 0x02}},
	    {UINT32_MAX, 5, {0xff, 0xff, 0xff, 0xff, 0x0f}},
	    {UINT64_MAX, 10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buffer b = {0};
		struct wire_reader r;
		buffer_put_varint(&b, cases[i].value);
		assert_false(b.failed);
		assert_int_equal(b.len, cases[i].len);
		assert_int_equal(wire_varint_size(cases[i].value), cases[i].len);
		assert_memory_equal(b.data, cases[i].bytes, b.len);
		wire_reader_init(&r, b.data, b.len);
		assert_true(wire_read_varint(&r) == cases[i].value);
		assert_false(r.bad);
		assert_int_equal(wire_reader_left(&r), 0);
		for (size_t cut = 0; cut < b.len; cut++) {
			wire_reader_init(&r, b.data, cut);
			assert_true(wire_read_varint(&r) == 0);
			assert_true(r.bad);
		}
		buffer_release(&b);
	}
}

static void varint_of_every_size_round_trips(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int delta = -1; delta <= 1; delta++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)delta;
			struct buffer b = {0};
			struct wire_reader r;
			buffer_put_varint(&b, value);
			assert_int_equal(b.len, wire_varint_size(value));
			wire_reader_init(&r, b.data, b.len);
			assert_true(wire_read_varint(&r) == value && !r.bad);
			buffer_release(&b);
		}
	}
}

static void longer_varint_than_needed_is_bad(void **state)
{
	static const struct {
		size_t len;
		uint8_t bytes[11];
	} cases[] = {
	    {2, {0x80, 0x00}},
	    {3, {0xff, 0x80, 0x00}},
	    {10, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}},
	    {10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}}, /* more than 64 bits */
	    {11, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct wire_reader r;
		wire_reader_init(&r, cases[i].bytes, cases[i].len);
		assert_true(wire_read_varint(&r) == 0);
		assert_true(r.bad);
	}
}

static void bad_reader_answers_zeros(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
	struct wire_reader r;
	(void)state;
	wire_reader_init(&r, bytes, sizeof(bytes));
	assert_int_equal(wire_read8(&r), 1);
	assert_true(wire_read64(&r) == 0);
	assert_true(r.bad);
	assert_int_equal(wire_reader_left(&r), 0);
	assert_int_equal(wire_read8(&r), 0);
	assert_int_equal(wire_read16(&r), 0);
	assert_int_equal(wire_read32(&r), 0);
	assert_null(wire_read_bytes(&r, 1));
	assert_null(wire_read_bytes(&r, 0));
}

static void reads_stay_inside(void **state)
{
	uint8_t *bytes = malloc(8); /* of exact size, for the sanitizer */
	struct wire_reader r;
	(void)state;
	memset(bytes, 7, 8);
	for (size_t len = 0; len <= 8; len++) {
		wire_reader_init(&r, bytes + 8 - len, len);
		assert_int_equal(wire_read64(&r) != 0, len == 8);
		wire_reader_init(&r, bytes + 8 - len, len);
		assert_int_equal(wire_read32(&r) != 0, len >= 4);
		wire_reader_init(&r, bytes + 8 - len, len);
		assert_int_equal(wire_read16(&r) != 0, len >= 2);
		wire_reader_init(&r, bytes + 8 - len, len);
		assert_null(wire_read_bytes(&r, SIZE_MAX));
	}
	free(bytes);
	wire_reader_init(&r, NULL, 0);
	assert_int_equal(wire_reader_left(&r), 0);
	assert_int_equal(wire_read8(&r), 0);
	assert_true(r.bad);
}

static void buffer_keeps_everything_while_it_grows(void **state)
{
	struct buffer b = {0};
	struct wire_reader r;
	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		buffer_put8(&b, (uint8_t)i);
		buffer_put16(&b, (uint16_t)i);
		buffer_put32(&b, i);
		buffer_put64(&b, (uint64_t)i << 32);
		buffer_put_varint(&b, i);
		buffer_append(&b, &i, sizeof(i));
	}
	assert_false(b.failed);
	wire_reader_init(&r, b.data, b.len);
	for (uint32_t i = 0; i < 10000; i++) {
		assert_int_equal(wire_read8(&r), (uint8_t)i);
		assert_int_equal(wire_read16(&r), (uint16_t)i);
		assert_int_equal(wire_read32(&r), i);
		assert_true(wire_read64(&r) == (uint64_t)i << 32);
		assert_int_equal(wire_read_varint(&r), i);
		assert_memory_equal(wire_read_bytes(&r, sizeof(i)), &i, sizeof(i));
	}
	assert_false(r.bad);
	assert_int_equal(wire_reader_left(&r), 0);
	buffer_clear(&b);
	assert_int_equal(b.len, 0);
	buffer_put8(&b, 9);
	assert_int_equal(b.len, 1);
	buffer_release(&b);
	assert_null(b.data);
	buffer_put8(&b, 1);
	assert_int_equal(b.len, 1);
	buffer_release(&b);
}

static void buffer_without_memory_fails_until_cleared(void **state)
{
	struct buffer b = {0};
	(void)state;
	buffer_put8(&b, 1);
	assert_null(buffer_reserve(&b, SIZE_MAX));
	assert_true(b.failed);
	buffer_put8(&b, 2);
	assert_int_equal(b.len, 1);
	assert_null(buffer_reserve(&b, 1));
	buffer_clear(&b);
	buffer_put8(&b, 3);
	assert_false(b.failed);
	assert_int_equal(b.data[0], 3);
	buffer_release(&b);
}

static void reserved_bytes_are_the_callers(void **state)
{
	struct buffer b = {0};
	(void)state;
	uint8_t *p = buffer_reserve(&b, 1000);
	assert_non_null(p);
	memset(p, 5, 1000);
	b.len += 1000;
	buffer_append(&b, NULL, 0);
	buffer_put8(&b, 6);
	assert_int_equal(b.len, 1001);
	assert_int_equal(b.data[999], 5);
	assert_int_equal(b.data[1000], 6);
	buffer_release(&b);
	assert_non_null(buffer_reserve(&b, 0));
	buffer_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fixed_numbers_are_little_endian),
	    cmocka_unit_test(zigzag_alternates_signs),
	    cmocka_unit_test(varint_has_its_known_bytes),
	    cmocka_unit_test(varint_of_every_size_round_trips),
	    cmocka_unit_test(longer_varint_than_needed_is_bad),
	    cmocka_unit_test(bad_reader_answers_zeros),
	    cmocka_unit_test(reads_stay_inside),
	    cmocka_unit_test(buffer_keeps_everything_while_it_grows),
	    cmocka_unit_test(buffer_without_memory_fails_until_cleared),
	    cmocka_unit_test(reserved_bytes_are_the_callers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
