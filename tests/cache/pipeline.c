/* Ordered work on many cores. */
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

#include "cache/pipeline.h"

#define ITEMS 5000

struct item {
	unsigned number;
	unsigned result;
};

struct job {
	struct pipeline *pipeline;
	struct item items[ITEMS];
	unsigned count;
	size_t weight;
	atomic_uint submitted;
	atomic_uint worked;
	atomic_bool open; /* work waits for it */
	int result;       /* of the submitter's last call */
};

static void work(void *arg, void *item_arg)
{
	struct job *job = arg;
	struct item *item = item_arg;
	unsigned i, x = item->number;

	while (!atomic_load(&job->open))
		sched_yield();
	/* Some items take longer than others, so that they are done out of order. */
	for (i = 0; i < item->number % 7 * 100; i++)
		x = x * 1664525u + 1013904223u;
	item->result = item->number * 2 + (x & 0);
	atomic_fetch_add(&job->worked, 1);
}

static void *submit_all(void *arg)
{
	struct job *job = arg;
	unsigned i;

	for (i = 0; i < job->count; i++) {
		job->items[i].number = i;
		job->result = pipeline_submit(job->pipeline, &job->items[i], job->weight);
		if (job->result)
			break;
		atomic_fetch_add(&job->submitted, 1);
	}
	pipeline_end(job->pipeline);
	return NULL;
}

static struct job *job_start(unsigned threads, unsigned depth, unsigned count, size_t weight, pthread_t *submitter)
{
	struct job *job = calloc(1, sizeof(*job));

	assert_non_null(job);
	job->count = count;
	job->weight = weight;
	assert_int_equal(pipeline_open(threads, depth, work, job, &job->pipeline), 0);
	assert_int_equal(pthread_create(submitter, NULL, submit_all, job), 0);
	return job;
}

/* Wait until COUNTER is VALUE, then make sure that it stays there a while of scheduling. */
static void wait_until(atomic_uint *counter, unsigned value)
{
	time_t deadline = time(NULL) + 20;
	unsigned i;

	while (atomic_load(counter) < value && time(NULL) < deadline)
		sched_yield();
	for (i = 0; i < 200; i++)
		sched_yield();
	assert_int_equal(atomic_load(counter), value);
}

static void drain(struct job *job, pthread_t submitter, unsigned expected)
{
	struct item *item;
	unsigned n = 0;

	while ((item = pipeline_next(job->pipeline))) {
		assert_int_equal(item->number, n);
		assert_int_equal(item->result, n * 2);
		n++;
	}
	assert_int_equal(n, expected);
	assert_int_equal(pthread_join(submitter, NULL), 0);
	assert_null(pipeline_next(job->pipeline));
	pipeline_close(job->pipeline);
	free(job);
}

static void items_come_out_in_order(void **state)
{
	pthread_t submitter;
	struct job *job = job_start(4, 16, ITEMS, 1000, &submitter);

	(void)state;
	job->open = true;
	drain(job, submitter, ITEMS);
}

static void one_thread_and_one_place_are_enough(void **state)
{
	pthread_t submitter;
	struct job *job = job_start(1, 1, 500, 0, &submitter);

	(void)state;
	job->open = true;
	drain(job, submitter, 500);
}

static void submitter_waits_at_the_depth(void **state)
{
	pthread_t submitter;
	struct job *job = job_start(2, 8, 100, 0, &submitter);

	(void)state;
	job->open = true;
	wait_until(&job->worked, 8);
	wait_until(&job->submitted, 8);
	drain(job, submitter, 100);
}

static void submitter_waits_at_the_weight(void **state)
{
	pthread_t submitter;
	struct job *job = job_start(2, 64, 20, (size_t)100 << 20, &submitter);

	(void)state;
	job->open = true;
	wait_until(&job->submitted, 2);
	drain(job, submitter, 20);
}

static void item_heavier_than_the_limit_goes_alone(void **state)
{
	pthread_t submitter;
	struct job *job = job_start(2, 64, 5, (size_t)1 << 40, &submitter);

	(void)state;
	job->open = true;
	wait_until(&job->submitted, 1);
	drain(job, submitter, 5);
}

static void cancel_frees_the_submitter_and_keeps_its_items(void **state)
{
	pthread_t submitter;
	struct job *job = job_start(2, 8, 100, 0, &submitter);
	struct item *item;
	unsigned n = 0;

	(void)state;
	wait_until(&job->submitted, 8);
	pipeline_cancel(job->pipeline);
	assert_int_equal(pthread_join(submitter, NULL), 0);
	assert_int_equal(job->result, -ECANCELED);
	job->open = true;
	while ((item = pipeline_next(job->pipeline)))
		assert_int_equal(item->result, 2 * n++);
	assert_int_equal(n, 8);
	pipeline_close(job->pipeline);
	free(job);
}

static void nothing_submitted_ends_at_once(void **state)
{
	pthread_t submitter;
	struct job *job = job_start(3, 4, 0, 0, &submitter);

	(void)state;
	drain(job, submitter, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(items_come_out_in_order),
	    cmocka_unit_test(one_thread_and_one_place_are_enough),
	    cmocka_unit_test(submitter_waits_at_the_depth),
	    cmocka_unit_test(submitter_waits_at_the_weight),
	    cmocka_unit_test(item_heavier_than_the_limit_goes_alone),
	    cmocka_unit_test(cancel_frees_the_submitter_and_keeps_its_items),
	    cmocka_unit_test(nothing_submitted_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
