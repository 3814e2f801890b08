#include "cache/memory.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

/*
 * One lock over a chained hash table.  A pin of a held value is one look-up and a list removal, well under a
 * microsecond, so that one lock serves many threads.  Loads wait on one of a few conditions, chosen by the hash: a
 * wake-up for another key's sake costs a look and no more.
 */

#define TABLE_SIZE_FIRST 1024
#define CONDITIONS 16

enum slot_state {
	SLOT_LOADING, /* one thread loads it; in the table */
	SLOT_READY,   /* holds its value; in the table */
	SLOT_FAILED,  /* out of the table; whoever waited for it reads the error, the last one frees it */
};

struct slot {
	struct slot *next;          /* in its bucket; of victims, the next victim */
	struct slot *newer, *older; /* in an order of use, only while READY and not pinned */
	uint64_t hash;
	struct id id;
	unsigned kind;
	enum slot_state state;
	bool spent;     /* by the last who had it pinned */
	unsigned users; /* pins, the loader, and those who wait for it */
	int error;      /* of a failed load */
	void *data;
	size_t len;
};

/* Two heads of the allocator, and what a slot takes of the table at most, too. */
static_assert(sizeof(struct slot) + 2 * 16 + 2 * sizeof(void *) <= MEMORY_VALUE_COST, "the cost of a value is counted");

/* Slots by when they were used last. */
struct order {
	struct slot *newest, *oldest;
	size_t bytes; /* the sum of their sizes */
};

/*
 * Invariants under the lock: a key has at most one slot in the table; a slot is in an order of use exactly when it is
 * READY and has no users, in that of the spent where it is spent; stats.bytes is the sum of the sizes of READY slots;
 * with nothing pinned it is at most the budget.
 */
struct memory {
	pthread_mutex_t lock;
	pthread_cond_t loaded[CONDITIONS];
	struct slot **table;
	size_t table_size; /* a power of two */
	size_t slots;
	size_t budget;
	struct order spent, other;
	struct memory_stats stats;
};

/* Ids are hashes already; the kind keeps a chunk and a page of one id apart. */
static uint64_t key_hash(unsigned kind, const struct id *id)
{
	uint64_t hash;

	memcpy(&hash, id->bytes, sizeof(hash));
	return (hash + kind) * 0x9e3779b97f4a7c15u;
}

/* What a value counts: where values are small, it is the rest that fills the memory. */
static size_t slot_size(const struct slot *slot)
{
	return slot->len + MEMORY_VALUE_COST;
}

static struct slot **bucket_of(const struct memory *m, uint64_t hash)
{
	return &m->table[(hash >> 32) & (m->table_size - 1)];
}

static pthread_cond_t *condition_of(struct memory *m, const struct slot *slot)
{
	return &m->loaded[slot->hash % CONDITIONS];
}

static struct slot *table_find(const struct memory *m, uint64_t hash, unsigned kind, const struct id *id)
{
	struct slot *slot;

	for (slot = *bucket_of(m, hash); slot; slot = slot->next) {
		if (slot->hash == hash && slot->kind == kind && !memcmp(&slot->id, id, sizeof(*id)))
			return slot;
	}
	return NULL;
}

/* A table that cannot grow gets slower, nothing else. */
static void table_grow(struct memory *m)
{
	size_t i, old_size = m->table_size;
	struct slot **old = m->table, **table;

	table = calloc(old_size * 2, sizeof(*table));
	if (!table)
		return;
	m->table = table;
	m->table_size = old_size * 2;
	for (i = 0; i < old_size; i++) {
		struct slot *slot = old[i];

		while (slot) {
			struct slot *next = slot->next, **bucket = bucket_of(m, slot->hash);

			slot->next = *bucket;
			*bucket = slot;
			slot = next;
		}
	}
	free(old);
}

static void table_insert(struct memory *m, struct slot *slot)
{
	struct slot **bucket;

	if (m->slots >= m->table_size && m->table_size < SIZE_MAX / 4 / sizeof(*m->table))
		table_grow(m);
	bucket = bucket_of(m, slot->hash);
	slot->next = *bucket;
	*bucket = slot;
	m->slots++;
}

static void table_remove(struct memory *m, struct slot *slot)
{
	struct slot **place = bucket_of(m, slot->hash);

	while (*place != slot)
		place = &(*place)->next;
	*place = slot->next;
	slot->next = NULL;
	m->slots--;
}

static struct order *order_of(struct memory *m, const struct slot *slot)
{
	return slot->spent ? &m->spent : &m->other;
}

static void order_remove(struct order *order, struct slot *slot)
{
	if (slot->newer)
		slot->newer->older = slot->older;
	else
		order->newest = slot->older;
	if (slot->older)
		slot->older->newer = slot->newer;
	else
		order->oldest = slot->newer;
	slot->newer = slot->older = NULL;
	order->bytes -= slot_size(slot);
}

static void order_add_newest(struct order *order, struct slot *slot)
{
	slot->older = order->newest;
	slot->newer = NULL;
	if (order->newest)
		order->newest->newer = slot;
	else
		order->oldest = slot;
	order->newest = slot;
	order->bytes += slot_size(slot);
}

/* What must go next, or NULL. */
static struct slot *next_victim(const struct memory *m)
{
	if (m->spent.bytes > MEMORY_SPENT_MAX)
		return m->spent.oldest;
	if (m->stats.bytes > m->budget)
		return m->spent.oldest ? m->spent.oldest : m->other.oldest;
	return NULL;
}

/* Take out what is too much; the victims are freed by the caller, without the lock. */
static struct slot *take_victims(struct memory *m)
{
	struct slot *slot, *victims = NULL;

	while ((slot = next_victim(m))) {
		order_remove(order_of(m, slot), slot);
		table_remove(m, slot);
		m->stats.bytes -= slot_size(slot);
		m->stats.evictions++;
		slot->next = victims;
		victims = slot;
	}
	return victims;
}

static void free_slots(struct slot *slot)
{
	while (slot) {
		struct slot *next = slot->next;

		free(slot->data);
		free(slot);
		slot = next;
	}
}

static void value_of(struct slot *slot, struct memory_value *value)
{
	value->data = slot->data;
	value->len = slot->len;
	value->slot = slot;
}

/* Under the lock, which is given up while waiting.  *DEAD is what the caller must free afterwards.  *AGAIN where
 * what the one who loaded met says nothing about the value. */
static int wait_for_load(struct memory *m, struct slot *slot, struct slot **dead, bool *again)
{
	int error = 0;

	m->stats.waits++;
	while (!error && slot->state == SLOT_LOADING)
		error = interrupt_wait(condition_of(m, slot), &m->lock);
	if (slot->state == SLOT_READY)
		return 0;
	if (slot->state == SLOT_FAILED) {
		*again = !error && is_unanswered(slot->error);
		error = slot->error;
	}
	if (--slot->users == 0)
		*dead = slot;
	return error;
}

/* Under the lock: pin SLOT, which is in the table. */
static int pin_slot(struct memory *m, struct slot *slot, struct slot **dead, bool *again)
{
	if (slot->state == SLOT_READY && slot->users == 0) {
		order_remove(order_of(m, slot), slot);
		slot->spent = false;
	}
	slot->users++;
	if (slot->state == SLOT_LOADING)
		return wait_for_load(m, slot, dead, again);
	return 0;
}

/* Called without the lock for a slot of state LOADING that belongs to this thread.  Returns what LOAD did. */
static int load_slot(struct memory *m, struct slot *slot, memory_load load, void *arg)
{
	struct slot *dead = NULL;
	void *data = NULL;
	size_t len = 0;
	int error;

	error = load(arg, slot->kind, &slot->id, &data, &len);
	assert(error || data);

	pthread_mutex_lock(&m->lock);
	if (error) {
		table_remove(m, slot);
		slot->state = SLOT_FAILED;
		slot->error = error;
		if (--slot->users == 0)
			dead = slot;
	} else {
		slot->state = SLOT_READY;
		slot->data = data;
		slot->len = len;
		m->stats.bytes += slot_size(slot);
		dead = take_victims(m);
	}
	pthread_cond_broadcast(condition_of(m, slot));
	pthread_mutex_unlock(&m->lock);
	free_slots(dead);
	return error;
}

int memory_open(size_t budget_bytes, struct memory **memory)
{
	struct memory *m;
	unsigned i;

	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->budget = budget_bytes;
	m->table_size = TABLE_SIZE_FIRST;
	m->table = calloc(m->table_size, sizeof(*m->table));
	if (!m->table) {
		free(m);
		return -ENOMEM;
	}
	pthread_mutex_init(&m->lock, NULL);
	for (i = 0; i < CONDITIONS; i++)
		pthread_cond_init(&m->loaded[i], NULL);
	*memory = m;
	return 0;
}

void memory_close(struct memory *memory)
{
	size_t i;

	if (!memory)
		return;
	for (i = 0; i < memory->table_size; i++) {
		struct slot *slot;

		for (slot = memory->table[i]; slot; slot = slot->next)
			assert(slot->users == 0);
		free_slots(memory->table[i]);
	}
	for (i = 0; i < CONDITIONS; i++)
		pthread_cond_destroy(&memory->loaded[i]);
	pthread_mutex_destroy(&memory->lock);
	free(memory->table);
	free(memory);
}

/* Under the lock: a new slot of state LOADING in the table, or NULL. */
static struct slot *begin_load(struct memory *m, uint64_t hash, unsigned kind, const struct id *id)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->hash = hash;
	slot->kind = kind;
	slot->id = *id;
	slot->state = SLOT_LOADING;
	slot->users = 1;
	table_insert(m, slot);
	m->stats.misses++;
	return slot;
}

static int pin_or_load(struct memory *memory, unsigned kind, const struct id *id, memory_load load, void *arg,
                       struct memory_value *value, bool *again)
{
	uint64_t hash = key_hash(kind, id);
	struct slot *slot, *dead = NULL;
	int error;

	pthread_mutex_lock(&memory->lock);
	slot = table_find(memory, hash, kind, id);
	if (slot) {
		memory->stats.hits++;
		error = pin_slot(memory, slot, &dead, again);
		pthread_mutex_unlock(&memory->lock);
		free_slots(dead);
	} else {
		slot = begin_load(memory, hash, kind, id);
		pthread_mutex_unlock(&memory->lock);
		error = slot ? load_slot(memory, slot, load, arg) : -ENOMEM;
	}
	if (!error)
		value_of(slot, value);
	return error;
}

int memory_pin(struct memory *memory, unsigned kind, const struct id *id, memory_load load, void *arg,
               struct memory_value *value)
{
	bool again;
	int error;

	do {
		again = false;
		error = pin_or_load(memory, kind, id, load, arg, value, &again);
	} while (again);
	return error;
}

int memory_pin_held(struct memory *memory, unsigned kind, const struct id *id, struct memory_value *value)
{
	struct slot *slot;
	int error = -ENOENT;

	pthread_mutex_lock(&memory->lock);
	slot = table_find(memory, key_hash(kind, id), kind, id);
	if (slot && slot->state == SLOT_READY) {
		memory->stats.hits++;
		error = pin_slot(memory, slot, NULL, NULL);
	}
	pthread_mutex_unlock(&memory->lock);
	if (!error)
		value_of(slot, value);
	return error;
}

static void unpin(struct memory *memory, struct memory_value *value, bool spent)
{
	struct slot *slot = value->slot, *victims = NULL;

	if (!value->data)
		return;
	value->data = NULL;
	value->slot = NULL;
	pthread_mutex_lock(&memory->lock);
	assert(slot->users > 0);
	if (--slot->users == 0) {
		slot->spent = spent;
		order_add_newest(order_of(memory, slot), slot);
		victims = take_victims(memory);
	}
	pthread_mutex_unlock(&memory->lock);
	free_slots(victims);
}

void memory_unpin(struct memory *memory, struct memory_value *value)
{
	unpin(memory, value, false);
}

void memory_unpin_spent(struct memory *memory, struct memory_value *value)
{
	unpin(memory, value, true);
}

void memory_stats(struct memory *memory, struct memory_stats *stats)
{
	pthread_mutex_lock(&memory->lock);
	*stats = memory->stats;
	pthread_mutex_unlock(&memory->lock);
}
