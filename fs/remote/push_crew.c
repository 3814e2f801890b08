#include "fs/remote/push_crew.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define LOOK_AHEAD 256 /* tasks of which one that can be begun is looked for */

enum state { WAITS, BEGUN, DONE };

struct task {
	size_t place; /* in the order */
	enum state state;
};

struct run {
	const struct push_crew *crew;
	struct task *tasks;
	pthread_mutex_t lock; /* of all below, and the states of tasks */
	pthread_cond_t changed;
	size_t first; /* the first in the order that waits */
	int error;
};

struct worker {
	struct run *run;
	unsigned thread;
	pthread_t id;
};

static size_t number_at(const struct run *r, size_t place)
{
	return r->crew->order ? r->crew->order[place] : place;
}

/* With the lock held.  The first in the order always can, once what was begun is done: nobody waits for ever. */
static bool can_begin(const struct run *r, unsigned thread, size_t number)
{
	const struct push_crew *c = r->crew;
	const size_t *before = NULL;
	size_t count = c->before ? c->before(c->arg, number, &before) : 0;

	if (thread && c->is_callers && c->is_callers(c->arg, number))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct task *task = &r->tasks[before[i]];

		if (task->state != DONE && task->place < r->tasks[number].place)
			return false;
	}
	return true;
}

/* With the lock held.  Whether there is one; it is begun then. */
static bool begin_one(struct run *r, unsigned thread, size_t *number)
{
	const size_t count = r->crew->count;
	size_t looked_at = 0;

	while (r->first < count && r->tasks[number_at(r, r->first)].state != WAITS)
		r->first++;
	for (size_t place = r->first; place < count && looked_at < LOOK_AHEAD; place++) {
		*number = number_at(r, place);
		if (r->tasks[*number].state != WAITS)
			continue;
		looked_at++;
		if (can_begin(r, thread, *number)) {
			r->tasks[*number].state = BEGUN;
			return true;
		}
	}
	return false;
}

static void work(struct run *r, unsigned thread)
{
	const struct push_crew *c = r->crew;

	pthread_mutex_lock(&r->lock);
	while (!r->error && r->first < c->count) {
		size_t number;
		int error;

		if (!begin_one(r, thread, &number)) {
			if (r->first < c->count)
				pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		pthread_mutex_unlock(&r->lock);
		error = c->work(c->arg, thread, number);
		pthread_mutex_lock(&r->lock);
		r->tasks[number].state = DONE;
		if (error && !r->error)
			r->error = error;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void *run_worker(void *arg)
{
	struct worker *w = arg;

	work(w->run, w->thread);
	return NULL;
}

/* Signals belong to the caller's thread. */
static unsigned start(struct run *r, struct worker *workers, unsigned count)
{
	sigset_t all, old;
	unsigned started = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (started < count) {
		workers[started] = (struct worker){.run = r, .thread = started + 1};
		if (pthread_create(&workers[started].id, NULL, run_worker, &workers[started]))
			break;
		started++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return started;
}

int push_crew_run(const struct push_crew *crew)
{
	struct run run = {.crew = crew, .tasks = calloc(crew->count + 1, sizeof(*run.tasks))};
	unsigned others = crew->threads ? crew->threads - 1 : 0, started;
	struct worker workers[PUSH_CREW_MAX - 1];

	assert(others < PUSH_CREW_MAX);
	if (!run.tasks)
		return -ENOMEM;
	for (size_t place = 0; place < crew->count; place++)
		run.tasks[number_at(&run, place)].place = place;
	if (others >= crew->count)
		others = crew->count ? (unsigned)crew->count - 1 : 0;
	pthread_mutex_init(&run.lock, NULL);
	pthread_cond_init(&run.changed, NULL);
	started = start(&run, workers, others);
	work(&run, 0);
	for (unsigned i = 0; i < started; i++)
		pthread_join(workers[i].id, NULL);
	pthread_cond_destroy(&run.changed);
	pthread_mutex_destroy(&run.lock);
	free(run.tasks);
	return run.error;
}
