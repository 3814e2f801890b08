#include "cache/pipeline.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define WEIGHT_MAX ((size_t)256 << 20)

struct place {
	void *item;
	size_t weight;
	bool done;
};

/*
 * A ring of DEPTH places.  Three counters go round it: submitted (the next free place), taken (the next to be worked
 * on) and consumed (the next to come out); consumed <= taken <= submitted <= consumed + depth, all under the lock.
 */
struct pipeline {
	pthread_mutex_t lock;
	pthread_cond_t room; /* for the submitter */
	pthread_cond_t job;  /* for the workers */
	pthread_cond_t next; /* for the consumer */
	void (*work)(void *arg, void *item);
	void *arg;
	struct place *places;
	unsigned depth;
	uint64_t submitted, taken, consumed;
	size_t weight; /* of what is under way */
	bool ended, cancelled, closing;
	unsigned threads_count;
	pthread_t threads[];
};

static struct place *place_at(struct pipeline *p, uint64_t number)
{
	return &p->places[number % p->depth];
}

static void *run(void *arg)
{
	struct pipeline *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct place *place;
		uint64_t number;

		while (p->taken == p->submitted && !p->closing)
			pthread_cond_wait(&p->job, &p->lock);
		if (p->taken == p->submitted)
			break;
		number = p->taken++;
		place = place_at(p, number);
		pthread_mutex_unlock(&p->lock);
		/* Nobody else touches a place between being taken and being done. */
		p->work(p->arg, place->item);
		pthread_mutex_lock(&p->lock);
		place->done = true;
		if (number == p->consumed)
			pthread_cond_signal(&p->next);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals belong to the program's own threads.  Fewer threads than asked for are enough. */
static int start_threads(struct pipeline *p, unsigned threads)
{
	sigset_t all, old;
	int error = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->threads_count < threads && !error) {
		error = pthread_create(&p->threads[p->threads_count], NULL, run, p);
		if (!error)
			p->threads_count++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return p->threads_count ? 0 : -error;
}

int pipeline_open(unsigned threads, unsigned depth, void (*work)(void *arg, void *item), void *arg,
                  struct pipeline **pipeline)
{
	struct pipeline *p;
	int error;

	assert(threads > 0 && depth > 0);
	p = calloc(1, sizeof(*p) + threads * sizeof(p->threads[0]));
	if (!p)
		return -ENOMEM;
	p->places = calloc(depth, sizeof(*p->places));
	if (!p->places) {
		free(p);
		return -ENOMEM;
	}
	p->depth = depth;
	p->work = work;
	p->arg = arg;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->room, NULL);
	pthread_cond_init(&p->job, NULL);
	pthread_cond_init(&p->next, NULL);
	error = start_threads(p, threads);
	if (error) {
		pipeline_close(p);
		return error;
	}
	*pipeline = p;
	return 0;
}

/* One item is always let in, however heavy. */
static bool has_room(const struct pipeline *p, size_t weight)
{
	uint64_t under_way = p->submitted - p->consumed;

	if (under_way == 0)
		return true;
	return under_way < p->depth && p->weight < WEIGHT_MAX && weight <= WEIGHT_MAX - p->weight;
}

int pipeline_submit(struct pipeline *p, void *item, size_t weight)
{
	int error = -ECANCELED;

	pthread_mutex_lock(&p->lock);
	assert(item && !p->ended);
	while (!p->cancelled && !has_room(p, weight))
		pthread_cond_wait(&p->room, &p->lock);
	if (!p->cancelled) {
		*place_at(p, p->submitted) = (struct place){.item = item, .weight = weight};
		p->submitted++;
		p->weight += weight;
		pthread_cond_signal(&p->job);
		error = 0;
	}
	pthread_mutex_unlock(&p->lock);
	return error;
}

void pipeline_end(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_cond_signal(&p->next);
	pthread_mutex_unlock(&p->lock);
}

void *pipeline_next(struct pipeline *p)
{
	void *item = NULL;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct place *place = place_at(p, p->consumed);

		if (p->consumed < p->submitted && place->done) {
			item = place->item;
			p->weight -= place->weight;
			p->consumed++;
			pthread_cond_signal(&p->room);
			break;
		}
		/* After a cancellation nothing more can come in. */
		if (p->consumed == p->submitted && (p->ended || p->cancelled))
			break;
		pthread_cond_wait(&p->next, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return item;
}

void pipeline_cancel(struct pipeline *p)
{
	pthread_mutex_lock(&p->lock);
	p->cancelled = true;
	pthread_cond_signal(&p->room);
	pthread_cond_signal(&p->next);
	pthread_mutex_unlock(&p->lock);
}

void pipeline_close(struct pipeline *p)
{
	unsigned i;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	assert(p->consumed == p->submitted);
	p->closing = true;
	pthread_cond_broadcast(&p->job);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->threads_count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->next);
	pthread_cond_destroy(&p->job);
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
	free(p->places);
	free(p);
}
