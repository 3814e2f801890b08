/* What revfs top takes from the metrics of a mount. */
#include "tools/top_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/mount/openmetrics.h"

#define LAST (HISTOGRAM_BUCKETS - 1)

static struct buffer text;

/* The text of a mount at a path that looks like what stands behind it. */
static const char *written(double began, uint64_t scale)
{
	static const char *const level_names[] = {"memory", "local", "cache", "remote"};
	struct openmetrics m = {.text = &text, .key = "mountpoint", .value = "/m\"} 7,level=\"local\",kind=\"read\"\n"};
	struct histogram reads = {0}, lookups = {0};

	buffer_clear(&text);
	openmetrics_begin(&m, "revfs_start_time_seconds", OPENMETRICS_GAUGE, "seconds", "x");
	openmetrics_real(&m, NULL, began);
	openmetrics_begin(&m, "revfs_requests", OPENMETRICS_COUNTER, NULL, "x");
	openmetrics_number(&m, (struct openmetrics_label[2]){{"kind", "read"}}, 10 * scale);
	openmetrics_number(&m, (struct openmetrics_label[2]){{"kind", "lookup"}}, 5 * scale);
	openmetrics_begin(&m, "revfs_read_bytes", OPENMETRICS_COUNTER, "bytes", "x");
	openmetrics_number(&m, NULL, 1000 * scale);
	openmetrics_begin(&m, "revfs_records_found", OPENMETRICS_COUNTER, NULL, "x");
	for (size_t i = 0; i < 4; i++)
		openmetrics_number(&m, (struct openmetrics_label[2]){{"level", level_names[i]}}, (i + 1) * scale);
	for (uint64_t i = 0; i < scale; i++) {
		histogram_add(&reads, 20000);
		histogram_add(&lookups, 90000000);
	}
	openmetrics_begin(&m, "revfs_request_duration_seconds", OPENMETRICS_HISTOGRAM, "seconds", "x");
	openmetrics_histogram(&m, (struct openmetrics_label[2]){{"kind", "lookup"}}, &lookups);
	openmetrics_histogram(&m, (struct openmetrics_label[2]){{"kind", "read"}}, &reads);
	openmetrics_begin(&m, "revfs_parked_requests", OPENMETRICS_GAUGE, NULL, "x");
	openmetrics_number(&m, NULL, 2 * scale);
	openmetrics_begin(&m, "revfs_remote_requests", OPENMETRICS_COUNTER, NULL, "x");
	openmetrics_number(&m, (struct openmetrics_label[2]){{"remote", "a"}}, 3 * scale);
	openmetrics_number(&m, (struct openmetrics_label[2]){{"remote", "b"}}, 4 * scale);
	openmetrics_end(&m);
	buffer_put8(&text, 0);
	assert_false(text.failed);
	return (const char *)text.data;
}

static int tear_down(void **state)
{
	(void)state;
	buffer_release(&text);
	return 0;
}

static void numbers_are_taken(void **state)
{
	struct top_sample s;

	(void)state;
	assert_true(top_sample_parse(written(1000, 3), &s));
	assert_true(s.began == 1000);
	assert_int_equal(s.requests, 45);
	assert_int_equal(s.bytes, 3000);
	assert_int_equal(s.found[TOP_MEMORY], 3);
	assert_int_equal(s.found[TOP_REMOTE], 12);
	assert_int_equal(s.remote_requests, 21);
	assert_int_equal(s.parked, 6);
	assert_int_equal(s.failures, 0);
	assert_int_equal(s.reads.upto[0], 0);
	assert_int_equal(s.reads.upto[1], 3);
	assert_int_equal(s.reads.upto[LAST], 3);
	assert_string_equal(top_level_name(TOP_CACHE), "cache");
}

/* Every beginning of a text is refused, and none is read past its end. */
static void what_is_not_whole_is_refused(void **state)
{
	struct top_sample s;
	const char *whole;
	size_t len;

	(void)state;
	whole = written(1000, 1);
	len = strlen(whole);
	for (size_t cut = 0; cut < len; cut++) {
		char *part = strndup(whole, cut);

		assert_false(top_sample_parse(part, &s));
		free(part);
	}
	assert_false(top_sample_parse("x{ 1\nx{\"\\\nx{}\nx{a=\"b\"} \n\n{\n# EOF\n", &s));
}

static void what_happened_between_is_the_difference(void **state)
{
	struct top_sample before, now, between;

	(void)state;
	assert_true(top_sample_parse(written(1000, 2), &before));
	assert_true(top_sample_parse(written(1000, 5), &now));
	before.seconds = 1010;
	now.seconds = 1012.5;
	top_sample_between(&before, &now, &between);
	assert_true(between.seconds == 2.5);
	assert_int_equal(between.requests, 45);
	assert_int_equal(between.found[TOP_LOCAL], 6);
	assert_int_equal(between.parked, 10);
	assert_int_equal(between.reads.upto[LAST], 3);
	/* Begun anew: what was before is another's. */
	assert_true(top_sample_parse(written(1011, 1), &now));
	now.seconds = 1012.5;
	top_sample_between(&before, &now, &between);
	assert_true(between.seconds == 1.5);
	assert_int_equal(between.requests, 15);
	top_sample_between(&(struct top_sample){0}, &now, &between);
	assert_true(between.seconds == 1.5);
	assert_int_equal(between.requests, 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(numbers_are_taken, tear_down),
	    cmocka_unit_test_teardown(what_is_not_whole_is_refused, tear_down),
	    cmocka_unit_test_teardown(what_happened_between_is_the_difference, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
