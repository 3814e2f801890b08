#include "fs/git/git.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/git/git_child.h"
#include "tests/support/scratch.h"

static const char *folder;
static char *path_before;

static int set_up(void **state)
{
	(void)state;
	path_before = strdup(getenv("PATH"));
	folder = scratch_open();
	scratch_sh("git init -q -b main repo && cd repo && git commit -q --allow-empty -m one");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	setenv("PATH", path_before, 1);
	free(path_before);
	scratch_close();
	return 0;
}

/* Puts a script in the place of git. */
static void fake_git(const char *script)
{
	char *bin = scratch_path("bin"), *path;

	scratch_sh("mkdir -p bin && cat > bin/git <<'END'\n#!/bin/sh\n%s\nEND\nchmod +x bin/git", script);
	assert_true(asprintf(&path, "%s:%s", bin, path_before) > 0);
	setenv("PATH", path, 1);
	free(path);
	free(bin);
}

static void output_and_status_are_captured(void **state)
{
	const struct git_where where = {.dir = folder};
	const char *const args[] = {"-C", "repo", "rev-parse", "--abbrev-ref", "HEAD", NULL};
	const char *const bad[] = {"-C", "repo", "rev-parse", "--verify", "nothing", NULL};
	struct git_run run = {.where = &where, .args = args};

	(void)state;
	assert_int_equal(git_run(&run), 0);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.output, "main\n");
	assert_int_equal(run.output_len, 5);
	assert_string_equal(git_run_message(&run), "");
	git_run_release(&run);
	assert_null(run.output);

	run.args = bad;
	run.flags = GIT_RUN_READING;
	assert_int_equal(git_run(&run), 0);
	assert_int_equal(run.status, 128);
	assert_string_equal(git_run_message(&run), "Needed a single revision");
	git_run_release(&run);
}

static void input_larger_than_a_pipe_arrives_whole(void **state)
{
	const char *const args[] = {"hash-object", "--stdin", NULL};
	const char *const echo[] = {"x", NULL};
	struct git_run run = {.args = args};
	size_t len = (size_t)3 << 20;
	char *data = malloc(len);

	(void)state;
	assert_non_null(data);
	memset(data, 'x', len);
	run.input = data;
	run.input_len = len;
	assert_int_equal(git_run(&run), 0);
	assert_string_equal(run.output, "18c1c3070c50aba268be62a059a5d66e0922c0e9\n");
	git_run_release(&run);

	/* Both directions at once, each more than fits. */
	fake_git("exec cat");
	run.args = echo;
	assert_int_equal(git_run(&run), 0);
	assert_int_equal(run.output_len, len);
	assert_memory_equal(run.output, data, len);
	git_run_release(&run);
	free(data);
}

static void child_that_reads_no_input_is_no_error(void **state)
{
	const char *const args[] = {"x", NULL};
	size_t len = (size_t)1 << 20;
	struct git_run run = {.args = args, .input = calloc(1, len), .input_len = len};

	(void)state;
	fake_git("exec <&-; echo done; exit 7");
	assert_int_equal(git_run(&run), 0);
	assert_int_equal(run.status, 7);
	assert_string_equal(run.output, "done\n");
	git_run_release(&run);
	free((void *)run.input);
}

static void environment_is_what_where_says(void **state)
{
	const struct git_where where = {.dir = folder, .git_dir = "/g", .index_file = "/i", .alternates = "/a:/b"};
	const char *const args[] = {"x", NULL};
	struct git_run run = {.where = &where, .args = args, .flags = GIT_RUN_READING};

	(void)state;
	fake_git("pwd; env | grep -E "
	         "'^(GIT_(DIR|WORK_TREE|INDEX_FILE|ALTER|PREFIX|NO_R|OPT|CONFIG_C)|LC_ALL|LANGUAGE)' | sort");
	setenv("GIT_DIR", "/users", 1);
	setenv("GIT_WORK_TREE", "/users/tree", 1);
	setenv("GIT_PREFIX", "sub/", 1);
	setenv("GIT_CONFIG_COUNT", "0", 1);
	setenv("LC_ALL", "de_DE.UTF-8", 1);
	setenv("LANGUAGE", "de", 1);
	assert_int_equal(git_run(&run), 0);
	assert_memory_equal(run.output, folder, strlen(folder));
	assert_string_equal(
	    run.output + strlen(folder),
	    "\nGIT_ALTERNATE_OBJECT_DIRECTORIES=/a:/b\nGIT_CONFIG_COUNT=0\nGIT_DIR=/g\nGIT_INDEX_FILE=/i\n"
	    "GIT_NO_REPLACE_OBJECTS=1\nGIT_OPTIONAL_LOCKS=0\nLC_ALL=C\n");
	git_run_release(&run);

	run.flags = GIT_RUN_ENVIRONMENT;
	assert_int_equal(git_run(&run), 0);
	assert_string_equal(run.output + strlen(folder),
	                    "\nGIT_CONFIG_COUNT=0\nGIT_DIR=/users\nGIT_PREFIX=sub/\nGIT_WORK_TREE=/users/tree\n"
	                    "LANGUAGE=de\nLC_ALL=de_DE.UTF-8\n");
	git_run_release(&run);
	unsetenv("GIT_DIR");
	unsetenv("GIT_WORK_TREE");
	unsetenv("GIT_PREFIX");
	unsetenv("GIT_CONFIG_COUNT");
	unsetenv("LANGUAGE");
}

/* A window on somebody's screen is a question, too. */
static void who_is_apart_can_ask_nobody(void **state)
{
	static const char *const asking[] = {"GIT_ASKPASS", "SSH_ASKPASS", "DISPLAY", "WAYLAND_DISPLAY"};
	const char *const args[] = {"x", "y", NULL};
	struct git_run run = {.args = args, .flags = GIT_RUN_APART};

	(void)state;
	fake_git("echo \"$@\"; env | grep -E '(ASKPASS|DISPLAY)' | sort");
	for (size_t i = 0; i < sizeof(asking) / sizeof(*asking); i++)
		setenv(asking[i], "/bin/false", 1);
	setenv("SSH_ASKPASS_REQUIRE", "force", 1);
	assert_int_equal(git_run(&run), 0);
	assert_string_equal(run.output, "-c core.askPass= x y\nSSH_ASKPASS_REQUIRE=never\n");
	git_run_release(&run);
	for (size_t i = 0; i < sizeof(asking) / sizeof(*asking); i++)
		unsetenv(asking[i]);
	unsetenv("SSH_ASKPASS_REQUIRE");
}

static void child_gets_no_other_descriptor(void **state)
{
	const char *const args[] = {"x", NULL};
	struct git_run run = {.args = args};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd > 2);
	/* Whoever started the test may have left descriptors open: these are not what is tested. */
	assert_return_code(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), 0);
	fake_git("exec ls /proc/self/fd");
	assert_int_equal(git_run(&run), 0);
	assert_string_equal(run.output, "0\n1\n2\n3\n"); /* 3 is ls's own */
	git_run_release(&run);
	close(fd);
}

static void output_goes_to_a_descriptor(void **state)
{
	const char *const args[] = {"x", NULL};
	char *path = scratch_path("out"), *seen;
	struct git_run run = {.args = args};

	(void)state;
	fake_git("echo result; echo trouble >&2");
	run.output_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(run.output_fd > 2);
	assert_int_equal(write(run.output_fd, "before ", 7), 7);
	assert_int_equal(git_run(&run), 0);
	assert_null(run.output);
	assert_string_equal(git_run_message(&run), "trouble");
	seen = scratch_output("cat out");
	assert_string_equal(seen, "before result");
	free(seen);
	close(run.output_fd);
	git_run_release(&run);
	free(path);
}

static void too_much_output_is_efbig(void **state)
{
	const char *const args[] = {"x", NULL};
	struct git_run run = {.args = args, .limit = 1000};

	(void)state;
	fake_git("exec cat /dev/zero");
	assert_int_equal(git_run(&run), -EFBIG);
	/* It is told to end, unless the closed pipe ended it before. */
	assert_true(run.status == 128 + SIGTERM || run.status == 128 + SIGPIPE);
	git_run_release(&run);
}

static void missing_git_and_missing_folder_are_told_apart(void **state)
{
	const struct git_where where = {.dir = "/nowhere/at/all"};
	const char *const args[] = {"version", NULL};
	struct git_run run = {.where = &where, .args = args};

	(void)state;
	assert_int_equal(git_run(&run), -ENOENT);
	git_run_release(&run);
	setenv("PATH", "/nowhere", 1);
	run.where = NULL;
	assert_int_equal(git_run(&run), -ENOPKG);
	git_run_release(&run);
}

static atomic_bool stop;

static void *stop_soon(void *arg)
{
	(void)arg;
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	atomic_store(&stop, true);
	return NULL;
}

static void waiting_ends_when_interrupted(void **state)
{
	static const char *const scripts[] = {"exec sleep 60", "exec >&- 2>&- <&-; exec sleep 60"};
	const char *const args[] = {"x", NULL};
	struct git_run run = {.args = args};
	struct git_child child;
	pthread_t thread;
	char byte;

	(void)state;
	git_set_interrupt(&stop);
	for (size_t i = 0; i < 2; i++) {
		fake_git(scripts[i]);
		atomic_store(&stop, false);
		assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
		assert_int_equal(git_run(&run), -EINTR);
		assert_int_equal(run.status, 128 + SIGTERM);
		git_run_release(&run);
		pthread_join(thread, NULL);
	}
	fake_git(scripts[0]);
	atomic_store(&stop, false);
	assert_int_equal(git_child_start(&child, NULL, args, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
	assert_int_equal(git_child_receive(&child, &byte, 1), -EINTR);
	assert_int_equal(git_child_end(&child, true), 128 + SIGTERM);
	pthread_join(thread, NULL);
	git_set_interrupt(NULL);
}

/* What makes lock files gets some time to come to an end of its own, or to one by the same signal. */
static void a_writer_may_finish(void **state)
{
	static const struct {
		const char *script;
		int result;
		int status;
		const char *output;
	} cases[] = {
	    {"sleep 0.3; echo done", 0, 0, "done\n"},
	    {"exec 2>&- <&-; echo done; exec >&-; sleep 0.3", 0, 0, "done\n"},
	    {"sleep 0.3; exit 1", 0, 1, ""},
	    {"sleep 0.3; kill -INT $$", -EINTR, 128 + SIGINT, ""},
	    {"exec sleep 60", -EINTR, 128 + SIGTERM, ""},
	    {"exec >&- 2>&- <&-; exec sleep 60", -EINTR, 128 + SIGTERM, ""},
	};
	const char *const args[] = {"x", NULL};
	struct git_run run = {.args = args, .flags = GIT_RUN_LOCKING};
	pthread_t thread;

	(void)state;
	git_set_interrupt(&stop);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_git(cases[i].script);
		atomic_store(&stop, false);
		assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
		assert_int_equal(git_run(&run), cases[i].result);
		assert_int_equal(run.status, cases[i].status);
		assert_string_equal(run.output ? run.output : "", cases[i].output);
		git_run_release(&run);
		pthread_join(thread, NULL);
	}
	git_set_interrupt(NULL);
}

static void child_answers_and_ends(void **state)
{
	const struct git_where where = {.dir = folder};
	const char *const args[] = {"-C", "repo", "cat-file", "--batch-check", NULL};
	struct git_child child;
	char answer[100];

	(void)state;
	assert_int_equal(git_child_start(&child, &where, args, GIT_RUN_READING), 0);
	assert_int_equal(git_child_send(&child, "HEAD\n", 5), 0);
	assert_true(git_child_line(&child, '\n', answer, sizeof(answer)) > 40);
	assert_memory_equal(answer + 40, " commit ", 8);
	git_child_send_end(&child);
	assert_int_equal(git_child_line(&child, '\n', answer, sizeof(answer)), -EPIPE);
	assert_int_equal(git_child_end(&child, false), 0);
	assert_int_equal(child.pid, 0);
	assert_int_equal(git_child_end(&child, false), 0);
}

static void lines_and_bytes_come_apart(void **state)
{
	const char *const args[] = {"x", NULL};
	struct git_child child;
	static char big[100000];
	char line[8];

	(void)state;
	fake_git("printf 'one\\n\\n'; printf 'abcdefg'; head -c 100000 /dev/zero | tr '\\0' y; printf 'two\\0much too "
	         "long\\n'");
	assert_int_equal(git_child_start(&child, NULL, args, 0), 0);
	assert_int_equal(git_child_line(&child, '\n', line, sizeof(line)), 3);
	assert_string_equal(line, "one");
	assert_int_equal(git_child_line(&child, '\n', line, sizeof(line)), 0);
	assert_int_equal(git_child_receive(&child, line, 7), 0);
	assert_memory_equal(line, "abcdefg", 7);
	assert_int_equal(git_child_receive(&child, big, sizeof(big)), 0);
	assert_true(big[0] == 'y' && big[sizeof(big) - 1] == 'y');
	assert_int_equal(git_child_line(&child, '\0', line, sizeof(line)), 3);
	assert_string_equal(line, "two");
	assert_int_equal(git_child_line(&child, '\n', line, sizeof(line)), -EBADMSG);
	assert_int_equal(git_child_receive(&child, big, sizeof(big)), -EPIPE);
	git_child_end(&child, true);
}

static void child_that_died_is_epipe_and_no_signal(void **state)
{
	const char *const args[] = {"x", NULL};
	struct git_child child;
	char byte;
	int r;

	(void)state;
	fake_git("exit 3");
	assert_int_equal(git_child_start(&child, NULL, args, 0), 0);
	assert_int_equal(git_child_receive(&child, &byte, 1), -EPIPE);
	do
		r = git_child_send(&child, "x\n", 2);
	while (!r);
	assert_int_equal(r, -EPIPE);
	assert_int_equal(git_child_end(&child, false), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(output_and_status_are_captured, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(input_larger_than_a_pipe_arrives_whole, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(child_that_reads_no_input_is_no_error, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(environment_is_what_where_says, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_is_apart_can_ask_nobody, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(child_gets_no_other_descriptor, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(output_goes_to_a_descriptor, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(too_much_output_is_efbig, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(missing_git_and_missing_folder_are_told_apart, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(waiting_ends_when_interrupted, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_writer_may_finish, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(child_answers_and_ends, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(lines_and_bytes_come_apart, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(child_that_died_is_epipe_and_no_signal, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
