/* Giving up a wait. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "cache/interrupt.h"

static bool is_set(void *arg)
{
	return atomic_load((atomic_bool *)arg);
}

static void thread_without_a_check_is_never_interrupted(void **state)
{
	(void)state;
	assert_false(interrupt_watched());
	assert_false(interrupt_pending());
}

static void check_is_asked_each_time(void **state)
{
	atomic_bool flag = false;

	(void)state;
	interrupt_watch(is_set, &flag);
	assert_true(interrupt_watched());
	assert_false(interrupt_pending());
	atomic_store(&flag, true);
	assert_true(interrupt_pending());
	interrupt_watch(NULL, NULL);
	assert_false(interrupt_watched());
	assert_false(interrupt_pending());
}

static void *ask(void *arg)
{
	*(bool *)arg = interrupt_watched();
	return NULL;
}

static void check_is_that_of_its_thread(void **state)
{
	atomic_bool flag = true;
	bool watched = true;
	pthread_t thread;

	(void)state;
	interrupt_watch(is_set, &flag);
	assert_int_equal(pthread_create(&thread, NULL, ask, &watched), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	interrupt_watch(NULL, NULL);
	assert_false(watched);
}

/* Nobody wakes the waiter. */
static void wait_ends_by_itself(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
	atomic_bool flag = false;

	(void)state;
	interrupt_watch(is_set, &flag);
	pthread_mutex_lock(&lock);
	assert_int_equal(interrupt_wait(&condition, &lock), 0);
	atomic_store(&flag, true);
	assert_int_equal(interrupt_wait(&condition, &lock), -EINTR);
	assert_int_equal(pthread_mutex_trylock(&lock), EBUSY);
	pthread_mutex_unlock(&lock);
	interrupt_watch(NULL, NULL);
}

static void limit_ends_a_wait(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
	uint64_t before = interrupt_limit(1);

	(void)state;
	assert_true(before == 0);
	assert_true(interrupt_watched());
	pthread_mutex_lock(&lock);
	while (!interrupt_wait(&condition, &lock))
		;
	pthread_mutex_unlock(&lock);
	assert_true(interrupt_pending());
	assert_true(interrupt_unlimit(before));
	assert_false(interrupt_watched());
	assert_false(interrupt_pending());
}

static void nearer_limit_counts(void **state)
{
	uint64_t none = interrupt_limit(0), outer;

	(void)state;
	outer = interrupt_limit(3600 * 1000);
	assert_true(interrupt_pending());
	assert_true(interrupt_unlimit(outer));
	assert_true(interrupt_unlimit(none));
	none = interrupt_limit(3600 * 1000);
	outer = interrupt_limit(0);
	assert_true(interrupt_pending());
	assert_true(interrupt_unlimit(outer));
	assert_false(interrupt_pending());
	assert_false(interrupt_unlimit(none));
}

/* The limit does not take the check's place. */
static void limit_leaves_the_check(void **state)
{
	atomic_bool flag = true;
	uint64_t before;

	(void)state;
	interrupt_watch(is_set, &flag);
	before = interrupt_limit(3600 * 1000);
	assert_true(interrupt_pending());
	assert_false(interrupt_unlimit(before));
	interrupt_watch(NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(thread_without_a_check_is_never_interrupted),
	    cmocka_unit_test(check_is_asked_each_time),
	    cmocka_unit_test(check_is_that_of_its_thread),
	    cmocka_unit_test(wait_ends_by_itself),
	    cmocka_unit_test(limit_ends_a_wait),
	    cmocka_unit_test(nearer_limit_counts),
	    cmocka_unit_test(limit_leaves_the_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
