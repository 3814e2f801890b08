/* OpenMetrics, written. */
#include "fs/mount/openmetrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct buffer text;
static struct openmetrics m;

static int set_up(void **state)
{
	(void)state;
	m = (struct openmetrics){.text = &text, .key = "at", .value = "/m"};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	buffer_release(&text);
	return 0;
}

static void assert_text(const char *wanted)
{
	buffer_put8(&text, 0);
	assert_false(text.failed);
	assert_string_equal((const char *)text.data, wanted);
}

static void families_say_type_unit_and_help(void **state)
{
	(void)state;
	openmetrics_begin(&m, "a_bytes", OPENMETRICS_COUNTER, "bytes", "Some.");
	openmetrics_number(&m, NULL, UINT64_MAX);
	openmetrics_begin(&m, "b", OPENMETRICS_GAUGE, NULL, "Others.");
	openmetrics_number(&m, (struct openmetrics_label[2]){{"x", "1"}, {"y", "2"}}, 0);
	openmetrics_real(&m, (struct openmetrics_label[2]){{"x", "2"}}, 1.5);
	openmetrics_end(&m);
	assert_text("# TYPE a_bytes counter\n# UNIT a_bytes bytes\n# HELP a_bytes Some.\n"
	            "a_bytes_total{at=\"/m\"} 18446744073709551615\n"
	            "# TYPE b gauge\n# HELP b Others.\nb{at=\"/m\",x=\"1\",y=\"2\"} 0\n"
	            "b{at=\"/m\",x=\"2\"} 1.500000000\n# EOF\n");
}

static void labels_hold_any_bytes(void **state)
{
	(void)state;
	m.value = "/a \"b\"\\c\nd\xc3\xa9\xff\xe2\x82{}=,";
	openmetrics_begin(&m, "a", OPENMETRICS_GAUGE, NULL, "A.");
	openmetrics_number(&m, NULL, 1);
	assert_text("# TYPE a gauge\n# HELP a A.\na{at=\"/a \\\"b\\\"\\\\c\\nd\xc3\xa9"
	            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd{}=,\"} 1\n");
}

static void histograms_are_cumulative(void **state)
{
	struct histogram h = {0};

	(void)state;
	histogram_add(&h, 15000);
	histogram_add(&h, 50000000);
	histogram_add(&h, UINT64_C(1000000000000));
	openmetrics_begin(&m, "t_seconds", OPENMETRICS_HISTOGRAM, "seconds", "Times.");
	openmetrics_histogram(&m, NULL, &h);
	assert_text("# TYPE t_seconds histogram\n# UNIT t_seconds seconds\n# HELP t_seconds Times.\n"
	            "t_seconds_bucket{at=\"/m\",le=\"1e-05\"} 0\nt_seconds_bucket{at=\"/m\",le=\"4e-05\"} 1\n"
	            "t_seconds_bucket{at=\"/m\",le=\"0.00016\"} 1\nt_seconds_bucket{at=\"/m\",le=\"0.00064\"} 1\n"
	            "t_seconds_bucket{at=\"/m\",le=\"0.0025\"} 1\nt_seconds_bucket{at=\"/m\",le=\"0.01\"} 1\n"
	            "t_seconds_bucket{at=\"/m\",le=\"0.04\"} 1\nt_seconds_bucket{at=\"/m\",le=\"0.16\"} 2\n"
	            "t_seconds_bucket{at=\"/m\",le=\"0.64\"} 2\nt_seconds_bucket{at=\"/m\",le=\"2.5\"} 2\n"
	            "t_seconds_bucket{at=\"/m\",le=\"10.0\"} 2\nt_seconds_bucket{at=\"/m\",le=\"40.0\"} 2\n"
	            "t_seconds_bucket{at=\"/m\",le=\"100.0\"} 2\nt_seconds_bucket{at=\"/m\",le=\"+Inf\"} 3\n"
	            "t_seconds_count{at=\"/m\"} 3\nt_seconds_sum{at=\"/m\"} 1000.050015000\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(families_say_type_unit_and_help, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(labels_hold_any_bytes, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(histograms_are_cumulative, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
