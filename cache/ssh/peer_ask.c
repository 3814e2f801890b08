#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/ssh/peer_inside.h"

/* --- asking, waiting, giving up --- */

/*
 * Ask what FRAME says, but for its number, once fewer than all may are unanswered.  *ASKED is the caller's to end with
 * conclude(), or give_up().  DATA and ROOM: where the bytes of a read go.  0; -EINTR; -ENOMEM; -EAGAIN.
 */
static int ask(struct peer *p, struct serve_wire *frame, void *data, size_t room, struct asked **asked)
{
	struct asked *a = calloc(1, sizeof(*a)), **end = &p->table;
	int error = a ? 0 : -ENOMEM;

	pthread_mutex_lock(&p->lock);
	while (!error && p->count >= SERVE_WIRE_IN_FLIGHT)
		error = interrupt_wait(&p->changed, &p->lock);
	if (!error)
		error = peer_start(p);
	if (!error) {
		if (!++p->number)
			p->number = 1;
		frame->number = p->number;
		serve_wire_encode(frame, &a->frame);
		error = a->frame.failed ? -ENOMEM : 0;
	}
	if (error) {
		pthread_mutex_unlock(&p->lock);
		if (a)
			asked_free(a);
		return error;
	}
	a->kind = frame->kind;
	a->number = frame->number;
	a->data = data;
	a->room = room;
	a->list_left = SERVE_WIRE_LIST_GRANT;
	a->parts_end = &a->parts;
	a->news_ns = io_monotonic_ns(p->setup.io);
	while (*end)
		end = &(*end)->next;
	*end = a;
	if (!p->count++)
		p->busy_ns = a->news_ns;
	if (p->stream)
		peer_send_waiting(p);
	else
		pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
	*asked = a;
	return 0;
}

/* Queue FRAME of what was asked for as A, unless the connection is over; then A is, too, or will be. */
static int send_more(struct peer *p, struct asked *a, struct serve_wire *frame)
{
	struct buffer bytes = {0};
	int error = 0;

	frame->number = a->number;
	serve_wire_encode(frame, &bytes);
	pthread_mutex_lock(&p->lock);
	if (!a->done && p->stream && !a->frame.data) {
		a->news_ns = io_monotonic_ns(p->setup.io);
		error = stream_queue(p->stream, &bytes);
	}
	pthread_mutex_unlock(&p->lock);
	buffer_release(&bytes);
	return error == -EPIPE ? 0 : error;
}

/* The answer to A is not wanted any more. */
static void give_up(struct peer *p, struct asked *a)
{
	send_more(p, a, &(struct serve_wire){.kind = SERVE_WIRE_CANCEL});
	pthread_mutex_lock(&p->lock);
	if (a->done) {
		asked_free(a);
	} else {
		a->given_up = true;
		a->data = NULL;
		/* No connection is to be made for it. */
		if (a->frame.data)
			peer_finish(p, a, -EINTR);
	}
	pthread_mutex_unlock(&p->lock);
}

/* Whether there is what is waited for, given A and a number.  Called with the lock held. */
typedef bool (*news_check)(const struct peer *p, const struct asked *a, uint64_t at);

/* Wait until A is done, or something came that lets HAS_NEWS (or NULL) answer true.  0 or -EINTR. */
static int await(struct peer *p, struct asked *a, news_check has_news, uint64_t at)
{
	int error = 0;

	pthread_mutex_lock(&p->lock);
	while (!error && !a->done && !(has_news && has_news(p, a, at)))
		error = interrupt_wait(&p->changed, &p->lock);
	/* Who is to give up takes what is there all the same. */
	if (error && a->done)
		error = 0;
	pthread_mutex_unlock(&p->lock);
	return error;
}

/* Wait for the end of A, free it, and return its error; *RESULT (or NULL) is what it was. */
static int conclude(struct peer *p, struct asked *a, struct asked *result)
{
	int error = await(p, a, NULL, 0);

	if (error) {
		give_up(p, a);
		return error;
	}
	error = a->error;
	if (result)
		*result = *a;
	asked_free(a);
	return error;
}

/* What takes nothing but a path. */
static int ask_path(struct peer *p, enum serve_wire_kind kind, const char *path, struct asked *result)
{
	struct serve_wire frame = {.kind = kind};
	struct asked *a;
	int error;

	if (strlen(path) >= sizeof(frame.path))
		return -EINVAL;
	strcpy(frame.path, path);
	error = ask(p, &frame, NULL, 0, &a);
	return error ? error : conclude(p, a, result);
}

int peer_stat(struct peer *peer, const char *path, struct remote_stat *st)
{
	struct asked result;
	int error = ask_path(peer, SERVE_WIRE_STAT, path, &result);

	if (!error)
		*st = result.st;
	return error;
}

int peer_remove(struct peer *peer, const char *path)
{
	return ask_path(peer, SERVE_WIRE_REMOVE, path, NULL);
}

/* --- reading --- */

/* Ask for all at once what is too much for one request, so that it takes the time of one. */
ssize_t peer_read(struct peer *peer, const char *path, uint64_t offset, void *data, size_t len)
{
	size_t count = len / SERVE_WIRE_READ_MAX + (len % SERVE_WIRE_READ_MAX != 0), begun = 0, total = 0;
	struct asked **list, result;
	bool at_end = false;
	int error = 0;

	if (!len)
		return 0;
	if (strlen(path) >= REMOTE_PATH_SIZE || len > (uint64_t)INT64_MAX || offset > (uint64_t)INT64_MAX - len)
		return -EINVAL;
	list = calloc(count, sizeof(struct asked *));
	if (!list)
		return -ENOMEM;
	for (size_t at = 0; at < len && !error; at += SERVE_WIRE_READ_MAX) {
		const size_t room = len - at < SERVE_WIRE_READ_MAX ? len - at : SERVE_WIRE_READ_MAX;
		struct serve_wire frame = {.kind = SERVE_WIRE_READ, .offset = offset + at, .len = (uint32_t)room};

		strcpy(frame.path, path);
		error = ask(peer, &frame, (uint8_t *)data + at, room, &list[begun]);
		if (!error)
			begun++;
	}
	for (size_t i = 0; i < begun; i++) {
		if (error) {
			give_up(peer, list[i]);
			continue;
		}
		error = conclude(peer, list[i], &result);
		if (!error && !at_end) {
			total += result.got;
			at_end = result.got < result.room;
		}
	}
	free(list);
	return error ? error : (ssize_t)total;
}

/* --- putting --- */

/* LEN bytes of BODY at AT; *BYTES may be in SCRATCH. */
static int body_bytes(struct peer *p, const struct remote_body *body, uint64_t at, size_t len, uint8_t *scratch,
                      const uint8_t **bytes)
{
	if (body->data) {
		*bytes = (const uint8_t *)body->data + at;
		return 0;
	}
	*bytes = scratch;
	return io_read_exact(p->setup.io, body->fd, scratch, len, at);
}

/* Not even a peer that would take all of it makes us keep much of it in memory. */
static bool may_send(const struct peer *p, const struct asked *a, uint64_t sent)
{
	return a->granted > sent && p->stream && stream_queued(p->stream) <= STREAM_QUEUE_MAX;
}

/* Send what is behind the first bytes of BODY, as fast as it may go. */
static int send_pieces(struct peer *p, struct asked *a, const struct remote_body *body, uint64_t first,
                       uint8_t *scratch)
{
	uint64_t sent = 0;
	const uint64_t total = body->len - first;
	int error = 0;

	while (!error && sent < total) {
		struct serve_wire piece = {.kind = SERVE_WIRE_PIECE};
		uint64_t len;
		bool done;

		error = await(p, a, may_send, sent);
		if (error)
			break;
		pthread_mutex_lock(&p->lock);
		len = a->granted - sent;
		done = a->done;
		pthread_mutex_unlock(&p->lock);
		if (done)
			break;
		len = len < SERVE_WIRE_PIECE_MAX ? len : SERVE_WIRE_PIECE_MAX;
		piece.data_len = (size_t)(len < total - sent ? len : total - sent);
		error = body_bytes(p, body, first + sent, piece.data_len, scratch, &piece.data);
		if (!error)
			error = send_more(p, a, &piece);
		sent += piece.data_len;
	}
	/* It says that it has what it was not sent. */
	if (!error && sent < total && !a->error)
		error = -EPROTO;
	return error;
}

int peer_put(struct peer *peer, const char *path, const struct remote_body *body, bool replace)
{
	const size_t first = body->len < SERVE_WIRE_FIRST_MAX ? (size_t)body->len : SERVE_WIRE_FIRST_MAX;
	struct serve_wire frame = {.kind = SERVE_WIRE_PUT, .total = body->len, .replace = replace, .data_len = first};
	uint8_t *scratch;
	struct asked *a;
	int error;

	if (strlen(path) >= sizeof(frame.path) || body->len > (uint64_t)INT64_MAX)
		return -EINVAL;
	strcpy(frame.path, path);
	scratch = body->data ? NULL : malloc(SERVE_WIRE_PIECE_MAX);
	if (!body->data && !scratch)
		return -ENOMEM;
	error = body_bytes(peer, body, 0, first, scratch, &frame.data);
	if (!error)
		error = ask(peer, &frame, NULL, 0, &a);
	if (error) {
		free(scratch);
		return error;
	}
	error = send_pieces(peer, a, body, first, scratch);
	free(scratch);
	if (error) {
		give_up(peer, a);
		return error;
	}
	return conclude(peer, a, NULL);
}

/* --- listing --- */

static bool has_part(const struct peer *p, const struct asked *a, uint64_t at)
{
	(void)p;
	(void)at;
	return a->parts;
}

/* The next part, or NULL at the end; the caller frees it. */
static int take_part(struct peer *p, struct asked *a, struct peer_part **part)
{
	int error = await(p, a, has_part, 0);

	pthread_mutex_lock(&p->lock);
	*part = error ? NULL : a->parts;
	if (*part) {
		a->parts = (*part)->next;
		if (!a->parts)
			a->parts_end = &a->parts;
		a->list_left += (*part)->len;
	}
	pthread_mutex_unlock(&p->lock);
	return error;
}

/* Whether PATH is one of a file below FOLDER. */
static bool is_below(const char *path, const char *folder)
{
	const size_t len = strlen(folder);
	const bool known =
	    serve_wire_is_path(path, strlen(path), false) || serve_wire_is_unfinished(path, strlen(path), false);

	return known && !strncmp(path, folder, len) && path[len] == '/';
}

static int tell_part(const struct peer_part *part, const char *folder, remote_each each, void *arg)
{
	char path[REMOTE_PATH_SIZE];
	struct remote_stat st;
	struct wire_reader r;
	int answer;

	wire_reader_init(&r, part->data, part->len);
	while ((answer = serve_wire_next_entry(&r, path, &st)) > 0) {
		answer = is_below(path, folder) ? each(arg, path, &st) : -EPROTO;
		if (answer)
			return answer;
	}
	return answer;
}

int peer_list(struct peer *peer, const char *folder, remote_each each, void *arg)
{
	struct serve_wire frame = {.kind = SERVE_WIRE_LIST};
	struct peer_part *part;
	struct asked *a;
	int error;

	if (strlen(folder) >= sizeof(frame.path))
		return -EINVAL;
	strcpy(frame.path, folder);
	error = ask(peer, &frame, NULL, 0, &a);
	if (error)
		return error;
	for (;;) {
		error = take_part(peer, a, &part);
		if (error || !part)
			break;
		error = tell_part(part, folder, each, arg);
		if (!error)
			error = send_more(peer, a,
			                  &(struct serve_wire){.kind = SERVE_WIRE_MORE, .len = (uint32_t)part->len});
		free(part);
		if (error)
			break;
	}
	if (error) {
		give_up(peer, a);
		return error;
	}
	return conclude(peer, a, NULL);
}
