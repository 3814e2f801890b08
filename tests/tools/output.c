#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/output.h"

static void check_quoted(const char *path, const char *wanted)
{
	char *quoted = output_quoted(path);
	char *printed = NULL;
	size_t len;
	FILE *out = open_memstream(&printed, &len);

	output_name(out, path, false);
	fclose(out);
	assert_string_equal(quoted, wanted);
	assert_string_equal(printed, wanted);
	free(quoted);
	free(printed);
}

static void ordinary_names_stay_as_they_are(void **state)
{
	(void)state;
	check_quoted("", "");
	check_quoted("data/a b.txt", "data/a b.txt");
	check_quoted("-rf", "-rf");
	check_quoted("it's {[(*?$~", "it's {[(*?$~");
}

static void odd_names_are_quoted_as_git_does(void **state)
{
	(void)state;
	check_quoted("a\nb", "\"a\\nb\"");
	check_quoted("\a\b\t\n\v\f\r", "\"\\a\\b\\t\\n\\v\\f\\r\"");
	check_quoted("say \"x\"", "\"say \\\"x\\\"\"");
	check_quoted("back\\slash", "\"back\\\\slash\"");
	check_quoted("\x01\x1f\x7f", "\"\\001\\037\\177\"");
	check_quoted("gr\xc3\xbc\xc3\x9f", "\"gr\\303\\274\\303\\237\"");
	check_quoted("\xff", "\"\\377\"");
}

static void z_is_raw_and_ends_with_nul(void **state)
{
	char *printed = NULL;
	size_t len;
	FILE *out = open_memstream(&printed, &len);

	(void)state;
	output_name(out, "a\n\xff", true);
	fclose(out);
	assert_int_equal(len, 4);
	assert_memory_equal(printed, "a\n\xff", 4);
	free(printed);
}

static void check_json(const char *path, const char *wanted)
{
	json_t *object = json_object();

	output_json_path(object, "path", path);
	char *text = json_dumps(object, JSON_COMPACT);
	assert_string_equal(text, wanted);
	free(text);
	json_decref(object);
}

static void json_paths_that_are_utf8_are_plain(void **state)
{
	(void)state;
	check_json("a b", "{\"path\":\"a b\"}");
	check_json("100%", "{\"path\":\"100%\"}");
	check_json("gr\xc3\xbc\xc3\x9f\n", "{\"path\":\"gr\xc3\xbc\xc3\x9f\\n\"}");
	check_json("\xf0\x9f\x98\x80", "{\"path\":\"\xf0\x9f\x98\x80\"}");
	check_json("\xef\xbf\xbf", "{\"path\":\"\xef\xbf\xbf\"}");
}

static void json_paths_that_are_not_utf8_are_percent_encoded(void **state)
{
	(void)state;
	check_json("\xff", "{\"path\":\"%FF\",\"path_encoding\":\"percent\"}");
	check_json("100%\xfe", "{\"path\":\"100%25%FE\",\"path_encoding\":\"percent\"}");
	check_json("\xc3\xbc\xc3", "{\"path\":\"\xc3\xbc%C3\",\"path_encoding\":\"percent\"}");
}

static void only_strict_utf8_counts(void **state)
{
	(void)state;
	assert_int_equal(output_utf8_length("a"), 1);
	assert_int_equal(output_utf8_length("\xc2\x80"), 2);
	assert_int_equal(output_utf8_length("\xe0\xa0\x80"), 3);
	assert_int_equal(output_utf8_length("\xf4\x8f\xbf\xbf"), 4);
	assert_int_equal(output_utf8_length(""), 0);
	assert_int_equal(output_utf8_length("\xc0\x80"), 0); /* longer than needed */
	assert_int_equal(output_utf8_length("\xe0\x9f\xbf"), 0);
	assert_int_equal(output_utf8_length("\xf0\x8f\xbf\xbf"), 0);
	assert_int_equal(output_utf8_length("\xed\xa0\x80"), 0);     /* surrogate */
	assert_int_equal(output_utf8_length("\xf4\x90\x80\x80"), 0); /* above U+10FFFF */
	assert_int_equal(output_utf8_length("\xf5\x80\x80\x80"), 0);
	assert_int_equal(output_utf8_length("\xe2\x82"), 0); /* cut off */
	assert_int_equal(output_utf8_length("\x80"), 0);
}

static void invalid_bytes_of_messages_are_replaced(void **state)
{
	char *clean = output_replace_invalid("a\xff\xc3\xbc\xe2\x82");

	(void)state;
	assert_string_equal(clean, "a\xef\xbf\xbd\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd");
	free(clean);
}

static void check_time(int64_t seconds, long nanoseconds, const char *wanted)
{
	struct timespec time = {seconds, nanoseconds};
	char text[40];

	assert_string_equal(output_rfc3339(&time, text), wanted);
}

static void times_are_rfc_3339(void **state)
{
	(void)state;
	check_time(0, 0, "1970-01-01T00:00:00Z");
	check_time(1769860800, 0, "2026-01-31T12:00:00Z");
	check_time(1769860800, 5, "2026-01-31T12:00:00.000000005Z");
	check_time(-1, 500000000, "1969-12-31T23:59:59.500000000Z");
	check_time(253402300799, 0, "9999-12-31T23:59:59Z");
}

static void times_beyond_the_calendar_are_held_within_it(void **state)
{
	(void)state;
	check_time(253402300800, 7, "9999-12-31T23:59:59Z");
	check_time(INT64_MAX, 0, "9999-12-31T23:59:59Z");
	check_time(INT64_MIN, 0, "0000-01-01T00:00:00Z");
	check_time(-62167219200, 0, "0000-01-01T00:00:00Z");
}

static void sizes_are_powers_of_1024(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(output_size(0, text), "0 bytes");
	assert_string_equal(output_size(1, text), "1 byte");
	assert_string_equal(output_size(1023, text), "1023 bytes");
	assert_string_equal(output_size(1024, text), "1.0 KiB");
	assert_string_equal(output_size(1536, text), "1.5 KiB");
	assert_string_equal(output_size((1u << 20) - 1, text), "1023.9 KiB");
	assert_string_equal(output_size(UINT64_MAX, text), "15.9 EiB");
}

static void counts_have_commas(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(output_count(0, text), "0");
	assert_string_equal(output_count(999, text), "999");
	assert_string_equal(output_count(1000, text), "1,000");
	assert_string_equal(output_count(1234567, text), "1,234,567");
	assert_string_equal(output_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ordinary_names_stay_as_they_are),
	    cmocka_unit_test(odd_names_are_quoted_as_git_does),
	    cmocka_unit_test(z_is_raw_and_ends_with_nul),
	    cmocka_unit_test(json_paths_that_are_utf8_are_plain),
	    cmocka_unit_test(json_paths_that_are_not_utf8_are_percent_encoded),
	    cmocka_unit_test(only_strict_utf8_counts),
	    cmocka_unit_test(invalid_bytes_of_messages_are_replaced),
	    cmocka_unit_test(times_are_rfc_3339),
	    cmocka_unit_test(times_beyond_the_calendar_are_held_within_it),
	    cmocka_unit_test(sizes_are_powers_of_1024),
	    cmocka_unit_test(counts_have_commas),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
