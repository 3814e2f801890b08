#include "tools/asker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/io.h"

#define TEXT_MAX (1u << 20)
#define ASKERS_MAX 256 /* that are waited for at once */

/* In the child: the file's text to FD. */
static void tell(const char *mountpoint, const char *name, int fd)
{
	const char *rest;
	char *path;
	void *text;
	size_t len;

	if (asprintf(&path, "%s/.revfs/%s", mountpoint, name) < 0 ||
	    io_read_file(io_system(), AT_FDCWD, path, TEXT_MAX, &text, &len))
		return;
	for (rest = text; len;) {
		ssize_t count = write(fd, rest, len);

		if (count < 0)
			return;
		rest += count;
		len -= (size_t)count;
	}
}

int asker_begin(struct asker *asker, const char *mountpoint, const char *name)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

		/* Whoever reads what this command prints does not wait for a child that was left behind. */
		for (int fd = STDIN_FILENO; nothing >= 0 && fd <= STDERR_FILENO; fd++)
			dup2(nothing, fd);
		close(ends[0]);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		tell(mountpoint, name, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	if (child < 0) {
		int error = -errno;

		close(ends[0]);
		return error;
	}
	*asker = (struct asker){.child = child, .fd = ends[0]};
	return 0;
}

/* There is something to read, or the end. */
static void take(struct asker *asker)
{
	uint8_t *room = buffer_reserve(&asker->text, 65536);
	ssize_t count = room ? read(asker->fd, room, 65536) : 0;

	if (count > 0)
		asker->text.len += (size_t)count;
	else if (count == 0 || errno != EINTR)
		asker->done = true;
}

void asker_wait(struct asker *const *askers, size_t count, int timeout_ms)
{
	const uint64_t end_ns = io_monotonic_ns(io_system()) + (uint64_t)timeout_ms * 1000000;

	for (;;) {
		struct pollfd fds[ASKERS_MAX];
		struct asker *asked[ASKERS_MAX];
		const uint64_t now = io_monotonic_ns(io_system());
		nfds_t waiting = 0;

		for (size_t i = 0; i < count && waiting < ASKERS_MAX; i++) {
			if (!askers[i]->child || askers[i]->done)
				continue;
			fds[waiting] = (struct pollfd){.fd = askers[i]->fd, .events = POLLIN};
			asked[waiting++] = askers[i];
		}
		if (!waiting || now >= end_ns || poll(fds, waiting, (int)((end_ns - now + 999999) / 1000000)) <= 0)
			return;
		for (nfds_t i = 0; i < waiting; i++) {
			if (fds[i].revents)
				take(asked[i]);
		}
	}
}

const char *asker_text(struct asker *asker)
{
	if (!asker->done || !asker->text.len)
		return NULL;
	if (asker->text.data[asker->text.len - 1])
		buffer_put8(&asker->text, 0);
	return asker->text.failed ? NULL : (const char *)asker->text.data;
}

void asker_end(struct asker *asker)
{
	if (asker->child) {
		kill(asker->child, SIGKILL);
		waitpid(asker->child, NULL, asker->done ? 0 : WNOHANG);
		close(asker->fd);
	}
	buffer_release(&asker->text);
	*asker = (struct asker){0};
}
