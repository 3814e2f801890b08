/* Credentials that a program prints, and the JSON in which they come. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "cache/interrupt.h"
#include "cache/io.h"
#include "tests/support/aws.h"
#include "tests/support/scratch.h"
#include "tools/aws/aws_answer.h"
#include "tools/aws/aws_process.h"

#define GOOD "\"Version\": 1, \"AccessKeyId\": \"AKIA\", \"SecretAccessKey\": \"word\""

static struct aws_look look;
static struct credentials found;

static int set_up(void **state)
{
	(void)state;
	aws_open();
	aws_look_init(&look, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	interrupt_watch(NULL, NULL);
	credentials_release(&found);
	aws_look_release(&look);
	aws_close();
	return 0;
}

/* A process that prints TEXT. */
static int print(const char *text)
{
	char *command;
	int error;

	aws_write("text", "%s", text);
	assert_true(asprintf(&command, "cat \"%s/text\"", getenv("HOME")) > 0);
	credentials_release(&found);
	*look.why = '\0';
	error = aws_process_get(&look, command, &found);
	free(command);
	return error;
}

static void process_gives_credentials(void **state)
{
	(void)state;
	assert_int_equal(print("{" GOOD "}\n"), 0);
	assert_string_equal(found.user, "AKIA");
	assert_string_equal(found.secret, "word");
	assert_null(found.token);
	assert_true(found.expires == 0);
	assert_int_equal(print("{" GOOD ", \"SessionToken\": \"t\", \"Expiration\": \"2030-01-02T03:04:05Z\"}"), 0);
	assert_string_equal(found.token, "t");
	assert_true(found.expires == 1893553445);
}

static void times_are_of_rfc_3339(void **state)
{
	static const struct {
		const char *text;
		time_t time;
	} good[] = {{"1970-01-01T00:00:01Z", 1},
	            {"2030-01-02T03:04:05.999Z", 1893553445},
	            {"2030-01-02T04:34:05+01:30", 1893553445},
	            {"2030-01-01T22:04:05.1-05:00", 1893553445}};
	static const char *const bad[] = {"",
	                                  "tomorrow",
	                                  "2030-01-02",
	                                  "2030-01-02T03:04:05",
	                                  "2030-01-02T03:04:05Zulu",
	                                  "2030-01-02T03:04:05+1",
	                                  "2030-01-02T03:04:05+01:00x",
	                                  "2030-01-02T03:04:05+-1:00",
	                                  "2030-01-02T03:04:05+25:00"};
	time_t time;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(aws_answer_time(good[i].text, &time), 0);
		assert_true(time == good[i].time);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(aws_answer_time(bad[i], &time), -EINVAL);
}

static void wrong_answers_are_refused(void **state)
{
	static const char *const wrong[] = {
	    "",
	    "hello",
	    "[1]",
	    "{\"Version\": 1",
	    "{}",
	    "{\"Version\": 2, \"AccessKeyId\": \"AKIA\", \"SecretAccessKey\": \"word\"}",
	    "{\"Version\": \"1\", \"AccessKeyId\": \"AKIA\", \"SecretAccessKey\": \"word\"}",
	    "{\"AccessKeyId\": \"AKIA\", \"SecretAccessKey\": \"word\"}",
	    "{\"Version\": 1, \"AccessKeyId\": \"AKIA\"}",
	    "{\"Version\": 1, \"SecretAccessKey\": \"word\"}",
	    "{\"Version\": 1, \"AccessKeyId\": \"\", \"SecretAccessKey\": \"word\"}",
	    "{\"Version\": 1, \"AccessKeyId\": 7, \"SecretAccessKey\": \"word\"}",
	    "{" GOOD ", \"SessionToken\": 7}",
	    "{" GOOD ", \"Expiration\": \"soon\"}",
	    "{" GOOD ", \"Expiration\": -1}",
	    "{" GOOD ", \"Expiration\": 1e300}",
	    "{" GOOD ", \"Expiration\": []}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(print(wrong[i]), -EPROTO);
		assert_memory_equal(look.why, "the 'credential_process' gave ", 30);
		assert_null(strstr(look.why, "word"));
		assert_null(found.user);
	}
}

static void every_truncation_is_refused(void **state)
{
	static const char whole[] = "{" GOOD ", \"SessionToken\": \"t\", \"Expiration\": \"2030-01-02T03:04:05Z\"}";
	json_t *answer = NULL;

	(void)state;
	for (size_t len = 0; len < strlen(whole); len++) {
		char *part = strndup(whole, len);

		assert_int_equal(aws_answer_parse(&look, "x", part, &answer), -EPROTO);
		free(part);
	}
}

static void every_flipped_byte_is_taken_or_refused(void **state)
{
	static const char whole[] = "{" GOOD ", \"SessionToken\": \"t\", \"Expiration\": \"2030-01-02T03:04:05Z\"}";

	(void)state;
	for (size_t i = 0; i < 8 * strlen(whole); i++) {
		char text[sizeof(whole)];
		json_t *answer = NULL;
		int error;

		memcpy(text, whole, sizeof(whole));
		text[i / 8] = (char)(text[i / 8] ^ 1 << i % 8);
		error = aws_answer_parse(&look, "x", text, &answer);
		if (!error)
			error = aws_answer_take(&look, "x", answer, &found);
		assert_true(error == 0 || error == -EPROTO);
		credentials_release(&found);
		aws_answer_free(answer);
	}
}

static void failure_says_its_status(void **state)
{
	(void)state;
	assert_int_equal(aws_process_get(&look, "echo '{" GOOD "}'; exit 3", &found), -EKEYREJECTED);
	assert_string_equal(look.why, "the 'credential_process' ended with the status 3");
	assert_null(found.user);
	assert_int_equal(aws_process_get(&look, "/nowhere/program 2>/dev/null", &found), -EKEYREJECTED);
	assert_string_equal(look.why, "the program of 'credential_process' was not found, or is none (status 127)");
}

static void megabyte_is_too_much(void **state)
{
	(void)state;
	assert_int_equal(aws_process_get(&look, "head -c 1048576 /dev/zero; sleep 1000", &found), -EPROTO);
	assert_string_equal(look.why, "the 'credential_process' prints more than credentials");
}

static bool is_set(void *arg)
{
	return atomic_load((atomic_bool *)arg);
}

/* What the shell had started is gone, too. */
static void expect_killed(void)
{
	char *pid = scratch_output("cat pid");

	/* Whoever inherits it may take a while to reap it. */
	for (unsigned waited = 0; scratch_try("grep -qs '^State:.[^Z]' /proc/%s/status", pid) == 0; waited += 20) {
		assert_true(waited < 20000);
		io_sleep_ms(io_system(), 20);
	}
	free(pid);
}

static int run_limited(const char *script)
{
	uint64_t before = interrupt_limit(300);
	char *command;
	int error;

	assert_true(asprintf(&command, "cd '%s'; %s", getenv("HOME"), script) > 0);
	error = aws_process_get(&look, command, &found);
	assert_true(interrupt_unlimit(before));
	free(command);
	return error;
}

static void process_that_hangs_is_killed_in_time(void **state)
{
	(void)state;
	assert_int_equal(run_limited("sleep 1000 & echo $! >pid; wait"), -ETIMEDOUT);
	assert_string_equal(look.why, "the 'credential_process' does not end");
	expect_killed();
}

static void process_that_hangs_without_output_is_killed_in_time(void **state)
{
	(void)state;
	assert_int_equal(run_limited("exec >&-; sleep 1000 & echo $! >pid; wait"), -ETIMEDOUT);
	expect_killed();
}

static void interrupt_kills_the_process(void **state)
{
	atomic_bool flag = true;

	(void)state;
	interrupt_watch(is_set, &flag);
	assert_int_equal(aws_process_get(&look, "sleep 1000", &found), -EINTR);
	assert_string_equal(look.why, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(process_gives_credentials),
	    TEST(times_are_of_rfc_3339),
	    TEST(wrong_answers_are_refused),
	    TEST(every_truncation_is_refused),
	    TEST(every_flipped_byte_is_taken_or_refused),
	    TEST(failure_says_its_status),
	    TEST(megabyte_is_too_much),
	    TEST(process_that_hangs_is_killed_in_time),
	    TEST(process_that_hangs_without_output_is_killed_in_time),
	    TEST(interrupt_kills_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
