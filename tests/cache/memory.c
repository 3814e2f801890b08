/* Expanded records in memory: loaded once, bounded, pinned. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cache/interrupt.h"
#include "cache/memory.h"

#define VALUE_SIZE 1000
#define COST (VALUE_SIZE + MEMORY_VALUE_COST) /* of keeping one */

static struct id id_number(unsigned n)
{
	struct id id;

	memset(&id, 0, sizeof(id));
	memcpy(id.bytes, &n, sizeof(n));
	return id;
}

static unsigned number_of(const struct id *id)
{
	unsigned n;

	memcpy(&n, id->bytes, sizeof(n));
	return n;
}

struct loader {
	atomic_uint calls;
	atomic_bool open; /* the load returns when this is set */
	int error;
};

static int load(void *arg, unsigned kind, const struct id *id, void **data, size_t *len)
{
	struct loader *loader = arg;
	uint8_t *value;

	atomic_fetch_add(&loader->calls, 1);
	while (!atomic_load(&loader->open))
		sched_yield();
	if (loader->error)
		return loader->error;
	value = malloc(VALUE_SIZE);
	if (!value)
		return -ENOMEM;
	memset(value, (int)(number_of(id) + kind), VALUE_SIZE);
	*data = value;
	*len = VALUE_SIZE;
	return 0;
}

static void pin_and_give_back(struct memory *memory, struct loader *loader, unsigned n)
{
	struct id id = id_number(n);
	struct memory_value value;

	assert_int_equal(memory_pin(memory, 0, &id, load, loader, &value), 0);
	memory_unpin(memory, &value);
	assert_null(value.data);
}

static int held(struct memory *memory, unsigned n)
{
	struct id id = id_number(n);
	struct memory_value value;
	int error = memory_pin_held(memory, 0, &id, &value);

	if (!error)
		memory_unpin(memory, &value);
	return error;
}

static void second_pin_loads_nothing(void **state)
{
	struct loader loader = {.open = true};
	struct memory_stats stats;
	struct memory_value a, b;
	struct id id = id_number(7);
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(10 * COST, &memory), 0);
	assert_int_equal(memory_pin(memory, 1, &id, load, &loader, &a), 0);
	assert_int_equal(memory_pin(memory, 1, &id, load, &loader, &b), 0);
	assert_ptr_equal(a.data, b.data);
	assert_int_equal(a.len, VALUE_SIZE);
	assert_int_equal(*(const uint8_t *)a.data, 8);
	assert_int_equal(loader.calls, 1);
	memory_unpin(memory, &a);
	assert_int_equal(*(const uint8_t *)b.data, 8);
	memory_unpin(memory, &b);
	memory_unpin(memory, &b);
	memory_stats(memory, &stats);
	assert_int_equal(stats.hits, 1);
	assert_int_equal(stats.misses, 1);
	assert_int_equal(stats.bytes, COST);
	memory_close(memory);
}

static void kinds_never_meet(void **state)
{
	struct loader loader = {.open = true};
	struct memory_value a, b;
	struct id id = id_number(3);
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(10 * COST, &memory), 0);
	assert_int_equal(memory_pin(memory, 1, &id, load, &loader, &a), 0);
	assert_int_equal(memory_pin_held(memory, 2, &id, &b), -ENOENT);
	assert_int_equal(memory_pin(memory, 2, &id, load, &loader, &b), 0);
	assert_int_equal(*(const uint8_t *)a.data, 4);
	assert_int_equal(*(const uint8_t *)b.data, 5);
	memory_unpin(memory, &a);
	memory_unpin(memory, &b);
	memory_close(memory);
}

static void least_recently_used_is_dropped_first(void **state)
{
	struct loader loader = {.open = true};
	struct memory_stats stats;
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(3 * COST, &memory), 0);
	pin_and_give_back(memory, &loader, 1);
	pin_and_give_back(memory, &loader, 2);
	pin_and_give_back(memory, &loader, 3);
	pin_and_give_back(memory, &loader, 1);
	pin_and_give_back(memory, &loader, 4);
	assert_int_equal(held(memory, 2), -ENOENT);
	assert_int_equal(held(memory, 1), 0);
	assert_int_equal(held(memory, 3), 0);
	assert_int_equal(held(memory, 4), 0);
	memory_stats(memory, &stats);
	assert_int_equal(stats.evictions, 1);
	assert_int_equal(stats.bytes, 3 * COST);
	assert_int_equal(loader.calls, 4);
	memory_close(memory);
}

static void pinned_values_may_exceed_the_budget(void **state)
{
	struct loader loader = {.open = true};
	struct memory_value values[5];
	struct memory_stats stats;
	struct memory *memory;
	unsigned i;

	(void)state;
	assert_int_equal(memory_open(2 * COST, &memory), 0);
	for (i = 0; i < 5; i++) {
		struct id id = id_number(i);

		assert_int_equal(memory_pin(memory, 0, &id, load, &loader, &values[i]), 0);
	}
	memory_stats(memory, &stats);
	assert_int_equal(stats.bytes, 5 * COST);
	for (i = 0; i < 5; i++) {
		assert_int_equal(*(const uint8_t *)values[i].data, i);
		memory_unpin(memory, &values[i]);
	}
	memory_stats(memory, &stats);
	assert_int_equal(stats.bytes, 2 * COST);
	assert_int_equal(stats.evictions, 3);
	assert_int_equal(held(memory, 3), 0);
	assert_int_equal(held(memory, 4), 0);
	memory_close(memory);
}

static int load_little(void *arg, unsigned kind, const struct id *id, void **data, size_t *len)
{
	(void)arg;
	(void)kind;
	(void)id;
	*data = malloc(1);
	*len = 1;
	return *data ? 0 : -ENOMEM;
}

static void small_values_do_not_fill_the_memory(void **state)
{
	struct memory_value value;
	struct memory_stats stats;
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(1000 * MEMORY_VALUE_COST, &memory), 0);
	for (unsigned i = 0; i < 2000; i++) {
		struct id id = id_number(i);

		assert_int_equal(memory_pin(memory, 0, &id, load_little, NULL, &value), 0);
		memory_unpin(memory, &value);
	}
	memory_stats(memory, &stats);
	assert_true(stats.evictions > 1000);
	memory_close(memory);
}

static void value_above_the_budget_is_served_and_not_kept(void **state)
{
	struct loader loader = {.open = true};
	struct memory_value value;
	struct id id = id_number(9);
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(VALUE_SIZE / 2, &memory), 0);
	assert_int_equal(memory_pin(memory, 0, &id, load, &loader, &value), 0);
	assert_int_equal(*(const uint8_t *)value.data, 9);
	memory_unpin(memory, &value);
	assert_int_equal(held(memory, 9), -ENOENT);
	memory_close(memory);
}

static void pin_and_spend(struct memory *memory, struct loader *loader, unsigned n)
{
	struct id id = id_number(n);
	struct memory_value value;

	assert_int_equal(memory_pin(memory, 0, &id, load, loader, &value), 0);
	memory_unpin_spent(memory, &value);
	assert_null(value.data);
}

static void what_is_spent_is_dropped_before_anything_else(void **state)
{
	struct loader loader = {.open = true};
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(3 * COST, &memory), 0);
	pin_and_give_back(memory, &loader, 1);
	pin_and_give_back(memory, &loader, 2);
	pin_and_spend(memory, &loader, 3);
	pin_and_give_back(memory, &loader, 4);
	assert_int_equal(held(memory, 3), -ENOENT);
	assert_int_equal(held(memory, 1), 0);
	assert_int_equal(held(memory, 2), 0);
	assert_int_equal(held(memory, 4), 0);
	memory_close(memory);
}

static void little_of_what_is_spent_is_kept_whatever_the_budget(void **state)
{
	const unsigned kept = MEMORY_SPENT_MAX / COST;
	struct loader loader = {.open = true};
	struct memory_stats stats;
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(10 * MEMORY_SPENT_MAX, &memory), 0);
	pin_and_give_back(memory, &loader, 1);
	for (unsigned i = 0; i < kept + 10; i++)
		pin_and_spend(memory, &loader, 100 + i);
	memory_stats(memory, &stats);
	assert_int_equal(stats.bytes, (kept + 1) * COST);
	assert_int_equal(held(memory, 1), 0);
	assert_int_equal(held(memory, 109), -ENOENT);
	assert_int_equal(held(memory, 110), 0);
	/* That one is not spent any more. */
	for (unsigned i = 0; i < kept + 10; i++)
		pin_and_spend(memory, &loader, 100000 + i);
	assert_int_equal(held(memory, 110), 0);
	memory_close(memory);
}

static void spent_by_one_is_kept_for_another(void **state)
{
	struct loader loader = {.open = true};
	struct id id = id_number(1);
	struct memory_value one, another;
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(10 * COST, &memory), 0);
	assert_int_equal(memory_pin(memory, 0, &id, load, &loader, &one), 0);
	assert_int_equal(memory_pin(memory, 0, &id, load, &loader, &another), 0);
	memory_unpin_spent(memory, &one);
	assert_int_equal(*(const uint8_t *)another.data, 1);
	memory_unpin(memory, &another);
	for (unsigned i = 0; i < 9; i++)
		pin_and_spend(memory, &loader, 100 + i);
	pin_and_give_back(memory, &loader, 2);
	assert_int_equal(held(memory, 1), 0);
	memory_close(memory);
}

static void failure_is_not_kept(void **state)
{
	struct loader loader = {.open = true, .error = -EBADMSG};
	struct memory_value value = {0};
	struct id id = id_number(1);
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(10 * COST, &memory), 0);
	assert_int_equal(memory_pin(memory, 0, &id, load, &loader, &value), -EBADMSG);
	assert_null(value.data);
	assert_int_equal(memory_pin_held(memory, 0, &id, &value), -ENOENT);
	loader.error = 0;
	assert_int_equal(memory_pin(memory, 0, &id, load, &loader, &value), 0);
	assert_int_equal(loader.calls, 2);
	memory_unpin(memory, &value);
	memory_close(memory);
}

#define WAITERS 6

struct waiter {
	struct memory *memory;
	struct loader *loader;
	int result;
	unsigned first_byte;
};

static void *pin_one(void *arg)
{
	struct waiter *waiter = arg;
	struct id id = id_number(5);
	struct memory_value value;

	waiter->result = memory_pin(waiter->memory, 0, &id, load, waiter->loader, &value);
	if (!waiter->result) {
		waiter->first_byte = *(const uint8_t *)value.data;
		memory_unpin(waiter->memory, &value);
	}
	return NULL;
}

/* All threads ask for one key; the load ends only when all others are seen waiting for it. */
static void run_waiters(struct memory *memory, struct loader *loader, struct waiter waiters[WAITERS])
{
	pthread_t threads[WAITERS];
	struct memory_stats stats;
	time_t deadline = time(NULL) + 20;
	unsigned i;

	for (i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){.memory = memory, .loader = loader, .result = 1};
		assert_int_equal(pthread_create(&threads[i], NULL, pin_one, &waiters[i]), 0);
	}
	do {
		sched_yield();
		memory_stats(memory, &stats);
	} while (stats.waits < WAITERS - 1 && time(NULL) < deadline);
	atomic_store(&loader->open, true);
	for (i = 0; i < WAITERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(stats.waits, WAITERS - 1);
}

static atomic_bool give_up;

static bool is_given_up(void *arg)
{
	(void)arg;
	return atomic_load(&give_up);
}

static void *pin_one_while_wanted(void *arg)
{
	interrupt_watch(is_given_up, NULL);
	return pin_one(arg);
}

/* A thread that pins, and is at it: it loads, or waits for who loads. */
static pthread_t start_pin(struct waiter *waiter, void *(*pin)(void *arg))
{
	struct memory_stats before, now;
	pthread_t thread;

	memory_stats(waiter->memory, &before);
	assert_int_equal(pthread_create(&thread, NULL, pin, waiter), 0);
	do {
		sched_yield();
		memory_stats(waiter->memory, &now);
	} while (now.waits + now.misses == before.waits + before.misses);
	return thread;
}

static void waiting_ends_when_nobody_wants_it(void **state)
{
	struct loader loader = {0};
	struct waiter first = {.loader = &loader}, second = {.loader = &loader};
	pthread_t first_thread, second_thread;
	struct memory *memory;

	(void)state;
	assert_int_equal(memory_open(10 * COST, &memory), 0);
	first.memory = second.memory = memory;
	atomic_store(&give_up, false);
	first_thread = start_pin(&first, pin_one);
	second_thread = start_pin(&second, pin_one_while_wanted);
	atomic_store(&give_up, true);
	assert_int_equal(pthread_join(second_thread, NULL), 0);
	assert_int_equal(second.result, -EINTR);
	atomic_store(&loader.open, true);
	assert_int_equal(pthread_join(first_thread, NULL), 0);
	assert_int_equal(first.result, 0);
	assert_int_equal(loader.calls, 1);
	memory_close(memory);
}

/* Whoever waits for a load that ends with ERROR, which says nothing about the value, loads it. */
static void check_other_loads_after(int error)
{
	struct loader stopped = {.error = error}, good = {.open = true};
	struct waiter first = {.loader = &stopped}, second = {.loader = &good};
	pthread_t first_thread, second_thread;
	struct memory *memory;

	assert_int_equal(memory_open(10 * COST, &memory), 0);
	first.memory = second.memory = memory;
	first_thread = start_pin(&first, pin_one);
	second_thread = start_pin(&second, pin_one);
	atomic_store(&stopped.open, true);
	assert_int_equal(pthread_join(first_thread, NULL), 0);
	assert_int_equal(pthread_join(second_thread, NULL), 0);
	assert_int_equal(first.result, error);
	assert_int_equal(second.result, 0);
	assert_int_equal(second.first_byte, 5);
	assert_int_equal(good.calls, 1);
	memory_close(memory);
}

static void interrupted_load_ends_no_other_wait(void **state)
{
	(void)state;
	check_other_loads_after(-EINTR);
	check_other_loads_after(-EINPROGRESS);
	check_other_loads_after(-ENOMEM);
}

static void many_ask_and_one_loads(void **state)
{
	struct loader loader = {0};
	struct waiter waiters[WAITERS];
	struct memory *memory;
	unsigned i;

	(void)state;
	assert_int_equal(memory_open(10 * COST, &memory), 0);
	run_waiters(memory, &loader, waiters);
	assert_int_equal(loader.calls, 1);
	for (i = 0; i < WAITERS; i++) {
		assert_int_equal(waiters[i].result, 0);
		assert_int_equal(waiters[i].first_byte, 5);
	}
	memory_close(memory);
}

static void failure_reaches_all_who_wait(void **state)
{
	struct loader loader = {.error = -EIO};
	struct waiter waiters[WAITERS];
	struct memory *memory;
	unsigned i;

	(void)state;
	assert_int_equal(memory_open(10 * COST, &memory), 0);
	run_waiters(memory, &loader, waiters);
	assert_int_equal(loader.calls, 1);
	for (i = 0; i < WAITERS; i++)
		assert_int_equal(waiters[i].result, -EIO);
	assert_int_equal(held(memory, 5), -ENOENT);
	memory_close(memory);
}

static void value_being_loaded_is_not_held(void **state)
{
	struct loader loader = {0};
	struct waiter waiter;
	struct memory *memory;
	pthread_t thread;

	(void)state;
	assert_int_equal(memory_open(10 * COST, &memory), 0);
	waiter = (struct waiter){.memory = memory, .loader = &loader, .result = 1};
	assert_int_equal(pthread_create(&thread, NULL, pin_one, &waiter), 0);
	while (!atomic_load(&loader.calls))
		sched_yield();
	assert_int_equal(held(memory, 5), -ENOENT);
	atomic_store(&loader.open, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(waiter.result, 0);
	assert_int_equal(held(memory, 5), 0);
	memory_close(memory);
}

struct worker {
	struct memory *memory;
	struct loader *loader;
	unsigned seed;
	unsigned wrong;
};

static void *pin_at_random(void *arg)
{
	struct worker *worker = arg;
	unsigned i;

	for (i = 0; i < 20000; i++) {
		unsigned n = (unsigned)rand_r(&worker->seed) % 3000;
		struct id id = id_number(n);
		struct memory_value value;

		if (memory_pin(worker->memory, 0, &id, load, worker->loader, &value)) {
			worker->wrong++;
			continue;
		}
		if (((const uint8_t *)value.data)[VALUE_SIZE - 1] != (uint8_t)n)
			worker->wrong++;
		memory_unpin(worker->memory, &value);
	}
	return NULL;
}

/* More keys than the first table has places, fewer places in the budget than keys. */
static void threads_share_a_small_budget(void **state)
{
	struct loader loader = {.open = true};
	struct memory_stats stats;
	struct memory *memory;
	struct worker workers[4];
	pthread_t threads[4];
	unsigned i;

	(void)state;
	assert_int_equal(memory_open(2000 * COST, &memory), 0);
	for (i = 0; i < 4; i++) {
		workers[i] = (struct worker){.memory = memory, .loader = &loader, .seed = i + 1};
		assert_int_equal(pthread_create(&threads[i], NULL, pin_at_random, &workers[i]), 0);
	}
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(workers[i].wrong, 0);
	}
	memory_stats(memory, &stats);
	assert_int_equal(stats.hits + stats.misses, 4 * 20000);
	assert_int_equal(stats.misses, loader.calls);
	assert_int_equal(stats.bytes, 2000 * COST);
	assert_int_equal(stats.evictions, stats.misses - 2000);
	memory_close(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(second_pin_loads_nothing),
	    cmocka_unit_test(kinds_never_meet),
	    cmocka_unit_test(least_recently_used_is_dropped_first),
	    cmocka_unit_test(pinned_values_may_exceed_the_budget),
	    cmocka_unit_test(small_values_do_not_fill_the_memory),
	    cmocka_unit_test(value_above_the_budget_is_served_and_not_kept),
	    cmocka_unit_test(what_is_spent_is_dropped_before_anything_else),
	    cmocka_unit_test(little_of_what_is_spent_is_kept_whatever_the_budget),
	    cmocka_unit_test(spent_by_one_is_kept_for_another),
	    cmocka_unit_test(failure_is_not_kept),
	    cmocka_unit_test(waiting_ends_when_nobody_wants_it),
	    cmocka_unit_test(interrupted_load_ends_no_other_wait),
	    cmocka_unit_test(many_ask_and_one_loads),
	    cmocka_unit_test(failure_reaches_all_who_wait),
	    cmocka_unit_test(value_being_loaded_is_not_held),
	    cmocka_unit_test(threads_share_a_small_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
