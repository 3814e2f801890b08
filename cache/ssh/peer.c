#include "cache/ssh/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/ssh/peer_inside.h"

#define LOOK_MS 1000 /* how often limits of time are looked at */
#define NS_PER_MS UINT64_C(1000000)

int peer_open(const struct peer_setup *setup, struct peer **peer)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->setup = *setup;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	pthread_cond_init(&p->work, NULL);
	*peer = p;
	return 0;
}

void peer_close(struct peer *peer)
{
	if (!peer)
		return;
	pthread_mutex_lock(&peer->lock);
	peer->closing = true;
	pthread_cond_signal(&peer->work);
	if (peer->stream)
		stream_wake(peer->stream);
	pthread_mutex_unlock(&peer->lock);
	if (peer->has_thread)
		pthread_join(peer->thread, NULL);
	/* Given up, and never answered. */
	while (peer->table)
		peer_finish(peer, peer->table, -ESHUTDOWN);
	pthread_cond_destroy(&peer->work);
	pthread_cond_destroy(&peer->changed);
	pthread_mutex_destroy(&peer->lock);
	free(peer);
}

void peer_why(struct peer *peer, char why[PEER_WHY_SIZE])
{
	pthread_mutex_lock(&peer->lock);
	strcpy(why, peer->why);
	if (!*why && peer->read_only)
		snprintf(why, PEER_WHY_SIZE, "it is served for reading only");
	pthread_mutex_unlock(&peer->lock);
}

/* --- the table --- */

void asked_free(struct asked *a)
{
	while (a->parts) {
		struct peer_part *part = a->parts;

		a->parts = part->next;
		free(part);
	}
	buffer_release(&a->frame);
	free(a);
}

void peer_finish(struct peer *peer, struct asked *a, int error)
{
	struct asked **at = &peer->table;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	peer->count--;
	a->error = error;
	a->done = true;
	if (a->given_up)
		asked_free(a);
	pthread_cond_broadcast(&peer->changed);
}

static struct asked *find(struct peer *p, uint32_t number)
{
	struct asked *a = p->table;

	while (a && a->number != number)
		a = a->next;
	return a;
}

void peer_send_waiting(struct peer *peer)
{
	struct asked *next;

	for (struct asked *a = peer->table; a && peer->stream; a = next) {
		int error = 0;

		next = a->next;
		if (!a->frame.data)
			continue;
		if (!a->given_up)
			error = stream_queue(peer->stream, &a->frame);
		if (a->given_up || error == -ENOMEM)
			peer_finish(peer, a, error);
	}
}

/* End what was sent to a connection that is over; with ALL what waits for one, too. */
static void fail_asked(struct peer *p, int error, bool all)
{
	struct asked *next;

	for (struct asked *a = p->table; a; a = next) {
		next = a->next;
		if (all || !a->frame.data)
			peer_finish(p, a, error);
	}
}

/* --- answers --- */

static int take_part(struct asked *a, const struct serve_wire *frame)
{
	struct peer_part *part;

	if (frame->data_len > a->list_left)
		return -EPROTO;
	a->list_left -= frame->data_len;
	if (a->given_up)
		return 0;
	part = malloc(sizeof(*part) + frame->data_len);
	if (!part)
		return -ENOMEM;
	part->next = NULL;
	part->len = frame->data_len;
	memcpy(part->data, frame->data, frame->data_len);
	*a->parts_end = part;
	a->parts_end = &part->next;
	return 0;
}

/* What came for A: 0, 1 where it is done, -EPROTO where that is no answer to it. */
static int take_answer(struct asked *a, const struct serve_wire *frame)
{
	switch (frame->kind) {
	case SERVE_WIRE_DATA:
		if (a->kind != SERVE_WIRE_READ || frame->data_len > a->room)
			return -EPROTO;
		if (!a->given_up && frame->data_len)
			memcpy(a->data, frame->data, frame->data_len);
		a->got = frame->data_len;
		return 1;
	case SERVE_WIRE_FOUND:
		a->st = frame->st;
		return a->kind == SERVE_WIRE_STAT ? 1 : -EPROTO;
	case SERVE_WIRE_MORE:
		if (a->kind != SERVE_WIRE_PUT)
			return -EPROTO;
		a->granted += frame->len;
		return 0;
	case SERVE_WIRE_ENTRIES:
		return a->kind == SERVE_WIRE_LIST ? take_part(a, frame) : -EPROTO;
	case SERVE_WIRE_DONE:
		return !frame->error && (a->kind == SERVE_WIRE_READ || a->kind == SERVE_WIRE_STAT) ? -EPROTO : 1;
	default:
		return -EPROTO;
	}
}

static int on_frame(void *arg, const struct serve_wire *frame)
{
	struct peer *p = arg;
	struct asked *a;
	int r;

	if (frame->kind == SERVE_WIRE_ALIVE)
		return 0;
	pthread_mutex_lock(&p->lock);
	a = find(p, frame->number);
	r = a && !a->frame.data ? take_answer(a, frame) : -EPROTO;
	if (r == 1) {
		peer_finish(p, a, frame->error);
		r = 0;
	} else if (!r) {
		a->news_ns = io_monotonic_ns(p->setup.io);
		pthread_cond_broadcast(&p->changed);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

static int on_greeting(void *arg, uint32_t flags)
{
	struct peer *p = arg;

	pthread_mutex_lock(&p->lock);
	p->greeted = true;
	p->read_only = flags & SERVE_WIRE_READ_ONLY;
	p->why[0] = '\0';
	pthread_mutex_unlock(&p->lock);
	return 0;
}

static void on_bytes(void *arg)
{
	struct peer *p = arg;
	uint64_t now = io_monotonic_ns(p->setup.io);

	pthread_mutex_lock(&p->lock);
	p->bytes_ns = now;
	/* Who puts a file may wait until what is queued went. */
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

static void on_aside(void *arg, const char *text, size_t len)
{
	struct peer *p = arg;

	p->setup.line->hear(p->setup.arg, text, len);
}

/* --- time --- */

static bool is_over(uint64_t now, uint64_t since, unsigned limit_ms)
{
	return now > since && now - since > limit_ms * NS_PER_MS;
}

/* The other side is dead where nothing moves, and lost in something where it is merely alive. */
static int on_wait(void *arg, int *timeout_ms)
{
	struct peer *p = arg;
	uint64_t now = io_monotonic_ns(p->setup.io);
	unsigned look_ms = p->setup.stall_ms / 4 + 1;
	int error = 0;

	pthread_mutex_lock(&p->lock);
	if (p->closing)
		error = -ESHUTDOWN;
	if (!error && p->count) {
		*timeout_ms = (int)(look_ms < LOOK_MS ? look_ms : LOOK_MS);
		if (is_over(now, p->bytes_ns > p->busy_ns ? p->bytes_ns : p->busy_ns, p->setup.stall_ms))
			error = -ETIMEDOUT;
	}
	for (struct asked *a = p->table; a && !error; a = a->next) {
		if (is_over(now, a->news_ns, p->setup.work_ms))
			error = -ETIMEDOUT;
	}
	pthread_mutex_unlock(&p->lock);
	return error;
}

/* --- connections --- */

/* Ask all that waits to be asked, until the connection is over. */
static int run_stream(struct peer *p, int fd, int aside, struct peer_end *end, char said[STREAM_SAID_SIZE])
{
	const struct stream_setup setup = {
	    .in = fd,
	    .out = fd,
	    .aside = aside,
	    .from_server = true,
	    .on_greeting = on_greeting,
	    .on_frame = on_frame,
	    .on_wait = on_wait,
	    .on_bytes = on_bytes,
	    .on_aside = on_aside,
	    .arg = p,
	};
	struct stream *stream;
	int error = stream_open(&setup, &stream);

	if (error)
		return error;
	pthread_mutex_lock(&p->lock);
	p->greeted = false;
	p->bytes_ns = io_monotonic_ns(p->setup.io);
	p->stream = stream;
	peer_send_waiting(p);
	pthread_mutex_unlock(&p->lock);
	error = stream_run(stream);
	pthread_mutex_lock(&p->lock);
	p->stream = NULL;
	end->greeted = p->greeted;
	pthread_mutex_unlock(&p->lock);
	strcpy(said, stream_said(stream));
	stream_close(stream);
	return error;
}

static void connect_and_run(struct peer *p)
{
	char why[PEER_WHY_SIZE] = "", said[STREAM_SAID_SIZE] = "";
	struct peer_end end = {.said = said};
	int fd, aside = -1, error = p->setup.line->open(p->setup.arg, &fd, &aside, why);
	bool connected = !error;

	if (connected) {
		end.error = run_stream(p, fd, aside, &end, said);
		error = p->setup.line->close(p->setup.arg, &end, why);
	}
	pthread_mutex_lock(&p->lock);
	strcpy(p->why, why);
	/* What was asked for in the meantime deserves a connection of its own. */
	fail_asked(p, error, !connected);
	pthread_mutex_unlock(&p->lock);
}

static void *drive(void *arg)
{
	struct peer *p = arg;

	pthread_mutex_lock(&p->lock);
	while (!p->closing) {
		if (!p->count) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		connect_and_run(p);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int peer_start(struct peer *peer)
{
	if (!peer->has_thread && pthread_create(&peer->thread, NULL, drive, peer))
		return -EAGAIN;
	peer->has_thread = true;
	return 0;
}
