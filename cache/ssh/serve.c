#include "cache/ssh/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/ssh/serve_inside.h"

#define WORKERS 4
#define LOOK_MS 1000 /* how often it is looked whether to give up */
#define NS_PER_MS UINT64_C(1000000)

/* --- jobs --- */

static struct serve_job *find(struct serve *s, uint32_t number)
{
	struct serve_job *job = s->jobs;

	while (job && job->request.number != number)
		job = job->next;
	return job;
}

void serve_forget(struct serve *s, struct serve_job *job)
{
	struct serve_job **at = &s->jobs;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	s->count--;
	while (job->pieces) {
		struct serve_piece *piece = job->pieces;

		job->pieces = piece->next;
		free(piece);
	}
	free(job);
}

int serve_add_piece(struct serve_job *job, const uint8_t *data, size_t len)
{
	struct serve_piece *piece;

	if (len > job->request.total - job->came || job->came + len > job->allowed)
		return -EPROTO;
	piece = malloc(sizeof(*piece) + len);
	if (!piece)
		return -ENOMEM;
	*piece = (struct serve_piece){.len = len};
	memcpy(piece->data, data, len);
	*job->pieces_end = piece;
	job->pieces_end = &piece->next;
	job->came += len;
	return 0;
}

/* With the lock held. */
static int add_job(struct serve *s, const struct serve_wire *frame)
{
	struct serve_job *job, **end = &s->jobs;
	int error = 0;

	if (s->count >= SERVE_WIRE_IN_FLIGHT || find(s, frame->number))
		return -EPROTO;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->request = *frame;
	job->request.data = NULL;
	job->pieces_end = &job->pieces;
	job->allowed = frame->kind == SERVE_WIRE_PUT ? frame->data_len : SERVE_WIRE_LIST_GRANT;
	while (*end)
		end = &(*end)->next;
	*end = job;
	s->count++;
	if (frame->data_len)
		error = serve_add_piece(job, frame->data, frame->data_len);
	return error;
}

/* With the lock held.  More about a request that was answered is on its way, and no mistake. */
static int add_to_job(struct serve_job *job, const struct serve_wire *frame)
{
	if (!job || job->cancelled)
		return 0;
	switch (frame->kind) {
	case SERVE_WIRE_PIECE:
		if (job->request.kind != SERVE_WIRE_PUT)
			return -EPROTO;
		return serve_add_piece(job, frame->data, frame->data_len);
	case SERVE_WIRE_MORE:
		if (job->request.kind != SERVE_WIRE_LIST)
			return -EPROTO;
		job->allowed += frame->len;
		return 0;
	default:
		job->cancelled = true;
		return 0;
	}
}

/* --- the stream --- */

static int on_frame(void *arg, const struct serve_wire *frame)
{
	struct serve *s = arg;
	int error;

	pthread_mutex_lock(&s->lock);
	switch (frame->kind) {
	case SERVE_WIRE_PIECE:
	case SERVE_WIRE_MORE:
	case SERVE_WIRE_CANCEL:
		error = add_to_job(find(s, frame->number), frame);
		break;
	default:
		error = add_job(s, frame);
	}
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return error;
}

static int on_greeting(void *arg, uint32_t flags)
{
	(void)arg;
	(void)flags;
	return 0;
}

static void on_bytes(void *arg)
{
	(void)arg;
}

static int say_alive(struct serve *s)
{
	struct buffer frame = {0};

	serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_ALIVE}, &frame);
	return stream_queue(s->stream, &frame);
}

static int on_wait(void *arg, int *timeout_ms)
{
	struct serve *s = arg;
	uint64_t now = io_monotonic_ns(s->setup->io);
	bool busy, out_of_memory;

	if (interrupt_pending())
		return -EINTR;
	pthread_mutex_lock(&s->lock);
	busy = s->count;
	out_of_memory = s->out_of_memory;
	pthread_mutex_unlock(&s->lock);
	if (out_of_memory)
		return -ENOMEM;
	if (busy || interrupt_watched())
		*timeout_ms = LOOK_MS;
	if (!busy || now - s->alive_ns < SERVE_ALIVE_MS * NS_PER_MS)
		return 0;
	s->alive_ns = now;
	return say_alive(s);
}

/* --- all --- */

/* Signals are for the thread of the stream. */
static unsigned start_workers(struct serve *s, pthread_t *threads)
{
	sigset_t all, before;
	unsigned count = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (count < WORKERS && !pthread_create(&threads[count], NULL, serve_work, s))
		count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return count;
}

static int converse(struct serve *s)
{
	pthread_t threads[WORKERS];
	unsigned count = start_workers(s, threads);
	int error = count ? stream_run(s->stream) : -EAGAIN;

	pthread_mutex_lock(&s->lock);
	s->ended = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	while (count)
		pthread_join(threads[--count], NULL);
	while (s->jobs)
		serve_forget(s, s->jobs);
	return error;
}

int serve_run(const struct serve_setup *setup)
{
	struct serve s = {.setup = setup};
	const struct remote_setup folder = {.io = setup->io, .name = "served", .url = setup->folder};
	const struct stream_setup stream = {
	    .in = setup->in,
	    .out = setup->out,
	    .aside = -1,
	    .flags = setup->read_only ? SERVE_WIRE_READ_ONLY : 0,
	    .on_greeting = on_greeting,
	    .on_frame = on_frame,
	    .on_wait = on_wait,
	    .on_bytes = on_bytes,
	    .arg = &s,
	};
	int error = remote_open_kind(&folder, &remote_kind_folder, &s.folder);

	if (error)
		return error;
	pthread_mutex_init(&s.lock, NULL);
	pthread_cond_init(&s.changed, NULL);
	s.alive_ns = io_monotonic_ns(setup->io);
	error = stream_open(&stream, &s.stream);
	if (!error)
		error = converse(&s);
	stream_close(s.stream);
	pthread_cond_destroy(&s.changed);
	pthread_mutex_destroy(&s.lock);
	remote_close(s.folder);
	return error;
}
