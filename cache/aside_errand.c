#include "cache/aside_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void list_add(struct errand_list *list, struct errand *errand)
{
	errand->next = NULL;
	errand->link = list->end;
	*list->end = errand;
	list->end = &errand->next;
}

static void list_remove(struct errand_list *list, struct errand *errand)
{
	*errand->link = errand->next;
	if (errand->next)
		errand->next->link = errand->link;
	else
		list->end = errand->link;
}

void errand_rest(struct errand_list *list, struct errand *errand)
{
	errand->state = ERRAND_RESTING;
	list_add(list, errand);
}

void errand_queue(struct errand *errand)
{
	errand->state = ERRAND_QUEUED;
	list_add(&errand->aside->queue, errand);
	errand->aside->queued++;
}

void errand_unlist(struct errand *errand)
{
	struct aside *aside = errand->aside;

	list_remove(errand->state == ERRAND_QUEUED ? &aside->queue : &aside->resting, errand);
	aside->queued -= errand->state == ERRAND_QUEUED;
}

static struct errand **bucket_of(struct aside *aside, const struct wanted *wanted)
{
	uint32_t hash;

	memcpy(&hash, wanted->id.bytes, sizeof(hash));
	return &aside->table[(hash + wanted->kind) % TABLE_SIZE];
}

bool wanted_equal(const struct wanted *a, const struct wanted *b)
{
	return a->is_root == b->is_root && a->kind == b->kind && id_equal(&a->id, &b->id) &&
	       (a->is_root || (pack_id_equal(&a->at.pack, &b->at.pack) && a->at.offset == b->at.offset));
}

struct errand *errand_find(struct aside *aside, const struct wanted *wanted)
{
	struct errand *errand = *bucket_of(aside, wanted);

	while (errand && !wanted_equal(&errand->wanted, wanted))
		errand = errand->next_in_table;
	return errand;
}

void errand_insert(struct errand *errand)
{
	struct errand **bucket = bucket_of(errand->aside, &errand->wanted);

	errand->next_in_table = *bucket;
	*bucket = errand;
	errand->in_table = true;
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

void errand_free(struct errand *errand)
{
	table_remove(errand);
	free(errand->record.data);
	free(errand);
}

void errand_finish(struct errand *errand, int error)
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

int errand_failure(const struct errand *errand)
{
	return errand->failure ? errand->failure : -ETIMEDOUT;
}

uint64_t errand_end_waits(struct errand *errand)
{
	const uint64_t now = io_monotonic_ns(errand->aside->setup.io);
	struct claim **at = &errand->claims, *claim;
	uint64_t next_ns = UINT64_MAX;

	while ((claim = *at)) {
		if (claim->end_ns <= now) {
			*at = claim->next_of_errand;
			claim->errand = NULL;
			claim->error = errand_failure(errand);
			claim->ticket->ready(claim->ticket);
			continue;
		}
		if (claim->end_ns < next_ns)
			next_ns = claim->end_ns;
		at = &claim->next_of_errand;
	}
	return next_ns;
}

static void end_waits_of(struct aside *aside, const struct errand_list *list)
{
	uint64_t next_ns;

	for (struct errand *errand = list->first, *next; errand; errand = next) {
		next = errand->next;
		next_ns = errand_end_waits(errand);
		if (next_ns < aside->soonest_ns)
			aside->soonest_ns = next_ns;
		if (errand->claims)
			continue;
		errand_unlist(errand);
		errand_finish(errand, errand_failure(errand));
	}
}

/* Where all threads are busy nobody else sees to that. */
void aside_end_queued_waits(struct aside *aside)
{
	if (io_monotonic_ns(aside->setup.io) < aside->soonest_ns)
		return;
	aside->soonest_ns = UINT64_MAX;
	end_waits_of(aside, &aside->queue);
	end_waits_of(aside, &aside->resting);
}
