/* Where secrets are kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* Whether the pages of AT are marked so, as the kernel says. */
static bool is_left_out_of_dumps(const void *at)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long long from, to;
	bool is_inside = false, found = false;
	char line[4096];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
			is_inside = from <= (uintptr_t)at && (uintptr_t)at < to;
		else if (is_inside && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, " dd") != NULL;
	}
	fclose(file);
	return found;
}

static void secrets_are_in_no_core_dump(void **state)
{
	char *secret = credentials_text("tremendous", 10);

	(void)state;
	assert_false(is_left_out_of_dumps(state));
	if (sysconf(_SC_PAGESIZE) == 4096)
		assert_true(is_left_out_of_dumps(secret));
	credentials_wipe(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_of_any_length_and_number_are_kept),
	    cmocka_unit_test(what_is_let_go_of_is_wiped),
	    cmocka_unit_test(secrets_are_in_no_core_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
