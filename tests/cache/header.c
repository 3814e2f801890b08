/* The header that files of a store begin with. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/checksum.h"
#include "cache/header.h"
#include "cache/wire.h"
#include "tests/support/damage.h"

static const struct header example = {.count = 0x04030201,
                                      .pack = {{16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}}};

static void header_has_its_known_bytes(void **state)
{
	static const uint8_t expected[56] = {'r', 'e', 'v', 'f', 's', 'P', 'C', 'K', 1, 0, 0, 0, 1, 2, 3, 4,
	                                     16,  15,  14,  13,  12,  11,  10,  9,   8, 7, 6, 5, 4, 3, 2, 1};
	uint8_t out[HEADER_SIZE];
	struct header header;
	(void)state;
	memset(out, 0xaa, sizeof(out));
	header_encode(HEADER_MAGIC_PACK, &example, out);
	assert_memory_equal(out, expected, 56);
	assert_true(wire_get64(out + 56) == checksum(expected, 56));
	assert_int_equal(header_decode(HEADER_MAGIC_PACK, out, &header), 0);
	assert_int_equal(header.count, example.count);
	assert_true(pack_id_equal(&header.pack, &example.pack));
}

static void other_magic_is_refused(void **state)
{
	uint8_t out[HEADER_SIZE];
	struct header header;
	(void)state;
	header_encode(HEADER_MAGIC_ROOT, &example, out);
	assert_int_equal(header_decode(HEADER_MAGIC_ROOT, out, &header), 0);
	assert_int_equal(header_decode(HEADER_MAGIC_PACK, out, &header), -EBADMSG);
	assert_int_equal(header_decode(HEADER_MAGIC_MOVED, out, &header), -EBADMSG);
}

static int decode_changed(size_t at, uint8_t value)
{
	uint8_t out[HEADER_SIZE];
	struct header header;
	header_encode(HEADER_MAGIC_PACK, &example, out);
	out[at] = value;
	wire_put64(out + 56, checksum(out, 56)); /* whoever changed it knew how */
	return header_decode(HEADER_MAGIC_PACK, out, &header);
}

static void larger_minor_version_is_read_and_larger_major_is_not(void **state)
{
	(void)state;
	assert_int_equal(decode_changed(10, 7), 0);
	assert_int_equal(decode_changed(8, 2), -EBADMSG);
	assert_int_equal(decode_changed(8, 0), -EBADMSG);
}

static void reserved_bytes_are_zero(void **state)
{
	(void)state;
	for (size_t at = 32; at < 56; at++)
		assert_int_equal(decode_changed(at, 1), -EBADMSG);
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	struct header header;
	(void)arg;
	if (len == HEADER_SIZE) /* what else there is the caller can't hand over */
		assert_int_equal(header_decode(HEADER_MAGIC_PACK, data, &header), -EBADMSG);
}

static void every_damage_is_seen(void **state)
{
	uint8_t out[HEADER_SIZE];
	(void)state;
	header_encode(HEADER_MAGIC_PACK, &example, out);
	damage_each(out, sizeof(out), try_damaged, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(header_has_its_known_bytes),
	    cmocka_unit_test(other_magic_is_refused),
	    cmocka_unit_test(larger_minor_version_is_read_and_larger_major_is_not),
	    cmocka_unit_test(reserved_bytes_are_zero),
	    cmocka_unit_test(every_damage_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
