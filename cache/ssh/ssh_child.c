#include "cache/ssh/ssh_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_WORDS_MS 2000 /* for an ssh whose connection is gone to say why */
#define TERM_MS 1000       /* before it is killed */
#define OWN_FAILURE 255    /* the status of ssh where it is ssh itself that failed */

static int make_actions(posix_spawn_file_actions_t *actions, int fd, int errors)
{
	int r = posix_spawn_file_actions_adddup2(actions, fd, STDIN_FILENO);

	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, fd, STDOUT_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, errors, STDERR_FILENO);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	return r;
}

/* Signals as a program expects them, whatever the caller's threads block or ignore. */
static int make_attributes(posix_spawnattr_t *attributes)
{
	static const int usual[] = {SIGPIPE, SIGCHLD, SIGTERM, SIGINT, SIGXFSZ};
	sigset_t none, defaults;
	int r;

	sigemptyset(&none);
	sigemptyset(&defaults);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		sigaddset(&defaults, usual[i]);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attributes, &defaults);
	if (!r)
		r = posix_spawnattr_setflags(attributes,
		                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
	return r;
}

static int spawn(const char *const *argv, int fd, int errors, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	posix_spawnattr_init(&attributes);
	r = make_actions(&actions, fd, errors);
	if (!r)
		r = make_attributes(&attributes);
	if (!r)
		r = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int ssh_child_start(const char *const *argv, struct ssh_child *child)
{
	int fds[2], errors[2], error;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -errno;
	if (pipe2(errors, O_CLOEXEC)) {
		error = -errno;
		close(fds[0]);
		close(fds[1]);
		return error;
	}
	*child = (struct ssh_child){.fd = fds[0], .aside = errors[0]};
	error = spawn(argv, fds[1], errors[1], &child->pid);
	close(fds[1]);
	close(errors[1]);
	if (error) {
		close(fds[0]);
		close(errors[0]);
	}
	return error;
}

void ssh_child_hear(struct ssh_child *child, const char *text, size_t len)
{
	const size_t room = sizeof(child->tail) - 1;
	size_t have = strlen(child->tail), keep;

	if (len > room) {
		text += len - room;
		len = room;
	}
	keep = have < room - len ? have : room - len;
	memmove(child->tail, child->tail + have - keep, keep);
	for (size_t i = 0; i < len; i++)
		child->tail[keep + i] = text[i] ? text[i] : '?';
	child->tail[keep + len] = '\0';
}

/* Hear what is said for TIMEOUT_MS at most, or until it has ended. */
static void hear_out(struct ssh_child *child, int process, int timeout_ms)
{
	struct pollfd fds[] = {{.fd = child->aside, .events = POLLIN}, {.fd = process, .events = POLLIN}};
	char text[SSH_CHILD_TAIL_SIZE];

	/* One that says more than that has said enough. */
	for (unsigned i = 0; i < 64 && poll(fds, 2, timeout_ms) > 0; i++) {
		if (fds[0].revents) {
			ssize_t n = read(child->aside, text, sizeof(text));

			if (n > 0) {
				ssh_child_hear(child, text, (size_t)n);
				continue;
			}
			fds[0].fd = -1;
		}
		if (fds[1].revents)
			return;
	}
}

int ssh_child_end(struct ssh_child *child, bool hurry)
{
	int process = pidfd_open(child->pid, 0), status;
	struct pollfd ended = {.fd = process, .events = POLLIN};

	close(child->fd);
	if (!hurry)
		hear_out(child, process, LAST_WORDS_MS);
	close(child->aside);
	/* Its group: where it is a script, what that runs, too. */
	if (poll(&ended, 1, 0) != 1) {
		kill(-child->pid, SIGTERM);
		if (poll(&ended, 1, TERM_MS) != 1)
			kill(-child->pid, SIGKILL);
	}
	if (process >= 0)
		close(process);
	while (waitpid(child->pid, &status, 0) < 0) {
		if (errno != EINTR)
			return OWN_FAILURE;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void ssh_child_last_line(const struct ssh_child *child, char *line, size_t size)
{
	const char *end = child->tail + strlen(child->tail), *begin;
	size_t len;

	while (end > child->tail && strchr("\r\n ", end[-1]))
		end--;
	begin = end;
	while (begin > child->tail && begin[-1] != '\n' && begin[-1] != '\r')
		begin--;
	len = (size_t)(end - begin) < size ? (size_t)(end - begin) : size - 1;
	for (size_t i = 0; i < len; i++)
		line[i] = (unsigned char)begin[i] < 0x20 || begin[i] == 0x7f ? '?' : begin[i];
	line[len] = '\0';
}

int ssh_child_failure(int status, const char *tail)
{
	/* In English, whatever the language of the user: ssh knows no other. */
	static const struct {
		const char *text;
		int error;
	} known[] = {
	    {"Host key verification failed", -EKEYREJECTED},
	    {"Permission denied (", -EKEYREJECTED},
	    {"Too many authentication failures", -EKEYREJECTED},
	    {"Connection refused", -ECONNREFUSED},
	    {"timed out", -ETIMEDOUT},
	    {"Could not resolve hostname", -EHOSTUNREACH},
	    {"No route to host", -EHOSTUNREACH},
	    {"unreachable", -EHOSTUNREACH},
	    {"Bad configuration option", -EPROTO},
	};

	/* It reached the other side, and no `revfs serve` there. */
	if (status < 128)
		return -EPROTO;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && status == OWN_FAILURE; i++) {
		if (strstr(tail, known[i].text))
			return known[i].error;
	}
	return -ECONNRESET;
}
