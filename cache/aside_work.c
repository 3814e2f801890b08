#include "cache/aside_inside.h"

#include <errno.h>

#include "cache/interrupt.h"

bool aside_is_closing(const struct aside *aside)
{
	return atomic_load_explicit(&aside->closing, memory_order_relaxed);
}

/* Whether to give up the try that this thread makes. */
static bool is_unwanted(void *arg)
{
	struct errand *errand = arg;
	struct aside *aside = errand->aside;
	bool unwanted;

	if (!aside->setup.stops || aside_is_closing(aside))
		return aside_is_closing(aside);
	pthread_mutex_lock(&aside->lock);
	aside_end_queued_waits(aside);
	errand_end_waits(errand);
	unwanted = !errand->claims;
	pthread_mutex_unlock(&aside->lock);
	return unwanted;
}

/* Try once, with the lock held, which is let go of meanwhile. */
static void try_once(struct aside *aside, struct errand *errand)
{
	uint64_t until_ns = 0, end_ns;
	int failure = 0, error;

	errand->state = ERRAND_RUNNING;
	pthread_mutex_unlock(&aside->lock);
	interrupt_watch(is_unwanted, errand);
	error = aside->setup.bring(aside->setup.arg, &errand->wanted, &errand->record, &failure, &until_ns);
	interrupt_watch(NULL, NULL);
	pthread_mutex_lock(&aside->lock);
	if (error == -EINTR && errand->claims && !aside_is_closing(aside)) {
		/* Given up for want of anybody who waits; somebody came meanwhile. */
		aside->soonest_ns = 0;
		errand_queue(errand);
		return;
	}
	if (error != -EAGAIN) {
		errand_finish(errand, error);
		return;
	}
	errand->failure = failure;
	end_ns = errand_end_waits(errand);
	if (!errand->claims) {
		errand_finish(errand, errand_failure(errand));
		return;
	}
	errand->due_ns = until_ns < end_ns ? until_ns : end_ns;
	if (end_ns < aside->soonest_ns)
		aside->soonest_ns = end_ns;
	errand_rest(&aside->resting, errand);
}

/* Queue what has rested.  Returns when the next will have, or UINT64_MAX. */
static uint64_t wake_rested(struct aside *aside)
{
	const uint64_t now = io_monotonic_ns(aside->setup.io);
	uint64_t next_ns = UINT64_MAX;

	for (struct errand *errand = aside->resting.first, *next; errand; errand = next) {
		next = errand->next;
		if (errand->due_ns <= now) {
			errand_unlist(errand);
			errand_queue(errand);
		} else if (errand->due_ns < next_ns) {
			next_ns = errand->due_ns;
		}
	}
	/* This thread takes one. */
	if (aside->queued > 1 && aside->idle)
		pthread_cond_broadcast(&aside->work);
	return next_ns;
}

static void wait_for_work(struct aside *aside, uint64_t until_ns)
{
	const uint64_t now = io_monotonic_ns(aside->setup.io);
	struct timespec until;

	aside->idle++;
	if (until_ns == UINT64_MAX) {
		pthread_cond_wait(&aside->work, &aside->lock);
	} else if (until_ns > now) {
		until = io_deadline(aside->setup.io, until_ns - now);
		pthread_cond_clockwait(&aside->work, &aside->lock, CLOCK_MONOTONIC, &until);
	}
	aside->idle--;
}

static void *work(void *arg)
{
	struct aside *aside = arg;

	pthread_mutex_lock(&aside->lock);
	while (!aside_is_closing(aside)) {
		uint64_t next_ns = wake_rested(aside);
		struct errand *errand = aside->queue.first;

		if (!errand) {
			wait_for_work(aside, next_ns);
			continue;
		}
		errand_unlist(errand);
		try_once(aside, errand);
	}
	pthread_mutex_unlock(&aside->lock);
	return NULL;
}

bool aside_call_thread(struct aside *aside)
{
	if (aside->idle >= aside->queued) {
		pthread_cond_signal(&aside->work);
	} else if (aside->threads_count < aside->setup.threads_max &&
	           pthread_create(&aside->threads[aside->threads_count], NULL, work, aside) == 0) {
		aside->threads_count++;
	}
	return aside->threads_count > 0;
}
