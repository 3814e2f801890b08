#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/ssh/serve_inside.h"

static int send_frame(struct serve *s, const struct serve_wire *frame)
{
	struct buffer bytes = {0};

	serve_wire_encode(frame, &bytes);
	return stream_queue_slowly(s->stream, &bytes);
}

/* --- putting --- */

struct feeding {
	struct serve *serve;
	struct serve_job *job;
};

/* With the lock held: wait for a piece. */
static int await_piece(struct serve *s, const struct serve_job *job)
{
	while (!job->pieces && !job->cancelled && !s->ended)
		pthread_cond_wait(&s->changed, &s->lock);
	return job->cancelled ? -ECANCELED : job->pieces ? 0 : -ECONNRESET;
}

/* With the lock held: let more come, once there is room for half of what may be on its way.  Returns how much. */
static uint32_t grant(struct serve_job *job)
{
	uint64_t want = job->taken + SERVE_WINDOW;
	uint64_t more;

	if (want > job->request.total)
		want = job->request.total;
	more = want > job->allowed ? want - job->allowed : 0;
	if (!more || (more < SERVE_WINDOW / 2 && want < job->request.total))
		return 0;
	job->allowed = want;
	return (uint32_t)more;
}

/* The next LEN bytes of what is put, for the folder. */
static int feed(void *arg, void *data, size_t len)
{
	struct feeding *f = arg;
	struct serve_job *job = f->job;
	uint8_t *to = data;
	int error = 0;

	while (len && !error) {
		struct serve_wire more = {.kind = SERVE_WIRE_MORE, .number = job->request.number};
		struct serve_piece *piece, *gone = NULL;
		size_t part = 0;

		pthread_mutex_lock(&f->serve->lock);
		more.len = grant(job);
		piece = job->pieces;
		if (!more.len && !piece) {
			error = await_piece(f->serve, job);
			piece = job->pieces;
		}
		if (!error && piece) {
			part = piece->len - piece->taken < len ? piece->len - piece->taken : len;
			memcpy(to, piece->data + piece->taken, part);
			piece->taken += part;
			job->taken += part;
			if (piece->taken == piece->len) {
				gone = piece;
				job->pieces = piece->next;
				if (!job->pieces)
					job->pieces_end = &job->pieces;
			}
		}
		pthread_mutex_unlock(&f->serve->lock);
		free(gone);
		to += part;
		len -= part;
		if (more.len)
			error = send_frame(f->serve, &more);
	}
	return error;
}

static int do_put(struct serve *s, struct serve_job *job)
{
	struct feeding feeding = {.serve = s, .job = job};
	const struct remote_body body = {.len = job->request.total, .next = feed, .arg = &feeding};

	return remote_put(s->folder, job->request.path, &body, job->request.replace);
}

/* --- listing --- */

struct listing {
	struct serve *serve;
	struct serve_job *job;
	struct buffer part;
};

/* Send the part that was gathered, once it may go. */
static int send_part(struct listing *l)
{
	struct serve *s = l->serve;
	struct serve_wire frame = {.kind = SERVE_WIRE_ENTRIES, .number = l->job->request.number};
	int error;

	if (l->part.failed)
		return -ENOMEM;
	if (!l->part.len)
		return 0;
	pthread_mutex_lock(&s->lock);
	while (l->part.len > l->job->allowed && !l->job->cancelled && !s->ended)
		pthread_cond_wait(&s->changed, &s->lock);
	error = l->job->cancelled ? -ECANCELED : s->ended ? -ECONNRESET : 0;
	if (!error)
		l->job->allowed -= l->part.len;
	pthread_mutex_unlock(&s->lock);
	frame.data = l->part.data;
	frame.data_len = l->part.len;
	if (!error)
		error = send_frame(s, &frame);
	buffer_clear(&l->part);
	return error;
}

/* What lies there and is no file of a store is nobody's business. */
static int gather(void *arg, const char *path, const struct remote_stat *st)
{
	struct listing *l = arg;

	const bool known =
	    serve_wire_is_path(path, strlen(path), false) || serve_wire_is_unfinished(path, strlen(path), false);

	if (!known || st->size > INT64_MAX)
		return 0;
	serve_wire_put_entry(&l->part, path, st);
	return l->part.len + REMOTE_PATH_SIZE + sizeof(*st) > SERVE_WIRE_ENTRIES_MAX ? send_part(l) : 0;
}

static int do_list(struct serve *s, struct serve_job *job)
{
	struct listing l = {.serve = s, .job = job};
	int error = remote_list(s->folder, job->request.path, gather, &l);

	if (!error)
		error = send_part(&l);
	buffer_release(&l.part);
	return error;
}

/* --- all --- */

/* The bytes are read to where they go from. */
static int do_read(struct serve *s, const struct serve_job *job, struct buffer *answer)
{
	const uint32_t len = job->request.len;
	uint8_t *data;
	ssize_t got;

	buffer_reserve(answer, SERVE_WIRE_HEADER_SIZE + (size_t)len);
	serve_wire_encode(&(struct serve_wire){.kind = SERVE_WIRE_DATA, .number = job->request.number}, answer);
	data = buffer_reserve(answer, len);
	if (!data)
		return -ENOMEM;
	got = remote_read(s->folder, job->request.path, job->request.offset, data, len);
	if (got < 0)
		return (int)got;
	answer->len += (size_t)got;
	wire_put32(answer->data, (uint32_t)got);
	return 0;
}

static int do_stat(struct serve *s, const struct serve_job *job, struct buffer *answer)
{
	struct serve_wire frame = {.kind = SERVE_WIRE_FOUND, .number = job->request.number};
	int error = remote_stat(s->folder, job->request.path, &frame.st);

	if (!error)
		serve_wire_encode(&frame, answer);
	return error;
}

/* Do what JOB asks for.  0 or the error to answer; ANSWER: what else is to be answered than that it is done. */
static int do_job(struct serve *s, struct serve_job *job, struct buffer *answer)
{
	const char *path = job->request.path;
	const bool is_list = job->request.kind == SERVE_WIRE_LIST;
	const bool sweeps = is_list || job->request.kind == SERVE_WIRE_REMOVE;
	const bool changes = job->request.kind == SERVE_WIRE_PUT || job->request.kind == SERVE_WIRE_REMOVE;

	if (!serve_wire_is_path(path, strlen(path), is_list) &&
	    !(sweeps && serve_wire_is_unfinished(path, strlen(path), is_list)))
		return -EINVAL;
	if (changes && s->setup->read_only)
		return -EROFS;
	switch (job->request.kind) {
	case SERVE_WIRE_READ:
		return do_read(s, job, answer);
	case SERVE_WIRE_STAT:
		return do_stat(s, job, answer);
	case SERVE_WIRE_PUT:
		return do_put(s, job);
	case SERVE_WIRE_REMOVE:
		return remote_remove(s->folder, path);
	default:
		return do_list(s, job);
	}
}

/* With the lock held. */
static struct serve_job *next_job(struct serve *s)
{
	struct serve_job *job = s->jobs;

	while (job && job->running)
		job = job->next;
	return job;
}

/* With the lock held, which is let go of meanwhile. */
static void work_on(struct serve *s, struct serve_job *job)
{
	struct serve_wire done = {.kind = SERVE_WIRE_DONE, .number = job->request.number};
	struct buffer answer = {0};
	int error;

	job->running = true;
	done.error = job->cancelled ? -ECANCELED : 0;
	pthread_mutex_unlock(&s->lock);
	if (!done.error)
		done.error = do_job(s, job, &answer);
	if (done.error || !answer.len) {
		buffer_clear(&answer);
		serve_wire_encode(&done, &answer);
	}
	/* The number may come again as soon as it is answered. */
	pthread_mutex_lock(&s->lock);
	serve_forget(s, job);
	pthread_mutex_unlock(&s->lock);
	error = stream_queue_slowly(s->stream, &answer);
	pthread_mutex_lock(&s->lock);
	/* Who waits for what does not come must see the end. */
	if (error == -ENOMEM) {
		s->out_of_memory = true;
		stream_wake(s->stream);
	}
}

void *serve_work(void *serve)
{
	struct serve *s = serve;
	struct serve_job *job;

	pthread_mutex_lock(&s->lock);
	while (!s->ended) {
		job = next_job(s);
		if (job)
			work_on(s, job);
		else
			pthread_cond_wait(&s->changed, &s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}
