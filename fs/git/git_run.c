#include "fs/git/git.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/interrupt.h"
#include "cache/io.h"

#define CAPTURE_LIMIT ((size_t)64 << 20)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Bytes that come in; LIMIT counts without the NUL byte behind them. */
struct capture {
	int fd; /* -1: closed */
	char *data;
	size_t len;
	size_t size;
};

static int capture_grow(struct capture *c)
{
	size_t size = c->size ? 2 * c->size : 4096;
	char *data = realloc(c->data, size);

	if (!data)
		return -ENOMEM;
	c->data = data;
	c->size = size;
	return 0;
}

static int capture_read(struct capture *c, size_t limit)
{
	ssize_t n;
	int r;

	if (c->size - c->len < 2) {
		r = capture_grow(c);
		if (r)
			return r;
	}
	n = read(c->fd, c->data + c->len, c->size - c->len - 1);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (!n)
		close_fd(&c->fd);
	c->len += (size_t)n;
	c->data[c->len] = '\0';
	return c->len > limit ? -EFBIG : 0;
}

/* What is still to be sent to the child. */
struct feed {
	int fd; /* -1: closed */
	const char *data;
	size_t len;
};

static int feed_send(struct feed *f)
{
	ssize_t n = f->len ? send(f->fd, f->data, f->len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A child that does not read its input to the end says so by its status. */
	if (n < 0 && errno != EPIPE && errno != ECONNRESET)
		return -errno;
	if (n > 0) {
		f->data += n;
		f->len -= (size_t)n;
	}
	if (n < 0 || !f->len)
		close_fd(&f->fd);
	return 0;
}

/* How long a child may still run once this thread is to give up. */
struct grace {
	uint64_t ms;
	uint64_t end_ns; /* by the monotonic clock; 0: it has not begun */
};

static bool is_given_up(struct grace *grace)
{
	uint64_t now;

	if (!interrupt_pending())
		return false;
	now = io_monotonic_ns(io_system());
	if (!grace->end_ns)
		grace->end_ns = now + grace->ms * UINT64_C(1000000);
	return now >= grace->end_ns;
}

static int exchange(struct feed *feed, struct capture *output, struct capture *errors, size_t limit,
                    struct grace *grace)
{
	int r = 0;

	while (!r && (feed->fd >= 0 || output->fd >= 0 || errors->fd >= 0)) {
		struct pollfd fds[3] = {
		    {.fd = feed->fd, .events = POLLOUT},
		    {.fd = output->fd, .events = POLLIN},
		    {.fd = errors->fd, .events = POLLIN},
		};
		if (is_given_up(grace))
			return -EINTR;
		if (poll(fds, 3, interrupt_watched() ? INTERRUPT_POLL_MS : -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (fds[0].revents)
			r = feed_send(feed);
		if (!r && fds[1].revents)
			r = capture_read(output, limit);
		if (!r && fds[2].revents)
			r = capture_read(errors, limit);
	}
	return r;
}

/* The exit of a child that holds none of our descriptors can still be a while away; only who may be interrupted
 * polls. */
static int await_exit(pid_t pid, int *status, struct grace *grace)
{
	struct pollfd process = {.fd = -1, .events = POLLIN};
	siginfo_t ended = {0};
	int r = 0;

	if (interrupt_watched())
		process.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	while (!r && interrupt_watched() && poll(&process, 1, INTERRUPT_POLL_MS) <= 0) {
		/* Without such a descriptor (an old kernel, a container that forbids it) the poll is a pause. */
		if (process.fd < 0 && (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) || ended.si_pid))
			break;
		r = is_given_up(grace) ? -EINTR : 0;
	}
	close_fd(&process.fd);
	if (!r)
		*status = git_reap(pid);
	return r;
}

/* Both ends of what connects us with one descriptor of the child. */
struct ends {
	int ours;
	int theirs;
};

struct connection {
	struct ends input;
	struct ends output;
	struct ends errors;
	struct git_descriptors child;
};

static void connection_close_theirs(struct connection *c)
{
	close_fd(&c->input.theirs);
	close_fd(&c->output.theirs);
	close_fd(&c->errors.theirs);
}

static void connection_close(struct connection *c)
{
	connection_close_theirs(c);
	close_fd(&c->input.ours);
	close_fd(&c->output.ours);
	close_fd(&c->errors.ours);
}

static int connection_open(struct connection *c, unsigned flags, int output_fd)
{
	int r = 0;

	*c = (struct connection){{-1, -1}, {-1, -1}, {-1, -1}, {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}};
	if (!(flags & GIT_RUN_PASS_INPUT)) {
		r = git_connect(true, &c->input.ours, &c->input.theirs);
		c->child.input = c->input.theirs;
	}
	if (!r && output_fd > 0) {
		c->child.output = output_fd;
	} else if (!r && (flags & GIT_RUN_OUTPUT_TO_STDERR)) {
		c->child.output = STDERR_FILENO;
	} else if (!r && !(flags & GIT_RUN_PASS_OUTPUT)) {
		r = git_connect(false, &c->output.ours, &c->output.theirs);
		c->child.output = c->output.theirs;
	}
	if (!r && !(flags & GIT_RUN_PASS_ERRORS)) {
		r = git_connect(false, &c->errors.ours, &c->errors.theirs);
		c->child.errors = c->errors.theirs;
	}
	if (r)
		connection_close(c);
	return r;
}

int git_run(struct git_run *run)
{
	struct capture output = {.fd = -1}, errors = {.fd = -1};
	struct grace grace = {.ms = run->flags & GIT_RUN_LOCKING ? GIT_GRACE_MS : 0};
	struct feed feed = {.fd = -1};
	struct connection c;
	pid_t pid;
	int r;

	run->status = 127;
	run->output = run->errors = NULL;
	run->output_len = run->errors_len = 0;
	r = connection_open(&c, run->flags, run->output_fd);
	if (r)
		return r;
	r = git_spawn(run->where, run->args, run->flags, &c.child, &pid);
	if (r)
		goto out;
	connection_close_theirs(&c);
	feed = (struct feed){c.input.ours, run->input, run->input_len};
	output.fd = c.output.ours;
	errors.fd = c.errors.ours;
	c.input.ours = c.output.ours = c.errors.ours = -1;
	r = exchange(&feed, &output, &errors, run->limit ? run->limit : CAPTURE_LIMIT, &grace);
	close_fd(&feed.fd);
	close_fd(&output.fd);
	close_fd(&errors.fd);
	if (!r)
		r = await_exit(pid, &run->status, &grace);
	if (r) {
		kill(pid, SIGTERM);
		run->status = git_reap(pid);
	} else if (run->status > 128 && interrupt_pending()) {
		r = -EINTR;
	}
	run->output = output.data;
	run->output_len = output.len;
	run->errors = errors.data;
	run->errors_len = errors.len;
out:
	connection_close(&c);
	return r;
}

void git_run_release(struct git_run *run)
{
	free(run->output);
	free(run->errors);
	run->output = run->errors = NULL;
	run->output_len = run->errors_len = 0;
}

const char *git_run_message(struct git_run *run)
{
	if (!run->errors)
		return "";
	while (run->errors_len && run->errors[run->errors_len - 1] == '\n')
		run->errors[--run->errors_len] = '\0';
	return run->errors + (strncmp(run->errors, "fatal: ", 7) ? 0 : 7);
}
