#include "cache/ssh/stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASIDE_PIECE 1024
#define ENDED 1 /* of the functions below: the other side ended */

/* Bytes that wait to be written. */
struct outgoing {
	struct buffer frame;
	struct outgoing *next;
};

struct stream {
	struct stream_setup setup;
	int wake; /* an eventfd */
	/* The running thread's: what comes. */
	bool greeted;
	uint8_t head[SERVE_WIRE_GREETING_SIZE]; /* a greeting, then headers */
	size_t head_have;
	uint8_t *body;
	size_t body_size; /* allocated */
	size_t body_len;
	size_t body_have;
	char said[STREAM_SAID_SIZE];
	/* And what goes. */
	size_t sent; /* of the first one queued */
	bool deaf;   /* nobody reads what we write */

	pthread_mutex_t lock; /* of all below; held for memory work only */
	pthread_cond_t room;
	struct outgoing *first, *last;
	size_t queued; /* bytes */
	bool ended;
};

int stream_open(const struct stream_setup *setup, struct stream **stream)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct buffer greeting = {0};
	uint8_t *p;
	int error;

	if (!s)
		return -ENOMEM;
	s->setup = *setup;
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake < 0) {
		error = -errno;
		free(s);
		return error;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->room, NULL);
	p = buffer_reserve(&greeting, SERVE_WIRE_GREETING_SIZE);
	if (p) {
		serve_wire_greet(p, setup->flags);
		greeting.len = SERVE_WIRE_GREETING_SIZE;
	}
	error = stream_queue(s, &greeting);
	if (error) {
		stream_close(s);
		return error;
	}
	*stream = s;
	return 0;
}

static void drop_queue(struct stream *s)
{
	while (s->first) {
		struct outgoing *gone = s->first;

		s->first = gone->next;
		buffer_release(&gone->frame);
		free(gone);
	}
	s->last = NULL;
	s->queued = 0;
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	drop_queue(stream);
	close(stream->wake);
	free(stream->body);
	pthread_cond_destroy(&stream->room);
	pthread_mutex_destroy(&stream->lock);
	free(stream);
}

void stream_wake(struct stream *stream)
{
	eventfd_write(stream->wake, 1);
}

static int queue(struct stream *s, struct buffer *frame, bool slowly)
{
	struct outgoing *o = frame->failed ? NULL : calloc(1, sizeof(*o));
	int error = o ? 0 : -ENOMEM;
	bool wake = false;

	pthread_mutex_lock(&s->lock);
	while (!error && slowly && !s->ended && s->queued > STREAM_QUEUE_MAX)
		pthread_cond_wait(&s->room, &s->lock);
	if (!error && s->ended)
		error = -EPIPE;
	if (!error) {
		o->frame = *frame;
		*frame = (struct buffer){0};
		s->queued += o->frame.len;
		wake = !s->first;
		if (s->last)
			s->last->next = o;
		else
			s->first = o;
		s->last = o;
	}
	pthread_mutex_unlock(&s->lock);
	if (wake)
		stream_wake(s);
	if (error) {
		buffer_release(frame);
		free(o);
	}
	return error;
}

int stream_queue(struct stream *stream, struct buffer *frame)
{
	return queue(stream, frame, false);
}

int stream_queue_slowly(struct stream *stream, struct buffer *frame)
{
	return queue(stream, frame, true);
}

size_t stream_queued(struct stream *stream)
{
	size_t queued;

	pthread_mutex_lock(&stream->lock);
	queued = stream->queued;
	pthread_mutex_unlock(&stream->lock);
	return queued;
}

const char *stream_said(const struct stream *stream)
{
	return stream->said;
}

/* --- what goes --- */

static struct outgoing *first_queued(struct stream *s)
{
	struct outgoing *first;

	pthread_mutex_lock(&s->lock);
	first = s->first;
	pthread_mutex_unlock(&s->lock);
	return first;
}

/* A pipe that is ready takes PIPE_BUF bytes without a wait. */
static ssize_t send_some(int fd, const void *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, data, len < PIPE_BUF ? len : PIPE_BUF);
	return n < 0 ? -errno : n;
}

static int write_queued(struct stream *s)
{
	struct outgoing *o = first_queued(s);
	ssize_t n = o ? send_some(s->setup.out, o->frame.data + s->sent, o->frame.len - s->sent) : 0;

	if (n == -EAGAIN || n == -EINTR || !o)
		return 0;
	if (n < 0) {
		s->deaf = true;
		/* What the other side still has to say may tell why. */
		return s->setup.from_server ? 0 : -EPIPE;
	}
	s->setup.on_bytes(s->setup.arg);
	s->sent += (size_t)n;
	if (s->sent < o->frame.len)
		return 0;
	s->sent = 0;
	pthread_mutex_lock(&s->lock);
	s->first = o->next;
	if (!s->first)
		s->last = NULL;
	s->queued -= o->frame.len;
	pthread_cond_broadcast(&s->room);
	pthread_mutex_unlock(&s->lock);
	buffer_release(&o->frame);
	free(o);
	return 0;
}

/* --- what comes --- */

static ssize_t receive_some(int fd, void *data, size_t len)
{
	ssize_t n = recv(fd, data, len, MSG_DONTWAIT);

	if (n < 0 && errno == ENOTSOCK)
		n = read(fd, data, len);
	return n < 0 ? -errno : n;
}

/* Keep the first line of what is no greeting. */
static void keep_said(struct stream *s)
{
	struct pollfd more = {.fd = s->setup.in, .events = POLLIN};
	size_t len = s->head_have;
	ssize_t n;

	memcpy(s->said, s->head, len);
	if (poll(&more, 1, 0) > 0) {
		n = receive_some(s->setup.in, s->said + len, sizeof(s->said) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	s->said[len] = '\0';
	s->said[strcspn(s->said, "\r\n")] = '\0';
	for (unsigned char *p = (unsigned char *)s->said; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
}

static int take_greeting(struct stream *s)
{
	uint32_t flags;
	int r = serve_wire_greeted(s->head, s->head_have, &flags);

	if (r == 0)
		return 0;
	if (r < 0) {
		keep_said(s);
		return r;
	}
	s->greeted = true;
	s->head_have = 0;
	return s->setup.on_greeting(s->setup.arg, flags);
}

static int take_frame(struct stream *s)
{
	struct serve_wire frame;
	int error = serve_wire_decode(s->head, s->body, s->body_len, &frame);

	s->head_have = s->body_have = s->body_len = 0;
	return error ? error : s->setup.on_frame(s->setup.arg, &frame);
}

/* The length is one that its kind allows. */
static int make_room(struct stream *s)
{
	uint8_t *body;
	int error = serve_wire_body_len(s->head, s->setup.from_server, &s->body_len);

	if (error || s->body_len <= s->body_size)
		return error;
	body = malloc(s->body_len);
	if (!body)
		return -ENOMEM;
	free(s->body);
	s->body = body;
	s->body_size = s->body_len;
	return 0;
}

/* Read once.  ENDED at the end. */
static int read_some(struct stream *s)
{
	const size_t head_len = s->greeted ? SERVE_WIRE_HEADER_SIZE : SERVE_WIRE_GREETING_SIZE;
	bool in_head = s->head_have < head_len;
	uint8_t *to = in_head ? s->head + s->head_have : s->body + s->body_have;
	ssize_t n = receive_some(s->setup.in, to, in_head ? head_len - s->head_have : s->body_len - s->body_have);
	int error = 0;

	if (n == -EAGAIN || n == -EINTR)
		return 0;
	if (n == 0)
		return s->greeted && !s->head_have ? ENDED : -ECONNRESET;
	if (n < 0)
		return n == -EPIPE ? -ECONNRESET : (int)n;
	s->setup.on_bytes(s->setup.arg);
	if (!in_head) {
		s->body_have += (size_t)n;
		return s->body_have == s->body_len ? take_frame(s) : 0;
	}
	s->head_have += (size_t)n;
	if (!s->greeted)
		return take_greeting(s);
	if (s->head_have == head_len)
		error = make_room(s);
	return !error && s->head_have == head_len && !s->body_len ? take_frame(s) : error;
}

static void read_aside(struct stream *s)
{
	char text[ASIDE_PIECE];
	ssize_t n = read(s->setup.aside, text, sizeof(text));

	if (n > 0)
		s->setup.on_aside(s->setup.arg, text, (size_t)n);
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		s->setup.aside = -1;
}

/* --- both --- */

static int wait_and_move(struct stream *s, int timeout_ms)
{
	const bool writing = !s->deaf && first_queued(s);
	struct pollfd fds[] = {
	    {.fd = s->setup.in, .events = POLLIN},
	    {.fd = s->deaf ? -1 : s->setup.out, .events = writing ? POLLOUT : 0},
	    {.fd = s->setup.aside, .events = POLLIN},
	    {.fd = s->wake, .events = POLLIN},
	};
	eventfd_t count;
	int error = 0;

	if (poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[3].revents)
		eventfd_read(s->wake, &count);
	if (fds[2].revents)
		read_aside(s);
	if (fds[1].revents & POLLOUT) {
		error = write_queued(s);
	} else if (fds[1].revents) {
		s->deaf = true;
		error = fds[0].revents || s->setup.from_server ? 0 : -EPIPE;
	}
	if (!error && fds[0].revents)
		error = read_some(s);
	return error;
}

int stream_run(struct stream *stream)
{
	int error = 0;

	while (!error) {
		int timeout_ms = -1;

		error = stream->setup.on_wait(stream->setup.arg, &timeout_ms);
		if (!error)
			error = wait_and_move(stream, timeout_ms);
	}
	pthread_mutex_lock(&stream->lock);
	stream->ended = true;
	pthread_cond_broadcast(&stream->room);
	pthread_mutex_unlock(&stream->lock);
	return error == ENDED ? 0 : error;
}
