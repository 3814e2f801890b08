#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "tools/command.h"
#include "tools/progress.h"

static FILE *captured;
static int real_stderr;

static int set_up(void **state)
{
	(void)state;
	memset(&globals, 0, sizeof(globals));
	captured = tmpfile();
	real_stderr = dup(STDERR_FILENO);
	return captured && real_stderr >= 0 && dup2(fileno(captured), STDERR_FILENO) >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fflush(stderr);
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	fclose(captured);
	return 0;
}

static const char *said(void)
{
	static char text[4096];

	fflush(stderr);
	ssize_t len = pread(fileno(captured), text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

/* Add nothing until a line was drawn (the first comes after half a second). */
static void add_until_drawn(struct progress *p)
{
	time_t deadline = time(NULL) + 10;

	while (!*said() && time(NULL) < deadline)
		progress_add(p, 0, 0, 0);
}

static void a_log_gets_no_progress(void **state)
{
	(void)state;
	struct progress *p = progress_start("testing", -1);
	assert_non_null(p);
	progress_total(p, 10, 10);
	progress_add(p, 10, 10, 0);
	progress_end(p);
	p = progress_start("testing", 0);
	progress_add(p, 10, 10, 0);
	progress_end(p);
	progress_end(NULL);
	assert_string_equal(said(), "");
}

static void wanted_progress_is_a_line_with_counts(void **state)
{
	(void)state;
	struct progress *p = progress_start("testing", 1);
	progress_total(p, 4000, 4096);
	progress_add(p, 2000, 2048, 1024);
	add_until_drawn(p);
	progress_end(p);
	assert_int_equal(strncmp(said(), "testing: 2,000/4,000 files, 2.0 KiB, ", 37), 0);
	assert_non_null(strstr(said(), "/s, 1.0 KiB saved, 0:0"));
	assert_non_null(strstr(said(), " left\n"));
	assert_null(strchr(said(), '\033'));
}

static void with_json_progress_is_an_object_a_line(void **state)
{
	(void)state;
	globals.json = true;
	struct progress *p = progress_start("testing", 1);
	progress_add(p, 2, 3, 1);
	add_until_drawn(p);
	progress_end(p);
	assert_int_equal(strncmp(said(), "{\"progress\":{\"verb\":\"testing\",\"files\":2,\"bytes\":3,", 47), 0);
}

static void *add_many(void *arg)
{
	for (int i = 0; i < 1000; i++)
		progress_add(arg, 1, 10, 1);
	return NULL;
}

static void threads_may_add_at_once(void **state)
{
	pthread_t threads[4];

	(void)state;
	struct progress *p = progress_start("testing", 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, p), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	add_until_drawn(p);
	progress_end(p);
	assert_int_equal(strncmp(said(), "testing: 4,000 files, 39.0 KiB, ", 32), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_log_gets_no_progress, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(wanted_progress_is_a_line_with_counts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(with_json_progress_is_an_object_a_line, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(threads_may_add_at_once, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
