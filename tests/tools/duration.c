/* Lengths of time as people type them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tools/duration.h"

static void units_are_seconds_minutes_hours_and_days(void **state)
{
	int64_t seconds = -1;

	(void)state;
	assert_int_equal(duration_parse("0", &seconds), 0);
	assert_int_equal(seconds, 0);
	assert_int_equal(duration_parse("90", &seconds), 0);
	assert_int_equal(seconds, 90);
	assert_int_equal(duration_parse("90s", &seconds), 0);
	assert_int_equal(seconds, 90);
	assert_int_equal(duration_parse("15m", &seconds), 0);
	assert_int_equal(seconds, 900);
	assert_int_equal(duration_parse("2h", &seconds), 0);
	assert_int_equal(seconds, 7200);
	assert_int_equal(duration_parse("14d", &seconds), 0);
	assert_int_equal(seconds, 14 * 86400);
	assert_int_equal(duration_parse("36500d", &seconds), 0);
}

static void anything_else_is_refused(void **state)
{
	static const char *const wrong[] = {"",
	                                    "d",
	                                    "-1",
	                                    "+1",
	                                    "1.5h",
	                                    "1w",
	                                    " 1",
	                                    "1 ",
	                                    "1dd",
	                                    "1h30m",
	                                    "0x10",
	                                    "36501d",
	                                    "999999999999999d",
	                                    "9999999999999999",
	                                    "1D"};
	int64_t seconds = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(duration_parse(wrong[i], &seconds), -EINVAL);
	assert_int_equal(seconds, 7);
}

static void largest_unit_is_written(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(duration_format(0, text), "0 seconds");
	assert_string_equal(duration_format(1, text), "1 second");
	assert_string_equal(duration_format(60, text), "1 minute");
	assert_string_equal(duration_format(61, text), "61 seconds");
	assert_string_equal(duration_format(7200, text), "2 hours");
	assert_string_equal(duration_format(14 * 86400, text), "14 days");
	assert_string_equal(duration_format(36 * 3600, text), "36 hours");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(units_are_seconds_minutes_hours_and_days),
	    cmocka_unit_test(anything_else_is_refused),
	    cmocka_unit_test(largest_unit_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
