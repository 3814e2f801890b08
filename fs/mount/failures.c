#include "fs/mount/failures.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "cache/io.h"

#define LOG_AGAIN_S 60    /* for one failure of one node */
#define LOG_LINES_MAX 100 /* in that time, in all */

struct failure {
	uint64_t node;
	const char *what; /* static; NULL: empty place */
	char *path;       /* NULL where there was no memory for it */
	char *why;        /* the last time; NULL: nothing */
	int error;
	uint64_t count;
	struct timespec last;
	int64_t logged;
};

struct failures {
	pthread_mutex_t lock; /* guards all below */
	struct failure ring[FAILURES_KEPT];
	size_t next; /* where the next one goes */
	int64_t log_begin;
	unsigned log_lines; /* since log_begin */
};

int failures_open(struct failures **failures)
{
	struct failures *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	pthread_mutex_init(&f->lock, NULL);
	*failures = f;
	return 0;
}

static void failure_release(struct failure *f)
{
	free(f->path);
	free(f->why);
}

void failures_close(struct failures *failures)
{
	if (!failures)
		return;
	for (size_t i = 0; i < FAILURES_KEPT; i++)
		failure_release(&failures->ring[i]);
	pthread_mutex_destroy(&failures->lock);
	free(failures);
}

static const char *failure_text(int error)
{
	switch (-error) {
	case EBADMSG:
		return "damaged data";
	case ENODATA:
		return "data that is in no store";
	case ENOTSUP:
		return "data of a kind that this version does not know";
	case ENOKEY:
		return "the certificate of the server that has it is not trusted";
	case EKEYREJECTED:
		return "not authorised";
	case ENOENT:
		return "something it needs is missing";
	default:
		return strerrordesc_np(-error) ? strerrordesc_np(-error) : "unknown error";
	}
}

static void failure_reason(const struct failure *f, char reason[FAILURES_REASON_MAX])
{
	snprintf(reason, FAILURES_REASON_MAX, "can't %s: %s%s%s", f->what, failure_text(f->error), f->why ? ": " : "",
	         f->why ? f->why : "");
}

/* The same failure, if it is kept; else the place for it. */
static struct failure *failures_place(struct failures *f, uint64_t node, const char *what, int error)
{
	struct failure *place;

	for (size_t i = 0; i < FAILURES_KEPT; i++) {
		place = &f->ring[i];
		if (place->what && place->node == node && place->error == error && strcmp(place->what, what) == 0)
			return place;
	}
	place = &f->ring[f->next];
	f->next = (f->next + 1) % FAILURES_KEPT;
	failure_release(place);
	*place = (struct failure){.node = node, .what = what, .error = error};
	return place;
}

/* Whether this one is to be logged now. */
static bool failures_may_log(struct failures *f, struct failure *failure)
{
	int64_t now = failure->last.tv_sec;

	if (failure->count > 1 && now - failure->logged < LOG_AGAIN_S)
		return false;
	if (now - f->log_begin >= LOG_AGAIN_S || now < f->log_begin) {
		f->log_begin = now;
		f->log_lines = 0;
	}
	if (f->log_lines >= LOG_LINES_MAX)
		return false;
	f->log_lines++;
	failure->logged = now;
	return true;
}

/* WHY without what would break a line, or tell a terminal something; NULL for nothing, or without memory. */
static char *copy_why(const char *why)
{
	char *copy = *why ? strdup(why) : NULL;

	for (char *c = copy; c && *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	return copy;
}

void failures_add(struct failures *failures, uint64_t node, const char *path, const char *what, int error,
                  const char *why)
{
	char reason[FAILURES_REASON_MAX];
	struct timespec now = io_now(io_system());
	struct failure *failure;
	bool log;

	pthread_mutex_lock(&failures->lock);
	failure = failures_place(failures, node, what, error);
	if (!failure->path)
		failure->path = strdup(path);
	free(failure->why);
	failure->why = copy_why(why);
	failure->last = now;
	failure->count++;
	failure_reason(failure, reason);
	log = failures_may_log(failures, failure);
	pthread_mutex_unlock(&failures->lock);
	if (log)
		syslog(LOG_WARNING, "'%s': %s", path, reason);
}

int failures_find(struct failures *failures, uint64_t node, char reason[FAILURES_REASON_MAX])
{
	const struct failure *last = NULL;

	pthread_mutex_lock(&failures->lock);
	for (size_t i = 0; i < FAILURES_KEPT; i++) {
		const struct failure *f = &failures->ring[i];

		if (f->what && f->node == node &&
		    (!last || f->last.tv_sec > last->last.tv_sec ||
		     (f->last.tv_sec == last->last.tv_sec && f->last.tv_nsec >= last->last.tv_nsec)))
			last = f;
	}
	if (last)
		failure_reason(last, reason);
	pthread_mutex_unlock(&failures->lock);
	return last ? 0 : -ENOENT;
}

static int newest_first(const void *a, const void *b)
{
	const struct timespec *x = &(*(const struct failure *const *)a)->last;
	const struct timespec *y = &(*(const struct failure *const *)b)->last;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec > y->tv_sec ? -1 : 1;
	return x->tv_nsec > y->tv_nsec ? -1 : x->tv_nsec < y->tv_nsec;
}

/* PATH with what would break a line of text in octal. */
static void put_path(struct buffer *text, const char *path)
{
	char octal[8];

	for (; *path; path++) {
		if ((unsigned char)*path >= ' ' && *path != '\\' && *path != 0x7f) {
			buffer_put8(text, (uint8_t)*path);
			continue;
		}
		snprintf(octal, sizeof(octal), "\\%03o", (unsigned char)*path);
		buffer_append(text, octal, 4);
	}
}

static void put_failure(struct buffer *text, const struct failure *f)
{
	char reason[FAILURES_REASON_MAX], rest[FAILURES_REASON_MAX + 64], time[32];
	struct tm tm;

	gmtime_r(&f->last.tv_sec, &tm);
	buffer_append(text, time, strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%SZ ", &tm));
	put_path(text, f->path ? f->path : "?");
	failure_reason(f, reason);
	snprintf(rest, sizeof(rest), ": %s", reason);
	buffer_append(text, rest, strlen(rest));
	if (f->count > 1) {
		snprintf(rest, sizeof(rest), " (%llu times)", (unsigned long long)f->count);
		buffer_append(text, rest, strlen(rest));
	}
	buffer_put8(text, '\n');
}

void failures_format(struct failures *failures, struct buffer *text)
{
	const struct failure *order[FAILURES_KEPT] = {0};
	size_t count = 0;

	pthread_mutex_lock(&failures->lock);
	for (size_t i = 0; i < FAILURES_KEPT; i++)
		if (failures->ring[i].what)
			order[count++] = &failures->ring[i];
	qsort(order, count, sizeof(order[0]), newest_first);
	for (size_t i = 0; i < count; i++)
		put_failure(text, order[i]);
	pthread_mutex_unlock(&failures->lock);
}
