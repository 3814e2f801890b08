#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/nearest.h"

static void distance_counts_typing_errors(void **state)
{
	(void)state;
	assert_int_equal(nearest_distance("", ""), 0);
	assert_int_equal(nearest_distance("", "abc"), 3);
	assert_int_equal(nearest_distance("abc", ""), 3);
	assert_int_equal(nearest_distance("snapshot", "snapshot"), 0);
	assert_int_equal(nearest_distance("snapshto", "snapshot"), 1); /* neighbours swapped */
	assert_int_equal(nearest_distance("snpshot", "snapshot"), 1);
	assert_int_equal(nearest_distance("snaapshot", "snapshot"), 1);
	assert_int_equal(nearest_distance("snaxshot", "snapshot"), 1);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
}

static void long_names_are_compared_by_their_beginning(void **state)
{
	char a[300], b[300];

	(void)state;
	memset(a, 'a', sizeof(a));
	memset(b, 'a', sizeof(b));
	a[299] = b[299] = '\0';
	b[200] = 'b';
	assert_int_equal(nearest_distance(a, b), 0);
}

static void the_best_come_first(void **state)
{
	struct nearest n = {.wanted = "release"};

	(void)state;
	nearest_offer(&n, "relaese2");
	nearest_offer(&n, "zebra");
	nearest_offer(&n, "relaese");
	nearest_offer(&n, "release-1.0");
	assert_int_equal(n.count, 3);
	assert_string_equal(n.best[2].name, "relaese2");
	for (size_t i = 0; i < n.count; i++)
		assert_string_not_equal(n.best[i].name, "zebra");
	nearest_release(&n);
}

static void no_more_than_three_are_kept(void **state)
{
	struct nearest n = {.wanted = "version"};

	(void)state;
	nearest_offer(&n, "versionxx");
	nearest_offer(&n, "versions");
	nearest_offer(&n, "version1");
	nearest_offer(&n, "version2");
	nearest_offer(&n, "verison");
	nearest_offer(&n, "version");
	assert_int_equal(n.count, NEAREST_MAX);
	for (size_t i = 1; i < n.count; i++)
		assert_true(n.best[i - 1].distance <= n.best[i].distance);
	nearest_release(&n);
}

static void the_beginning_of_a_name_is_near(void **state)
{
	struct nearest n = {.wanted = "ima"};

	(void)state;
	nearest_offer(&n, "images-of-many-things");
	assert_int_equal(n.count, 1);
	nearest_release(&n);
}

static void what_has_nothing_in_common_is_not_offered(void **state)
{
	struct nearest n = {.wanted = "xy"};

	(void)state;
	nearest_offer(&n, "ab");
	nearest_offer(&n, "");
	nearest_offer(&n, "v1.0");
	assert_int_equal(n.count, 0);
	nearest_release(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(distance_counts_typing_errors),
	    cmocka_unit_test(long_names_are_compared_by_their_beginning),
	    cmocka_unit_test(the_best_come_first),
	    cmocka_unit_test(no_more_than_three_are_kept),
	    cmocka_unit_test(the_beginning_of_a_name_is_near),
	    cmocka_unit_test(what_has_nothing_in_common_is_not_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
