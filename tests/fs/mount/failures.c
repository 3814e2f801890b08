/* What could not be answered, and why. */
#include "fs/mount/failures.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct failures *failures;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(failures_open(&failures), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	failures_close(failures);
	return 0;
}

/* All lines without their times, NUL-terminated. */
static const char *lines(void)
{
	static char out[1 << 16];
	struct buffer text = {0};
	size_t len = 0;

	failures_format(failures, &text);
	assert_false(text.failed);
	for (size_t i = 0; i < text.len;) {
		const uint8_t *end = memchr(text.data + i, '\n', text.len - i);
		size_t line;

		assert_non_null(end);
		line = (size_t)(end - text.data) + 1 - i;
		assert_true(line > 21);
		assert_int_equal(text.data[i + 19], 'Z');
		memcpy(out + len, text.data + i + 21, line - 21);
		len += line - 21;
		i += line;
	}
	out[len] = '\0';
	buffer_release(&text);
	return out;
}

static void nothing_failed_at_first(void **state)
{
	char reason[FAILURES_REASON_MAX];

	(void)state;
	assert_string_equal(lines(), "");
	assert_int_equal(failures_find(failures, 7, reason), -ENOENT);
}

static void last_failure_of_a_node_is_found(void **state)
{
	char reason[FAILURES_REASON_MAX];

	(void)state;
	failures_add(failures, 7, "@v1/a", "read", -EBADMSG, "");
	failures_add(failures, 8, "@v1/b", "read", -ENODATA, "");
	failures_add(failures, 7, "@v1/a", "read", -ENODATA, "");
	assert_int_equal(failures_find(failures, 7, reason), 0);
	assert_string_equal(reason, "can't read: data that is in no store");
	assert_int_equal(failures_find(failures, 9, reason), -ENOENT);
	/* The same as before, again: now it is the last one. */
	failures_add(failures, 7, "@v1/a", "read", -EBADMSG, "");
	assert_int_equal(failures_find(failures, 7, reason), 0);
	assert_string_equal(reason, "can't read: damaged data");
}

static void newest_is_told_first_and_repeats_are_counted(void **state)
{
	(void)state;
	failures_add(failures, 7, "@v1/a", "read", -EBADMSG, "");
	failures_add(failures, 8, "@v1/b", "list", -ENOTSUP, "");
	failures_add(failures, 7, "@v1/a", "read", -EBADMSG, "");
	assert_string_equal(lines(), "@v1/a: can't read: damaged data (2 times)\n"
	                             "@v1/b: can't list: data of a kind that this version does not know\n");
}

static void path_breaks_no_line(void **state)
{
	(void)state;
	failures_add(failures, 7, "@v1/a\nb\\c\x7f\xc3\xa4", "read", -EIO, "");
	assert_string_equal(lines(), "@v1/a\\012b\\134c\\177\xc3\xa4: can't read: Input/output error\n");
}

/* What a server, or git, said may hold anything. */
static void reason_breaks_no_line(void **state)
{
	char reason[FAILURES_REASON_MAX];

	(void)state;
	failures_add(failures, 7, "@v1/a", "read", -EIO, "no\n\x1b[2Jway\x7f \xc3\xa4");
	assert_int_equal(failures_find(failures, 7, reason), 0);
	assert_string_equal(reason, "can't read: Input/output error: no??[2Jway? \xc3\xa4");
	assert_string_equal(lines(), "@v1/a: can't read: Input/output error: no??[2Jway? \xc3\xa4\n");
}

static void only_the_last_are_kept(void **state)
{
	char reason[FAILURES_REASON_MAX];
	unsigned count = 0;

	(void)state;
	for (uint64_t i = 0; i < FAILURES_KEPT + 10; i++)
		failures_add(failures, i + 2, "x", "read", -EIO, "");
	for (const char *p = lines(); *p; p++)
		count += *p == '\n';
	assert_int_equal(count, FAILURES_KEPT);
	assert_int_equal(failures_find(failures, 11, reason), -ENOENT);
	assert_int_equal(failures_find(failures, 12, reason), 0);
}

static void why_it_failed_stands_behind(void **state)
{
	char reason[FAILURES_REASON_MAX];

	(void)state;
	failures_add(failures, 7, "@v1/a", "read", -EKEYREJECTED, "the remote 'lab': no");
	assert_int_equal(failures_find(failures, 7, reason), 0);
	assert_string_equal(reason, "can't read: not authorised: the remote 'lab': no");
	/* The last time counts. */
	failures_add(failures, 7, "@v1/a", "read", -EKEYREJECTED, "the remote 'lab': yes");
	assert_int_equal(failures_find(failures, 7, reason), 0);
	assert_string_equal(reason, "can't read: not authorised: the remote 'lab': yes");
	failures_add(failures, 7, "@v1/a", "read", -EKEYREJECTED, "");
	assert_int_equal(failures_find(failures, 7, reason), 0);
	assert_string_equal(reason, "can't read: not authorised");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(nothing_failed_at_first),
	    TEST(last_failure_of_a_node_is_found),
	    TEST(newest_is_told_first_and_repeats_are_counted),
	    TEST(path_breaks_no_line),
	    TEST(reason_breaks_no_line),
	    TEST(only_the_last_are_kept),
	    TEST(why_it_failed_stands_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
