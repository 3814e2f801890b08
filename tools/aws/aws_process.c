#include "tools/aws/aws_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/interrupt.h"
#include "fs/git/git.h"
#include "tools/aws/aws_answer.h"
#include "tools/fail.h"

#define WHO "the 'credential_process'"
#define REAP_POLL_MS 10

extern char **environ;

/* A group of its own, so that all of it can be killed; signals as programs expect them. */
static int start(const char *command, int output, pid_t *pid)
{
	char *const argv[] = {"sh", "-c", (char *)command, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, defaults;
	int error;

	if (posix_spawn_file_actions_init(&actions))
		return -ENOMEM;
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	if (!error)
		error = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	if (!error)
		error = posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

/* All that comes, into ROOM bytes and the NUL byte behind them. */
static int read_all(int fd, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n;
	int error;

	do {
		error = git_await(fd, POLLIN);
		if (error)
			return error;
		n = read(fd, text + len, room - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	} while (n && len < room);
	text[len] = '\0';
	return len < room ? 0 : -EFBIG;
}

/* What has closed its output may run on for a while. */
static int await_end(pid_t pid, int *status)
{
	siginfo_t ended = {0};

	while (!waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) && !ended.si_pid) {
		if (interrupt_pending())
			return -EINTR;
		poll(NULL, 0, REAP_POLL_MS);
	}
	*status = git_reap(pid);
	return 0;
}

/* Run it to its end, or end it. */
static int run(const char *command, char *text, size_t room, int *status)
{
	int ours, theirs, error;
	pid_t pid;

	error = git_connect(false, &ours, &theirs);
	if (error)
		return error;
	error = start(command, theirs, &pid);
	close(theirs);
	if (!error) {
		error = read_all(ours, text, room);
		if (!error)
			error = await_end(pid, status);
		if (error) {
			kill(-pid, SIGKILL);
			git_reap(pid);
		}
	}
	close(ours);
	return error;
}

static int take(struct aws_look *look, const char *text, struct credentials *found)
{
	json_t *answer;
	int error = aws_answer_parse(look, WHO, text, &answer);

	if (error)
		return error;
	if (json_integer_value(json_object_get(answer, "Version")) != 1)
		error = aws_look_fail(look, -EPROTO, WHO " gave no 'Version' 1");
	else
		error = aws_answer_take(look, WHO, answer, found);
	aws_answer_free(answer);
	return error;
}

int aws_process_get(struct aws_look *look, const char *command, struct credentials *found)
{
	char *text = calloc(1, AWS_PROCESS_OUTPUT_MAX + 2);
	uint64_t limit;
	int status = 0, error;

	if (!text)
		return -ENOMEM;
	limit = interrupt_limit(AWS_PROCESS_WAIT_S * UINT64_C(1000));
	error = run(command, text, AWS_PROCESS_OUTPUT_MAX + 1, &status);
	if (interrupt_unlimit(limit) && error == -EINTR)
		error = aws_look_fail(look, -ETIMEDOUT, WHO " does not end");
	else if (error == -EFBIG)
		error = aws_look_fail(look, -EPROTO, WHO " prints more than credentials");
	else if (error && error != -EINTR)
		aws_look_fail(look, error, "cannot run " WHO ": %s", error_text(error));
	else if (!error && (status == 126 || status == 127))
		error = aws_look_fail(look, -EKEYREJECTED,
		                      "the program of 'credential_process' was not found, or is none "
		                      "(status %d)",
		                      status);
	else if (!error && status)
		error = aws_look_fail(look, -EKEYREJECTED, WHO " ended with the status %d", status);
	if (!error)
		error = take(look, text, found);
	explicit_bzero(text, AWS_PROCESS_OUTPUT_MAX + 2);
	free(text);
	return error;
}
