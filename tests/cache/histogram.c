/* How long things took, by buckets. */
#include "cache/histogram.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define LAST (HISTOGRAM_BUCKETS - 1)
#define THREADS 4
#define ROUNDS 5000

static void bounds_rise_and_their_texts_are_theirs(void **state)
{
	(void)state;
	assert_int_equal(histogram_bound_ns(0), 10000);
	assert_true(histogram_bound_ns(LAST - 1) == UINT64_C(100000000000));
	assert_true(histogram_bound_ns(LAST) == UINT64_MAX);
	assert_string_equal(histogram_bound_text(LAST), "+Inf");
	for (size_t i = 0; i < LAST; i++) {
		double seconds = strtod(histogram_bound_text(i), NULL);

		assert_true(histogram_bound_ns(i) < histogram_bound_ns(i + 1));
		assert_true((uint64_t)(seconds * 1e9 + 0.5) == histogram_bound_ns(i));
		if (i < LAST - 1) {
			assert_true(histogram_bound_ns(i + 1) >= 2 * histogram_bound_ns(i));
			assert_true(histogram_bound_ns(i + 1) <= 4 * histogram_bound_ns(i));
		}
	}
}

static void a_value_counts_from_its_bound_on(void **state)
{
	struct histogram_counts counts;

	(void)state;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		struct histogram at = {0}, above = {0};
		uint64_t ns = i < LAST ? histogram_bound_ns(i) : UINT64_C(200000000000);

		histogram_add(&at, ns);
		histogram_read(&at, &counts);
		assert_true(counts.sum_ns == ns);
		for (size_t j = 0; j < HISTOGRAM_BUCKETS; j++)
			assert_int_equal(counts.upto[j], j >= i);
		if (i == LAST)
			continue;
		histogram_add(&above, ns + 1);
		histogram_read(&above, &counts);
		for (size_t j = 0; j < HISTOGRAM_BUCKETS; j++)
			assert_int_equal(counts.upto[j], j > i);
	}
}

static void quantiles_lie_in_their_bucket(void **state)
{
	struct histogram h = {0};
	struct histogram_counts counts;

	(void)state;
	histogram_read(&h, &counts);
	assert_true(histogram_quantile_ns(&counts, 0.5) == 0);
	for (int i = 0; i < 90; i++)
		histogram_add(&h, 20000);
	for (int i = 0; i < 10; i++)
		histogram_add(&h, 5000000);
	histogram_read(&h, &counts);
	assert_true(histogram_quantile_ns(&counts, 0.5) > 10000 && histogram_quantile_ns(&counts, 0.5) <= 40000);
	assert_true(histogram_quantile_ns(&counts, 0.9) == 40000);
	assert_true(histogram_quantile_ns(&counts, 0.99) > 2500000 && histogram_quantile_ns(&counts, 0.99) < 10000000);
	assert_true(histogram_quantile_ns(&counts, 1) == 10000000);
	for (int i = 0; i < 1000; i++)
		histogram_add(&h, UINT64_C(300000000000));
	histogram_read(&h, &counts);
	assert_true(histogram_quantile_ns(&counts, 0.99) == 100e9);
}

static void *add_many(void *arg)
{
	for (uint64_t i = 0; i < ROUNDS; i++)
		histogram_add(arg, i * 1000);
	return NULL;
}

static void no_thread_is_lost(void **state)
{
	struct histogram h = {0};
	struct histogram_counts counts, last = {0};
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, &h), 0);
	do {
		histogram_read(&h, &counts);
		for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
			assert_true(counts.upto[i] >= last.upto[i]);
			assert_true(!i || counts.upto[i] >= counts.upto[i - 1]);
		}
		last = counts;
	} while (counts.upto[LAST] < THREADS * ROUNDS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	histogram_read(&h, &counts);
	assert_int_equal(counts.upto[LAST], THREADS * ROUNDS);
	assert_int_equal(counts.upto[0], THREADS * 11);
	assert_true(counts.sum_ns == (uint64_t)THREADS * ROUNDS * (ROUNDS - 1) / 2 * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(bounds_rise_and_their_texts_are_theirs),
	    cmocka_unit_test(a_value_counts_from_its_bound_on),
	    cmocka_unit_test(quantiles_lie_in_their_bucket),
	    cmocka_unit_test(no_thread_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
