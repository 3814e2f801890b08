/* Several threads with tasks that follow one another: order, whose task is whose, and the first error. */
#include "fs/remote/push_crew.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TASKS 600
#define NONE SIZE_MAX

/* Cmocka's assertions hold on its own thread alone: what is wrong is counted. */
static struct {
	size_t before[TASKS][2]; /* what each follows */
	size_t before_count[TASKS];
	bool callers[TASKS];
	atomic_bool done[TASKS];
	atomic_uint ran, wrong;
	size_t fails; /* the number whose work fails; NONE */
	pthread_t caller;
	pthread_mutex_t lock;
	pthread_cond_t met;
	unsigned at_work, meet; /* so many have to be at work at once before any goes on */
} plan;

static size_t before(void *arg, size_t number, const size_t **list)
{
	(void)arg;
	*list = plan.before[number];
	return plan.before_count[number];
}

static bool is_callers(void *arg, size_t number)
{
	(void)arg;
	return plan.callers[number];
}

static void meet(void)
{
	pthread_mutex_lock(&plan.lock);
	plan.at_work++;
	pthread_cond_broadcast(&plan.met);
	while (plan.at_work < plan.meet)
		pthread_cond_wait(&plan.met, &plan.lock);
	pthread_mutex_unlock(&plan.lock);
}

static int work(void *arg, unsigned thread, size_t number)
{
	bool on_caller = pthread_equal(pthread_self(), plan.caller);

	(void)arg;
	meet();
	if ((thread == 0) != on_caller || (plan.callers[number] && !on_caller))
		plan.wrong++;
	for (size_t i = 0; i < plan.before_count[number]; i++) {
		if (!plan.done[plan.before[number][i]])
			plan.wrong++;
	}
	if (atomic_exchange(&plan.done[number], true))
		plan.wrong++;
	plan.ran++;
	return number == plan.fails ? -EIO : 0;
}

static int set_up(void **state)
{
	(void)state;
	memset(&plan, 0, sizeof(plan));
	plan.fails = NONE;
	plan.caller = pthread_self();
	pthread_mutex_init(&plan.lock, NULL);
	pthread_cond_init(&plan.met, NULL);
	return 0;
}

static int run(unsigned threads, size_t count, const size_t *order)
{
	const struct push_crew crew = {
	    .threads = threads,
	    .count = count,
	    .order = order,
	    .before = before,
	    .is_callers = is_callers,
	    .work = work,
	};

	return push_crew_run(&crew);
}

static void follow(size_t number, size_t other)
{
	plan.before[number][plan.before_count[number]++] = other;
}

/* --- */

static void every_task_is_done_once(void **state)
{
	(void)state;
	for (unsigned threads = 0; threads <= PUSH_CREW_MAX; threads++) {
		set_up(NULL);
		assert_int_equal(run(threads, TASKS, NULL), 0);
		assert_int_equal(plan.ran, TASKS);
		assert_int_equal(plan.wrong, 0);
	}
	assert_int_equal(run(4, 0, NULL), 0);
}

static void several_are_at_work_at_once(void **state)
{
	(void)state;
	plan.meet = 3;
	assert_int_equal(run(3, 3, NULL), 0);
	assert_int_equal(plan.ran, 3);
}

/* Each follows the one before it and one far before that, in an order of its own. */
static void what_comes_before_is_done_before(void **state)
{
	size_t order[TASKS];

	(void)state;
	for (size_t i = 0; i < TASKS; i++)
		order[i] = i * 7 % TASKS; /* 7 and 600 have no factor in common */
	for (size_t i = 0; i < TASKS; i++) {
		if (i % 5)
			follow(order[i], order[i - 1]);
		if (i >= 300)
			follow(order[i], order[i - 300]);
	}
	assert_int_equal(run(4, TASKS, order), 0);
	assert_int_equal(plan.ran, TASKS);
	assert_int_equal(plan.wrong, 0);
}

static void the_callers_tasks_stay_with_the_caller(void **state)
{
	(void)state;
	for (size_t i = 0; i < TASKS; i++) {
		plan.callers[i] = i % 3 == 0;
		if (i % 3 == 1)
			follow(i, i - 1);
	}
	assert_int_equal(run(4, TASKS, NULL), 0);
	assert_int_equal(plan.ran, TASKS);
	assert_int_equal(plan.wrong, 0);
}

static void a_ring_is_cut(void **state)
{
	(void)state;
	follow(0, 2);
	follow(1, 0);
	follow(2, 1);
	assert_int_equal(run(3, 3, NULL), 0);
	assert_int_equal(plan.ran, 3);
	assert_int_equal(plan.wrong, 1); /* the first did not wait */
}

static void the_first_error_ends_it(void **state)
{
	(void)state;
	plan.fails = 10;
	for (size_t i = 1; i < TASKS; i++)
		follow(i, i - 1);
	assert_int_equal(run(4, TASKS, NULL), -EIO);
	assert_int_equal(plan.ran, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(every_task_is_done_once, set_up),
	    cmocka_unit_test_setup(several_are_at_work_at_once, set_up),
	    cmocka_unit_test_setup(what_comes_before_is_done_before, set_up),
	    cmocka_unit_test_setup(the_callers_tasks_stay_with_the_caller, set_up),
	    cmocka_unit_test_setup(a_ring_is_cut, set_up),
	    cmocka_unit_test_setup(the_first_error_ends_it, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
