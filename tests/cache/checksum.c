/* The checksum: known answers, and one piece or two. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/checksum.h"
#include "tests/support/damage.h"

static void known_inputs_have_their_checksums(void **state)
{
	(void)state;
	assert_true(checksum("", 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(checksum("abc", 3) == UINT64_C(0x78af5f94892f3950));
}

static void two_pieces_are_as_one(void **state)
{
	static uint8_t data[5000];
	(void)state;
	damage_noise(1, data, sizeof(data));
	for (size_t len = 0; len <= sizeof(data); len += len < 300 ? 1 : 97)
		for (size_t cut = 0; cut <= len; cut += 1 + len / 7)
			assert_true(checksum(data, len) == checksum_two(data, cut, data + cut, len - cut));
}

static void every_bit_counts(void **state)
{
	uint8_t data[300];
	(void)state;
	damage_noise(2, data, sizeof(data));
	uint64_t sum = checksum(data, sizeof(data));
	for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(checksum(data, sizeof(data)) != sum);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_inputs_have_their_checksums),
	    cmocka_unit_test(two_pieces_are_as_one),
	    cmocka_unit_test(every_bit_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
