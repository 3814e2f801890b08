/* Giving up a wait. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(thread_without_a_check_is_never_interrupted),
	    cmocka_unit_test(check_is_asked_each_time),
	    cmocka_unit_test(check_is_that_of_its_thread),
	    cmocka_unit_test(wait_ends_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
