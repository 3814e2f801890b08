/* Where secrets are kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/credentials.h"

static void texts_of_any_length_and_number_are_kept(void **state)
{
	char *texts[200], *large = calloc(1, 100001);
	char *copy;

	(void)state;
	memset(large, 'x', 100000);
	copy = credentials_text(large, 100000);
	assert_memory_equal(copy, large, 100000);
	assert_int_equal(copy[100000], '\0');
	credentials_wipe(copy);
	for (size_t i = 0; i < 200; i++) {
		texts[i] = credentials_text(large, i);
		assert_int_equal(strlen(texts[i]), i);
	}
	for (size_t i = 0; i < 200; i++) {
		assert_int_equal(strlen(texts[i]), i);
		credentials_wipe(texts[i]);
	}
	free(large);
	credentials_wipe(NULL);
}

/* Whatever lies in a slot that was let go of, it is no secret. */
static void what_is_let_go_of_is_wiped(void **state)
{
	struct credentials one = {.user = credentials_text("ada", 3), .secret = credentials_text("tremendous", 10)},
			   two;
	const volatile char *secret;

	(void)state;
	assert_int_equal(credentials_copy(&two, &one), 0);
	assert_string_equal(two.secret, "tremendous");
	secret = two.secret;
	credentials_release(&two);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(secret[i], '\0');
	credentials_release(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_of_any_length_and_number_are_kept),
	    cmocka_unit_test(what_is_let_go_of_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
