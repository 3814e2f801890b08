/* The ssh that a connection goes through. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/ssh/ssh_child.h"

static struct ssh_child child;

static void start(const char *script)
{
	const char *argv[] = {"sh", "-c", script, NULL};

	assert_int_equal(ssh_child_start(argv, &child), 0);
}

/* All that it writes to its output. */
static void read_all(char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(child.fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

static void its_status_is_told(void **state)
{
	(void)state;
	start("exit 3");
	assert_int_equal(ssh_child_end(&child, false), 3);
	start("kill -9 $$");
	assert_int_equal(ssh_child_end(&child, false), 128 + SIGKILL);
}

static void what_it_said_last_is_kept(void **state)
{
	char line[100];

	(void)state;
	start("echo one >&2; echo two >&2; exit 255");
	assert_int_equal(ssh_child_end(&child, false), 255);
	assert_string_equal(child.tail, "one\ntwo\n");
	ssh_child_last_line(&child, line, sizeof(line));
	assert_string_equal(line, "two");
	ssh_child_last_line(&child, line, 3);
	assert_string_equal(line, "tw");

	start("seq 3000 | tr '\\n' '\\033' >&2; printf '\\r\\nend\\r\\n\\n' >&2");
	assert_int_equal(ssh_child_end(&child, false), 0);
	assert_true(strlen(child.tail) == sizeof(child.tail) - 1);
	ssh_child_last_line(&child, line, sizeof(line));
	assert_string_equal(line, "end");

	start("exit 0");
	assert_int_equal(ssh_child_end(&child, false), 0);
	ssh_child_last_line(&child, line, sizeof(line));
	assert_string_equal(line, "");
}

static void one_that_does_not_end_is_ended(void **state)
{
	(void)state;
	start("exec sleep 1000");
	assert_int_equal(ssh_child_end(&child, true), 128 + SIGTERM);
	start("trap '' TERM; echo; while :; do sleep 1; done");
	assert_int_equal(read(child.fd, child.tail, 1), 1);
	child.tail[0] = '\0';
	assert_int_equal(ssh_child_end(&child, true), 128 + SIGKILL);
}

static void a_missing_program_is_enoent(void **state)
{
	const char *argv[] = {"no-such-program-anywhere", NULL};

	(void)state;
	assert_int_equal(ssh_child_start(argv, &child), -ENOENT);
}

/* Not even what this process forgot to mark, and as signals go what a program expects. */
static void it_inherits_nothing(void **state)
{
	char text[4096];
	sigset_t all, before;
	int open_fd = open("/dev/null", O_RDONLY);

	(void)state;
	assert_true(open_fd > 2);
	assert_true(dup2(open_fd, 77) == 77);
	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
	signal(SIGPIPE, SIG_IGN);
	start("ls /proc/$$/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; cut -d' ' -f6 /proc/$$/stat | grep -qx $$ || "
	      "echo 'no session'");
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	signal(SIGPIPE, SIG_DFL);
	read_all(text, sizeof(text));
	assert_int_equal(ssh_child_end(&child, false), 0);
	assert_non_null(strstr(text, "0\n1\n2\n"));
	assert_null(strstr(text, "77"));
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000\n"));
	/* SIGPIPE is 13. */
	assert_true((strtoull(strstr(text, "SigIgn:\t") + 8, NULL, 16) & 1u << 12) == 0);
	assert_null(strstr(text, "no session"));
	close(77);
	close(open_fd);
}

static void its_failures_are_told_apart(void **state)
{
	static const struct {
		int status;
		const char *tail;
		int error;
	} cases[] = {
	    {255, "ada@h: Permission denied (publickey).\n", -EKEYREJECTED},
	    {255,
	     "No ED25519 host key is known for h and you have requested strict checking.\r\n"
	     "Host key verification failed.\r\n",
	     -EKEYREJECTED},
	    {255, "Received disconnect from h: 2: Too many authentication failures\n", -EKEYREJECTED},
	    {255, "ssh: connect to host h port 22: Connection refused\r\n", -ECONNREFUSED},
	    {255, "ssh: connect to host h port 22: Connection timed out\r\n", -ETIMEDOUT},
	    {255, "ssh: connect to host h port 22: No route to host\r\n", -EHOSTUNREACH},
	    {255, "ssh: connect to host h port 22: Network is unreachable\r\n", -EHOSTUNREACH},
	    {255, "ssh: Could not resolve hostname h: Name or service not known\r\n", -EHOSTUNREACH},
	    {255, "Connection reset by 10.0.0.1 port 22\r\n", -ECONNRESET},
	    {255, "", -ECONNRESET},
	    {127, "bash: line 1: revfs: command not found\n", -EPROTO},
	    {126, "bash: line 1: /usr/bin/revfs: Permission denied (it says)\n", -EPROTO},
	    {0, "", -EPROTO},
	    {2, "revfs: 'serve' is not a command\n", -EPROTO},
	    {128 + SIGTERM, "Permission denied (publickey).", -ECONNRESET},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(ssh_child_failure(cases[i].status, cases[i].tail), cases[i].error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(its_status_is_told),
	    cmocka_unit_test(what_it_said_last_is_kept),
	    cmocka_unit_test(one_that_does_not_end_is_ended),
	    cmocka_unit_test(a_missing_program_is_enoent),
	    cmocka_unit_test(it_inherits_nothing),
	    cmocka_unit_test(its_failures_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
