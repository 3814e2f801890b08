#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "tools/command.h"
#include "tools/fail.h"

static FILE *captured;
static int real_stderr;

static int set_up(void **state)
{
	(void)state;
	memset(&globals, 0, sizeof(globals));
	fail_forget();
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
	fail_forget();
	return 0;
}

/* Everything on stderr since the last call must be TEXT. */
static void check_said(const char *text)
{
	char said[1024];

	fflush(stderr);
	ssize_t len = pread(fileno(captured), said, sizeof(said) - 1, 0);
	assert_true(len >= 0);
	said[len] = '\0';
	assert_string_equal(said, text);
	assert_int_equal(ftruncate(fileno(captured), 0), 0);
	lseek(fileno(captured), 0, SEEK_SET);
}

static void a_failure_is_printed_and_returns_its_code(void **state)
{
	(void)state;
	assert_int_equal(fail(EXIT_REFUSED, "cannot %s '%s'", "do", "it"), EXIT_REFUSED);
	check_said("revfs: cannot do 'it'\n");
}

static void control_characters_never_reach_the_terminal(void **state)
{
	(void)state;
	fail(EXIT_SYSTEM, "a\033[31mb\rc\x7f\td\ne");
	check_said("revfs: a?[31mb?c?\td\ne\n");
}

static void quiet_silences_warnings_and_not_failures(void **state)
{
	(void)state;
	warn("%d", 1);
	inform("%d", 2);
	inform_verbose("%d", 3);
	check_said("revfs: warning: 1\n2\n");
	globals.verbose = 1;
	inform_verbose("%d", 3);
	check_said("3\n");
	globals.quiet = true;
	warn("%d", 1);
	inform("%d", 2);
	inform_verbose("%d", 3);
	fail(EXIT_BUSY, "%d", 4);
	check_said("revfs: 4\n");
}

static void json_line_tells_the_first_message_of_the_status(void **state)
{
	(void)state;
	fail(EXIT_DAMAGED, "first");
	fail(EXIT_NOT_FOUND, "second");
	fail(EXIT_NOT_FOUND, "third");
	check_said("revfs: first\nrevfs: second\nrevfs: third\n");
	fail_print_json(EXIT_NOT_FOUND);
	check_said("{\"error\":{\"code\":4,\"message\":\"second\"}}\n");
	fail_print_json(EXIT_PARTIAL);
	check_said("{\"error\":{\"code\":3,\"message\":\"second\"}}\n");
}

static void json_line_is_valid_whatever_the_message(void **state)
{
	(void)state;
	fail(EXIT_SYSTEM, "a \"quoted\" \xff\xfe name");
	check_said("revfs: a \"quoted\" \xff\xfe name\n");
	fail_print_json(EXIT_SYSTEM);
	check_said("{\"error\":{\"code\":12,\"message\":\"a \\\"quoted\\\" \xef\xbf\xbd\xef\xbf\xbd name\"}}\n");
}

static void an_answer_of_status_1_is_no_failure(void **state)
{
	(void)state;
	fail_print_json(EXIT_FOUND);
	check_said("");
	fail(EXIT_FOUND, "damage");
	check_said("revfs: damage\n");
	fail_print_json(EXIT_FOUND);
	check_said("{\"error\":{\"code\":1,\"message\":\"damage\"}}\n");
}

static void outcome_is_partial_where_something_was_done(void **state)
{
	struct outcome outcome = {0};

	(void)state;
	assert_int_equal(outcome_status(&outcome), EXIT_DONE);
	outcome_add(&outcome, EXIT_DAMAGED);
	outcome_add(&outcome, EXIT_NOT_FOUND);
	assert_int_equal(outcome_status(&outcome), EXIT_DAMAGED);
	outcome_add(&outcome, EXIT_DONE);
	assert_int_equal(outcome_status(&outcome), EXIT_PARTIAL);
	outcome = (struct outcome){0};
	outcome_add(&outcome, EXIT_DONE);
	assert_int_equal(outcome_status(&outcome), EXIT_DONE);
	outcome_add(&outcome, EXIT_PARTIAL);
	assert_int_equal(outcome_status(&outcome), EXIT_PARTIAL);
}

static void errors_have_the_status_of_the_table(void **state)
{
	(void)state;
	assert_int_equal(exit_code_of(0), EXIT_DONE);
	assert_int_equal(exit_code_of(-ENOENT), EXIT_NOT_FOUND);
	assert_int_equal(exit_code_of(-EBADMSG), EXIT_DAMAGED);
	assert_int_equal(exit_code_of(-ENODATA), EXIT_DAMAGED);
	assert_int_equal(exit_code_of(-ENOSPC), EXIT_NO_SPACE);
	assert_int_equal(exit_code_of(-EDQUOT), EXIT_NO_SPACE);
	assert_int_equal(exit_code_of(-EFBIG), EXIT_NO_SPACE);
	assert_int_equal(exit_code_of(-EBUSY), EXIT_BUSY);
	assert_int_equal(exit_code_of(-EACCES), EXIT_SYSTEM);
	assert_int_equal(exit_code_of(-EROFS), EXIT_SYSTEM);
	assert_int_equal(exit_code_of(-EIO), EXIT_SYSTEM);
	assert_int_equal(exit_code_of(-EAGAIN), EXIT_TEMPORARY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_failure_is_printed_and_returns_its_code, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(control_characters_never_reach_the_terminal, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(quiet_silences_warnings_and_not_failures, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(json_line_tells_the_first_message_of_the_status, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(json_line_is_valid_whatever_the_message, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(an_answer_of_status_1_is_no_failure, set_up, tear_down),
	    cmocka_unit_test(outcome_is_partial_where_something_was_done),
	    cmocka_unit_test(errors_have_the_status_of_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
