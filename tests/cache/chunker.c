/* Chunker 1 is fixed for ever: golden cuts, and a plain second implementation of revfs-format(5) to compare with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "cache/id.h"
#include "cache/wire.h"
#include "tests/support/damage.h"

#define NOISE_SIZE (4u << 20)

static uint8_t *noise;

static int make_noise(void **state)
{
	(void)state;
	noise = malloc(NOISE_SIZE);
	damage_noise(1, noise, NOISE_SIZE);
	return 0;
}

static int free_noise(void **state)
{
	(void)state;
	free(noise);
	return 0;
}

/* Word for word from the manual page. */
static size_t plain_cut(const uint8_t *b, size_t n)
{
	if (n <= 16384)
		return n;
	uint64_t h = 0;
	for (size_t i = 16384; i < n && i < 262144; i++) {
		struct id hash;
		static uint64_t gear[256];
		static bool known[256];
		if (!known[b[i]]) {
			uint8_t seed[16];
			memcpy(seed, "revfs chunker 1", 15);
			seed[15] = b[i];
			id_of(seed, 16, &hash);
			gear[b[i]] = wire_get64(hash.bytes);
			known[b[i]] = true;
		}
		h = 2 * h + gear[b[i]];
		if (i < 65536 && h >> 46 == 0)
			return i + 1;
		if (i >= 65536 && h >> 50 == 0)
			return i + 1;
	}
	return n < 262144 ? n : 262144;
}

static void assert_cuts(const uint8_t *data, size_t len, const size_t *expected, size_t count)
{
	size_t at = 0;
	for (size_t i = 0; i < count; i++) {
		assert_true(at < len);
		size_t cut = chunker_cut(data + at, len - at, true);
		assert_int_equal(cut, expected[i]);
		at += cut;
	}
	assert_int_equal(at, len);
}

static void golden_hashes_are_cut_as_ever(void **state)
{
	static const size_t expected[] = {37532, 21952, 66703, 68406, 84627, 99493, 71098, 70893,
	                                  46218, 72733, 84996, 79044, 66094, 81401, 97386};
	(void)state;
	uint8_t *data = malloc(1 << 20);
	for (uint64_t k = 0; k < 32768; k++) {
		uint8_t number[8];
		struct id hash;
		wire_put64(number, k);
		id_of(number, 8, &hash);
		memcpy(data + 32 * k, hash.bytes, 32);
	}
	assert_cuts(data, 1 << 20, expected, sizeof(expected) / sizeof(*expected));
	free(data);
}

static void golden_numbers_are_cut_as_ever(void **state)
{
	static const size_t expected[] = {77205, 74307, 82134, 74873, 32470, 86696, 95041, 66164};
	(void)state;
	char *text = malloc(588890 + 1);
	size_t len = 0;
	for (unsigned i = 0; i < 100000; i++)
		len += (size_t)sprintf(text + len, "%u\n", i);
	assert_int_equal(len, 588890);
	assert_cuts((uint8_t *)text, len, expected, sizeof(expected) / sizeof(*expected));
	free(text);
}

static void golden_zeros_are_cut_as_ever(void **state)
{
	static const size_t expected[] = {262144, 262144, 262144, 213568};
	(void)state;
	uint8_t *zeros = calloc(1, 1000000);
	assert_cuts(zeros, 1000000, expected, 4);
	free(zeros);
	assert_true(chunker_zeros_fill());
}

static void gear_has_its_golden_words(void **state)
{
	(void)state;
	assert_true(chunker_gear()[0] == UINT64_C(0x4b5831f5d26329d6));
	assert_true(chunker_gear()[1] == UINT64_C(0x08f0aec3c176ef7c));
	assert_true(chunker_gear()[255] == UINT64_C(0xc842d98934c550e4));
}

static void constant_bytes_are_cut_as_the_plain_way_says(void **state)
{
	(void)state;
	uint8_t *data = malloc(CHUNK_MAX + 1);
	for (unsigned byte = 0; byte < 256; byte++) {
		memset(data, (int)byte, CHUNK_MAX + 1);
		assert_int_equal(chunker_cut(data, CHUNK_MAX + 1, true), plain_cut(data, CHUNK_MAX + 1));
	}
	free(data);
}

static void noise_is_cut_as_the_plain_way_says(void **state)
{
	size_t count = 0;
	(void)state;
	for (size_t at = 0; at < NOISE_SIZE; count++) {
		size_t cut = chunker_cut(noise + at, NOISE_SIZE - at, true);
		assert_int_equal(cut, plain_cut(noise + at, NOISE_SIZE - at));
		at += cut;
	}
	assert_in_range(NOISE_SIZE / count, CHUNK_AVERAGE * 8 / 10, CHUNK_AVERAGE * 13 / 10);
}

static void every_start_is_cut_as_the_plain_way_says(void **state)
{
	(void)state;
	for (size_t at = 0; at < NOISE_SIZE; at += 30011)
		assert_int_equal(chunker_cut(noise + at, NOISE_SIZE - at, true),
		                 plain_cut(noise + at, NOISE_SIZE - at));
}

static void lengths_around_the_limits_are_right(void **state)
{
	static const size_t around[] = {1, CHUNK_MIN, CHUNK_AVERAGE, CHUNK_MAX};
	(void)state;
	/* Where noise is cut late, so that the limits themselves are met. */
	uint8_t *zeros = calloc(1, CHUNK_MAX + 2);
	for (size_t i = 0; i < 4; i++) {
		for (size_t len = around[i] < 3 ? 1 : around[i] - 2; len <= around[i] + 2; len++) {
			assert_int_equal(chunker_cut(zeros, len, true), len < CHUNK_MAX ? len : CHUNK_MAX);
			assert_int_equal(chunker_cut(zeros, len, false), len < CHUNK_MAX ? 0 : CHUNK_MAX);
			assert_int_equal(chunker_cut(noise, len, true), plain_cut(noise, len));
		}
	}
	assert_int_equal(chunker_cut(zeros, 0, true), 0);
	assert_int_equal(chunker_cut(zeros, 0, false), 0);
	free(zeros);
}

static void more_bytes_are_asked_for_until_the_cut_is_sure(void **state)
{
	(void)state;
	size_t at = 0;
	for (unsigned chunk = 0; chunk < 8; chunk++) {
		const uint8_t *data = noise + at;
		size_t cut = chunker_cut(data, NOISE_SIZE - at, true);
		for (size_t len = 0; len < cut; len += 997)
			assert_int_equal(chunker_cut(data, len, false), 0);
		assert_int_equal(chunker_cut(data, cut - 1, false), 0);
		assert_int_equal(chunker_cut(data, cut, false), cut);
		assert_int_equal(chunker_cut(data, cut + 1, false), cut);
		assert_int_equal(chunker_cut(data, CHUNK_MAX, false), cut);
		at += cut;
	}
}

/* The text where a file changed does not move the cuts far behind it: what deduplication rests on. */
static void cuts_meet_again_behind_an_insertion(void **state)
{
	(void)state;
	size_t shift = 12345, a = 0, b = 0;
	unsigned steps = 0;
	while (a != b + shift && steps < 60) {
		if (a < b + shift)
			a += chunker_cut(noise + a, NOISE_SIZE - a, true);
		else
			b += chunker_cut(noise + shift + b, NOISE_SIZE - shift - b, true);
		steps++;
	}
	assert_true(steps < 60 && a < NOISE_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden_hashes_are_cut_as_ever),
	    cmocka_unit_test(golden_numbers_are_cut_as_ever),
	    cmocka_unit_test(golden_zeros_are_cut_as_ever),
	    cmocka_unit_test(gear_has_its_golden_words),
	    cmocka_unit_test(constant_bytes_are_cut_as_the_plain_way_says),
	    cmocka_unit_test(noise_is_cut_as_the_plain_way_says),
	    cmocka_unit_test(every_start_is_cut_as_the_plain_way_says),
	    cmocka_unit_test(lengths_around_the_limits_are_right),
	    cmocka_unit_test(more_bytes_are_asked_for_until_the_cut_is_sure),
	    cmocka_unit_test(cuts_meet_again_behind_an_insertion),
	};
	return cmocka_run_group_tests(tests, make_noise, free_noise);
}
