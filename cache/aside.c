#include "cache/aside.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

#define TABLE_SIZE 1024

enum errand_state {
	ERRAND_QUEUED,  /* a thread will take it */
	ERRAND_RUNNING, /* one has */
	ERRAND_RESTING, /* to be queued at due_ns */
	ERRAND_DONE,
};

/* One record that is brought.  In the table unless it failed; in one list while QUEUED or RESTING. */
struct errand {
	struct aside *aside;
	struct errand *next_in_table;
	struct errand *next, **link; /* in its list; LINK is what points to it */
	struct wanted wanted;
	enum errand_state state;
	bool in_table;
	uint64_t began_ns;
	uint64_t due_ns;
	struct claim *claims;
	/* Final once DONE. */
	int error;
	struct record record;
};

/* That a ticket waits for an errand, or has what it brought. */
struct claim {
	struct claim *next_of_ticket;
	struct claim *next_of_errand;
	struct ticket *ticket;
	struct errand *errand;
};

struct list {
	struct errand *first, **end;
};

struct aside {
	struct aside_setup setup;
	pthread_mutex_t lock; /* of all below, and of all errands and claims */
	pthread_cond_t work;
	struct list queue, resting;
	struct errand *table[TABLE_SIZE];
	unsigned queued;
	unsigned pending; /* errands that are not done */
	unsigned idle;    /* threads that wait for work */
	unsigned threads_count;
	pthread_t threads[ASIDE_THREADS_MAX];
	atomic_bool closing;
};

static _Thread_local struct ticket *held;

void ticket_hold(struct ticket *ticket)
{
	held = ticket;
}

struct ticket *ticket_held(void)
{
	return held;
}

/* --- lists and the table --- */

static void list_add(struct list *list, struct errand *errand)
{
	errand->next = NULL;
	errand->link = list->end;
	*list->end = errand;
	list->end = &errand->next;
}

static void list_remove(struct list *list, struct errand *errand)
{
	*errand->link = errand->next;
	if (errand->next)
		errand->next->link = errand->link;
	else
		list->end = errand->link;
}

static void queue_add(struct aside *aside, struct errand *errand)
{
	errand->state = ERRAND_QUEUED;
	list_add(&aside->queue, errand);
	aside->queued++;
}

static void queue_remove(struct aside *aside, struct errand *errand)
{
	list_remove(&aside->queue, errand);
	aside->queued--;
}

static struct errand **bucket_of(struct aside *aside, const struct wanted *wanted)
{
	uint32_t hash;

	memcpy(&hash, wanted->id.bytes, sizeof(hash));
	return &aside->table[(hash + wanted->kind) % TABLE_SIZE];
}

static bool same(const struct wanted *a, const struct wanted *b)
{
	return a->is_root == b->is_root && a->kind == b->kind && id_equal(&a->id, &b->id) &&
	       (a->is_root || (pack_id_equal(&a->at.pack, &b->at.pack) && a->at.offset == b->at.offset));
}

static struct errand *table_find(struct aside *aside, const struct wanted *wanted)
{
	struct errand *errand = *bucket_of(aside, wanted);

	while (errand && !same(&errand->wanted, wanted))
		errand = errand->next_in_table;
	return errand;
}

static void table_remove(struct errand *errand)
{
	struct errand **at = bucket_of(errand->aside, &errand->wanted);

	if (!errand->in_table)
		return;
	while (*at != errand)
		at = &(*at)->next_in_table;
	*at = errand->next_in_table;
	errand->in_table = false;
}

static void errand_free(struct errand *errand)
{
	table_remove(errand);
	free(errand->record.data);
	free(errand);
}

/* --- the threads --- */

/* ERRAND is over: who waits is told.  A failure is the answer of those alone who wait for it now. */
static void finish(struct errand *errand, int error)
{
	errand->state = ERRAND_DONE;
	errand->error = error;
	errand->aside->pending--;
	if (error)
		table_remove(errand);
	for (struct claim *claim = errand->claims; claim; claim = claim->next_of_errand)
		claim->ticket->ready(claim->ticket);
	if (!errand->claims)
		errand_free(errand);
}

/* Try once, with the lock held, which is let go of meanwhile. */
static void try_once(struct aside *aside, struct errand *errand)
{
	const uint64_t wait_ns =
	    aside->setup.wait_ms > UINT64_MAX / 2000000 ? UINT64_MAX / 2 : aside->setup.wait_ms * 1000000;
	uint64_t until_ns = 0, end_ns = errand->began_ns + wait_ns;
	int failure = 0, error;

	errand->state = ERRAND_RUNNING;
	pthread_mutex_unlock(&aside->lock);
	error = aside->setup.bring(aside->setup.arg, &errand->wanted, &errand->record, &failure, &until_ns);
	pthread_mutex_lock(&aside->lock);
	if (error != -EAGAIN) {
		finish(errand, error);
	} else if (!errand->claims || io_monotonic_ns(aside->setup.io) >= end_ns) {
		finish(errand, failure);
	} else {
		errand->state = ERRAND_RESTING;
		errand->due_ns = until_ns < end_ns ? until_ns : end_ns;
		list_add(&aside->resting, errand);
	}
}

/* Queue what has rested.  Returns when the next will have, or UINT64_MAX. */
static uint64_t wake_rested(struct aside *aside)
{
	const uint64_t now = io_monotonic_ns(aside->setup.io);
	uint64_t next_ns = UINT64_MAX;

	for (struct errand *errand = aside->resting.first, *next; errand; errand = next) {
		next = errand->next;
		if (errand->due_ns <= now) {
			list_remove(&aside->resting, errand);
			queue_add(aside, errand);
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

static bool is_closing(void *arg)
{
	struct aside *aside = arg;

	return atomic_load_explicit(&aside->closing, memory_order_relaxed);
}

static void *work(void *arg)
{
	struct aside *aside = arg;

	interrupt_watch(is_closing, aside);
	pthread_mutex_lock(&aside->lock);
	while (!is_closing(aside)) {
		uint64_t next_ns = wake_rested(aside);
		struct errand *errand = aside->queue.first;

		if (!errand) {
			wait_for_work(aside, next_ns);
			continue;
		}
		queue_remove(aside, errand);
		try_once(aside, errand);
	}
	pthread_mutex_unlock(&aside->lock);
	return NULL;
}

/* With the lock held: see to it that somebody takes what was queued.  False where there is nobody at all. */
static bool call_thread(struct aside *aside)
{
	if (aside->idle >= aside->queued) {
		pthread_cond_signal(&aside->work);
	} else if (aside->threads_count < ASIDE_THREADS_MAX &&
	           pthread_create(&aside->threads[aside->threads_count], NULL, work, aside) == 0) {
		aside->threads_count++;
	}
	return aside->threads_count > 0;
}

int aside_open(const struct aside_setup *setup, struct aside **aside)
{
	struct aside *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->setup = *setup;
	a->queue.end = &a->queue.first;
	a->resting.end = &a->resting.first;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	*aside = a;
	return 0;
}

static void free_list(struct list *list)
{
	while (list->first) {
		struct errand *errand = list->first;

		list_remove(list, errand);
		errand_free(errand);
	}
}

void aside_close(struct aside *aside)
{
	if (!aside)
		return;
	pthread_mutex_lock(&aside->lock);
	atomic_store(&aside->closing, true);
	pthread_cond_broadcast(&aside->work);
	pthread_mutex_unlock(&aside->lock);
	for (unsigned i = 0; i < aside->threads_count; i++)
		pthread_join(aside->threads[i], NULL);
	free_list(&aside->queue);
	free_list(&aside->resting);
	pthread_cond_destroy(&aside->work);
	pthread_mutex_destroy(&aside->lock);
	free(aside);
}

/* --- who asks --- */

/* With the lock held: the errand that brings WANTED, begun where there is none. */
static struct errand *find_or_begin(struct aside *aside, const struct wanted *wanted)
{
	struct errand *errand = table_find(aside, wanted), **bucket = bucket_of(aside, wanted);

	if (errand)
		return errand;
	errand = calloc(1, sizeof(*errand));
	if (!errand)
		return NULL;
	errand->aside = aside;
	errand->wanted = *wanted;
	errand->began_ns = io_monotonic_ns(aside->setup.io);
	queue_add(aside, errand);
	if (!call_thread(aside)) {
		queue_remove(aside, errand);
		free(errand);
		return NULL;
	}
	errand->next_in_table = *bucket;
	*bucket = errand;
	errand->in_table = true;
	aside->pending++;
	return errand;
}

/* With the lock held. */
static struct errand *claim_errand(struct aside *aside, struct ticket *ticket, const struct wanted *wanted)
{
	struct claim *claim;

	for (claim = ticket->claims; claim; claim = claim->next_of_ticket) {
		if (same(&claim->errand->wanted, wanted))
			return claim->errand;
	}
	claim = calloc(1, sizeof(*claim));
	if (!claim)
		return NULL;
	claim->errand = find_or_begin(aside, wanted);
	if (!claim->errand) {
		free(claim);
		return NULL;
	}
	claim->ticket = ticket;
	claim->next_of_ticket = ticket->claims;
	ticket->claims = claim;
	claim->next_of_errand = claim->errand->claims;
	claim->errand->claims = claim;
	return claim->errand;
}

int aside_read(struct aside *aside, const struct wanted *wanted, struct record *record)
{
	struct errand *errand;
	bool done;

	assert(held);
	pthread_mutex_lock(&aside->lock);
	errand = claim_errand(aside, held, wanted);
	done = errand && errand->state == ERRAND_DONE;
	pthread_mutex_unlock(&aside->lock);
	if (!errand)
		return -ENOMEM;
	if (!done)
		return -EINPROGRESS;
	if (errand->error)
		return errand->error;
	*record = errand->record;
	record->data = malloc(record->len ? record->len : 1);
	if (!record->data)
		return -ENOMEM;
	memcpy(record->data, errand->record.data, record->len);
	return 0;
}

/* With the lock held: an errand that nobody waits for any more ends, unless it is being run. */
static void drop_claim(struct claim *claim)
{
	struct errand *errand = claim->errand;
	struct claim **at = &errand->claims;

	while (*at != claim)
		at = &(*at)->next_of_errand;
	*at = claim->next_of_errand;
	free(claim);
	if (errand->claims || errand->state == ERRAND_RUNNING)
		return;
	if (errand->state != ERRAND_DONE) {
		if (errand->state == ERRAND_QUEUED)
			queue_remove(errand->aside, errand);
		else
			list_remove(&errand->aside->resting, errand);
		errand->aside->pending--;
	}
	errand_free(errand);
}

void ticket_release(struct ticket *ticket)
{
	struct aside *aside = ticket->claims ? ticket->claims->errand->aside : NULL;

	if (!aside)
		return;
	pthread_mutex_lock(&aside->lock);
	while (ticket->claims) {
		struct claim *claim = ticket->claims;

		ticket->claims = claim->next_of_ticket;
		drop_claim(claim);
	}
	pthread_mutex_unlock(&aside->lock);
}

/* Only the thread that holds a ticket changes its list, and what its errands want never changes. */
bool aside_asked(const struct wanted *wanted)
{
	const struct claim *claim = held ? held->claims : NULL;

	while (claim && !same(&claim->errand->wanted, wanted))
		claim = claim->next_of_ticket;
	return claim;
}

unsigned aside_pending(struct aside *aside)
{
	unsigned pending;

	pthread_mutex_lock(&aside->lock);
	pending = aside->pending;
	pthread_mutex_unlock(&aside->lock);
	return pending;
}
