#include "cache/aside_inside.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local struct ticket *held;

void ticket_hold(struct ticket *ticket)
{
	held = ticket;
}

struct ticket *ticket_held(void)
{
	return held;
}

int aside_open(const struct aside_setup *setup, struct aside **aside)
{
	struct aside *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->setup = *setup;
	if (!a->setup.threads_max || a->setup.threads_max > ASIDE_THREADS_MAX)
		a->setup.threads_max = ASIDE_THREADS_MAX;
	a->soonest_ns = UINT64_MAX;
	a->queue.end = &a->queue.first;
	a->resting.end = &a->resting.first;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->work, NULL);
	*aside = a;
	return 0;
}

static void free_list(struct errand_list *list)
{
	while (list->first) {
		struct errand *errand = list->first;

		errand_unlist(errand);
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
	struct errand *errand = errand_find(aside, wanted);

	if (errand)
		return errand;
	errand = calloc(1, sizeof(*errand));
	if (!errand)
		return NULL;
	errand->aside = aside;
	errand->wanted = *wanted;
	errand_queue(errand);
	if (!aside_call_thread(aside)) {
		errand_unlist(errand);
		free(errand);
		return NULL;
	}
	errand_insert(errand);
	aside->pending++;
	return errand;
}

/* When a wait that begins now ends. */
static uint64_t end_of_wait(const struct aside *aside)
{
	const uint64_t now = io_monotonic_ns(aside->setup.io);

	return aside->setup.wait_ms > (UINT64_MAX - now) / 1000000 ? UINT64_MAX : now + aside->setup.wait_ms * 1000000;
}

/* With the lock held: what TICKET has of WANTED, begun where it has none; NULL without memory. */
static struct claim *find_or_claim(struct aside *aside, struct ticket *ticket, const struct wanted *wanted)
{
	struct claim *claim = ticket->claims;

	while (claim && (claim->aside != aside || !wanted_equal(&claim->wanted, wanted)))
		claim = claim->next_of_ticket;
	if (claim)
		return claim;
	claim = calloc(1, sizeof(*claim));
	if (!claim)
		return NULL;
	claim->errand = find_or_begin(aside, wanted);
	if (!claim->errand) {
		free(claim);
		return NULL;
	}
	claim->aside = aside;
	claim->wanted = *wanted;
	claim->end_ns = end_of_wait(aside);
	if (claim->end_ns < aside->soonest_ns)
		aside->soonest_ns = claim->end_ns;
	claim->ticket = ticket;
	claim->next_of_ticket = ticket->claims;
	ticket->claims = claim;
	claim->next_of_errand = claim->errand->claims;
	claim->errand->claims = claim;
	return claim;
}

/* With the lock held: how CLAIM stands.  0 where its errand has brought what was wanted. */
static int claim_state(const struct claim *claim)
{
	if (!claim)
		return -ENOMEM;
	if (!claim->errand)
		return claim->error;
	return claim->errand->state == ERRAND_DONE ? claim->errand->error : -EINPROGRESS;
}

int aside_read(struct aside *aside, const struct wanted *wanted, struct record *record)
{
	const struct record *brought;
	struct claim *claim;
	int error;

	assert(held);
	pthread_mutex_lock(&aside->lock);
	claim = find_or_claim(aside, held, wanted);
	error = claim_state(claim);
	/* What is done stays as it is while it is claimed. */
	brought = error ? NULL : &claim->errand->record;
	pthread_mutex_unlock(&aside->lock);
	if (error)
		return error;
	*record = *brought;
	record->data = malloc(record->len ? record->len : 1);
	if (!record->data)
		return -ENOMEM;
	if (record->len)
		memcpy(record->data, brought->data, record->len);
	return 0;
}

/* With the lock held: an errand that nobody waits for any more ends, unless it is being run. */
static void drop_claim(struct claim *claim)
{
	struct errand *errand = claim->errand;
	struct claim **at = errand ? &errand->claims : NULL;

	if (!errand) {
		free(claim);
		return;
	}
	while (*at != claim)
		at = &(*at)->next_of_errand;
	*at = claim->next_of_errand;
	free(claim);
	if (errand->claims || errand->state == ERRAND_RUNNING)
		return;
	if (errand->state != ERRAND_DONE) {
		errand_unlist(errand);
		errand->aside->pending--;
	}
	errand_free(errand);
}

void ticket_release(struct ticket *ticket)
{
	while (ticket->claims) {
		struct claim *claim = ticket->claims;
		struct aside *aside = claim->aside;

		ticket->claims = claim->next_of_ticket;
		pthread_mutex_lock(&aside->lock);
		drop_claim(claim);
		pthread_mutex_unlock(&aside->lock);
	}
}

/* Only the thread that holds a ticket changes its list, and what its errands want never changes. */
bool aside_asked(const struct wanted *wanted)
{
	const struct claim *claim = held ? held->claims : NULL;

	while (claim && !wanted_equal(&claim->wanted, wanted))
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
