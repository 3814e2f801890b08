#include "tests/support/played_peer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/interrupt.h"
#include "tests/support/frames.h"

struct played played;

static int connections[2]; /* a pipe of the server's ends */
static int line_fd;        /* the client's end */

/* --- the line --- */

static int line_open(void *arg, int *ours, int *aside, char why[PEER_WHY_SIZE])
{
	int fds[2];

	(void)arg;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -errno;
	if (write(connections[1], &fds[1], sizeof(fds[1])) != sizeof(fds[1]))
		return -EIO;
	line_fd = *ours = fds[0];
	*aside = -1;
	snprintf(why, PEER_WHY_SIZE, "nothing yet");
	return 0;
}

static void line_hear(void *arg, const char *text, size_t len)
{
	(void)arg;
	(void)text;
	(void)len;
}

static int line_close(void *arg, const struct peer_end *end, char why[PEER_WHY_SIZE])
{
	(void)arg;
	close(line_fd);
	snprintf(why, PEER_WHY_SIZE, "%s, said '%s'", end->greeted ? "greeted" : "not greeted", end->said);
	return end->error ? end->error : -ECONNRESET;
}

static const struct peer_line line = {.open = line_open, .hear = line_hear, .close = line_close};

void played_open(unsigned stall_ms, unsigned work_ms)
{
	const struct peer_setup setup = {
	    .io = &played.disk.io, .line = &line, .stall_ms = stall_ms, .work_ms = work_ms};

	assert_int_equal(peer_open(&setup, &played.peer), 0);
}

void played_close(void)
{
	peer_close(played.peer);
}

void played_begin_test(void)
{
	assert_int_equal(pipe(connections), 0);
	fault_init(&played.disk, io_system());
	played_open(PEER_STALL_MS, PEER_WORK_MS);
}

void played_end_test(void)
{
	played_close();
	close(connections[0]);
	close(connections[1]);
}

void played_accept(void)
{
	assert_int_equal(read(connections[0], &played.fd, sizeof(played.fd)), sizeof(played.fd));
	frames_greeted(played.fd);
}

/* --- who asks --- */

static bool is_stopped(void *arg)
{
	return atomic_load(&((struct played_asker *)arg)->stop);
}

static int pass_over(void *arg, const char *path, const struct remote_stat *st)
{
	(void)arg;
	(void)path;
	(void)st;
	return 0;
}

static void *ask(void *arg)
{
	struct played_asker *a = arg;
	const struct remote_body body = {.data = a->fd ? NULL : a->data, .fd = a->fd, .len = a->len};
	struct remote_stat st;

	interrupt_watch(is_stopped, a);
	switch (a->kind) {
	case SERVE_WIRE_READ:
		a->result = peer_read(played.peer, "packs/ab/x", 0, a->data, a->len);
		break;
	case SERVE_WIRE_STAT:
		a->result = peer_stat(played.peer, "packs/ab/x", &st);
		break;
	case SERVE_WIRE_PUT:
		a->result = peer_put(played.peer, "packs/ab/x", &body, false);
		break;
	default:
		a->result = peer_list(played.peer, "packs", pass_over, NULL);
	}
	return NULL;
}

void played_begin(struct played_asker *a, enum serve_wire_kind kind, size_t len)
{
	*a = (struct played_asker){.kind = kind, .len = len, .data = calloc(1, len + 1)};
	assert_non_null(a->data);
	assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

void played_begin_put(struct played_asker *a, int fd, size_t len)
{
	*a = (struct played_asker){.kind = SERVE_WIRE_PUT, .len = len, .fd = fd};
	assert_int_equal(pthread_create(&a->thread, NULL, ask, a), 0);
}

ssize_t played_finish(struct played_asker *a)
{
	assert_int_equal(pthread_join(a->thread, NULL), 0);
	free(a->data);
	return a->result;
}

void played_begin_and_hear(struct played_asker *a, enum serve_wire_kind kind, size_t len, struct serve_wire *request)
{
	played_begin(a, kind, len);
	played_accept();
	frames_greet(played.fd, 0);
	frames_hear(played.fd, false, request);
	assert_int_equal(request->kind, kind);
}
