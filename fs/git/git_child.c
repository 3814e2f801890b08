#include "fs/git/git_child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int git_child_start(struct git_child *child, const struct git_where *where, const char *const *args, unsigned flags)
{
	struct git_descriptors d = {.errors = STDERR_FILENO};
	int r;

	child->pid = 0;
	child->apart = flags & GIT_RUN_APART;
	child->from = child->to = 0;
	r = git_connect(true, &child->input, &d.input);
	if (r)
		return r;
	r = git_connect(false, &child->output, &d.output);
	if (!r) {
		r = git_spawn(where, args, flags, &d, &child->pid);
		close(d.output);
		if (r)
			close(child->output);
	}
	close(d.input);
	if (r) {
		close(child->input);
		child->pid = 0;
	}
	return r;
}

int git_child_send(struct git_child *child, const void *data, size_t len)
{
	const char *next = data;
	ssize_t n;
	int r;

	while (len) {
		r = git_await(child->input, POLLOUT);
		if (r)
			return r;
		n = send(child->input, next, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		next += n;
		len -= (size_t)n;
	}
	return 0;
}

void git_child_send_end(struct git_child *child)
{
	if (child->input >= 0)
		close(child->input);
	child->input = -1;
}

/* 1 to LEN bytes into DATA; 0 at the end. */
static ssize_t receive_some(struct git_child *child, void *data, size_t len)
{
	ssize_t n;
	int r;

	do {
		r = git_await(child->output, POLLIN);
		if (r)
			return r;
		n = read(child->output, data, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int fill(struct git_child *child)
{
	ssize_t n = receive_some(child, child->buffer, sizeof(child->buffer));

	if (n <= 0)
		return n < 0 ? (int)n : -EPIPE;
	child->from = 0;
	child->to = (size_t)n;
	return 0;
}

ssize_t git_child_line(struct git_child *child, char end, char *line, size_t size)
{
	size_t len = 0, n;
	const char *found;
	int r;

	for (;;) {
		if (child->from == child->to) {
			r = fill(child);
			if (r)
				return r;
		}
		n = child->to - child->from;
		found = memchr(child->buffer + child->from, end, n);
		if (found)
			n = (size_t)(found - (child->buffer + child->from));
		if (n >= size - len)
			return -EBADMSG;
		memcpy(line + len, child->buffer + child->from, n);
		len += n;
		child->from += n + (found ? 1 : 0);
		if (found) {
			line[len] = '\0';
			return (ssize_t)len;
		}
	}
}

int git_child_receive(struct git_child *child, void *data, size_t len)
{
	size_t buffered = child->to - child->from;
	char *next = data;
	ssize_t n;

	if (buffered > len)
		buffered = len;
	memcpy(next, child->buffer + child->from, buffered);
	child->from += buffered;
	next += buffered;
	len -= buffered;
	while (len) {
		n = receive_some(child, next, len);
		if (n <= 0)
			return n < 0 ? (int)n : -EPIPE;
		next += n;
		len -= (size_t)n;
	}
	return 0;
}

int git_child_end(struct git_child *child, bool terminate)
{
	int status;

	if (!child->pid)
		return 0;
	git_child_send_end(child);
	close(child->output);
	/* Before it is reaped: until then its number is that of its session alone. */
	if (terminate)
		kill(child->apart ? -child->pid : child->pid, SIGTERM);
	status = git_reap(child->pid);
	child->pid = 0;
	return status;
}
