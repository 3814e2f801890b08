/* Digests of foreign protocols: what their documents publish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cache/foreign.h"

/* Test case 2 of RFC 4231. */
static void mac_is_that_of_its_rfc(void **state)
{
	static const uint8_t expected[FOREIGN_MAC_SIZE] = {
	    0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
	    0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
	struct foreign_mac mac;

	(void)state;
	assert_int_equal(foreign_mac("Jefe", 4, "what do ya want for nothing?", &mac), 0);
	assert_memory_equal(mac.bytes, expected, sizeof(expected));
}

/* Of FIPS 180. */
static void sha1_is_that_of_its_standard(void **state)
{
	char hex[FOREIGN_SHA1_HEX_SIZE];

	(void)state;
	assert_int_equal(foreign_sha1("abc", hex), 0);
	assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
	assert_int_equal(foreign_sha1("", hex), 0);
	assert_string_equal(hex, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mac_is_that_of_its_rfc),
	    cmocka_unit_test(sha1_is_that_of_its_standard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
