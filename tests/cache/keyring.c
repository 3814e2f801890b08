/* The credentials that a remote is asked with at present. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cache/interrupt.h"
#include "cache/keyring.h"
#include "tests/support/fake_source.h"
#include "tests/support/fault.h"

#define THREADS 8

static struct fake_source source;
static struct fault fault;
static struct keyring *keyring;

static void pass(uint64_t seconds)
{
	atomic_fetch_add(&fault.clock_ns, seconds * UINT64_C(1000000000));
}

static int set_up(void **state)
{
	struct credentials_source setup = fake_source_of(&source);

	(void)state;
	fault_init(&fault, io_system());
	fake_source_init(&source, &fault.io);
	return keyring_open(&fault.io, FAKE_SOURCE_URL, &setup, &keyring);
}

static int tear_down(void **state)
{
	(void)state;
	interrupt_watch(NULL, NULL);
	keyring_close(keyring);
	return 0;
}

static unsigned looks(void)
{
	return atomic_load(&source.looks);
}

/* The answer is that of look number LOOK.  Returns its number. */
static uint64_t expect_look(unsigned look)
{
	struct credentials found = {0};
	uint64_t number = 0;
	char name[16];

	snprintf(name, sizeof(name), "%u", look);
	assert_int_equal(keyring_get(keyring, &found, &number), 0);
	assert_string_equal(found.user, name);
	assert_string_equal(found.secret, "word");
	assert_int_equal(looks(), look);
	credentials_release(&found);
	return number;
}

static uint64_t expect_error(int error)
{
	struct credentials found = {0};
	uint64_t number = 0;

	assert_int_equal(keyring_get(keyring, &found, &number), error);
	assert_null(found.user);
	return number;
}

static void what_was_found_is_kept(void **state)
{
	uint64_t number = expect_look(1);

	(void)state;
	pass(1000000);
	assert_true(expect_look(1) == number);
}

static void *get_one(void *arg)
{
	struct credentials found = {0};
	uint64_t number = 0;
	intptr_t *error = arg;

	*error = keyring_get(keyring, &found, &number);
	credentials_release(&found);
	return NULL;
}

/* What a look ends with, all who came meanwhile are told. */
static void share_one_look(int error)
{
	pthread_t threads[THREADS];
	intptr_t errors[THREADS];

	source.error = error;
	atomic_store(&source.stalls, true);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_one, &errors[i]), 0);
	while (!atomic_load(&source.in_use))
		io_sleep_ms(io_system(), 1);
	atomic_store(&source.stalls, false);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(errors[i], error);
	}
	assert_int_equal(looks(), 1);
}

static void many_waiters_share_one_look(void **state)
{
	(void)state;
	share_one_look(0);
}

static void many_waiters_share_one_failure(void **state)
{
	(void)state;
	share_one_look(-ETIMEDOUT);
}

static bool is_set(void *arg)
{
	return atomic_load((atomic_bool *)arg);
}

static void waiter_can_give_up_and_the_look_goes_on(void **state)
{
	atomic_bool flag = true;
	intptr_t error = -1;
	pthread_t thread;

	(void)state;
	atomic_store(&source.stalls, true);
	assert_int_equal(pthread_create(&thread, NULL, get_one, &error), 0);
	while (!atomic_load(&source.in_use))
		io_sleep_ms(io_system(), 1);
	interrupt_watch(is_set, &flag);
	expect_error(-EINTR);
	interrupt_watch(NULL, NULL);
	atomic_store(&source.stalls, false);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(error, 0);
	expect_look(1);
}

static void interrupted_look_is_no_answer(void **state)
{
	atomic_bool flag = true;

	(void)state;
	atomic_store(&source.stalls, true);
	interrupt_watch(is_set, &flag);
	expect_error(-EINTR);
	interrupt_watch(NULL, NULL);
	atomic_store(&source.stalls, false);
	expect_look(2);
}

static void refused_ones_are_replaced_at_once(void **state)
{
	uint64_t number = expect_look(1);

	(void)state;
	assert_string_equal(source.refused, "");
	assert_true(keyring_refused(keyring, number));
	expect_look(2);
	assert_string_equal(source.refused, "1");
	/* Somebody who had asked with the old ones meanwhile. */
	assert_true(keyring_refused(keyring, number));
	expect_look(2);
}

static void refused_twice_is_the_end_for_a_while(void **state)
{
	uint64_t number;

	(void)state;
	assert_true(keyring_refused(keyring, expect_look(1)));
	number = expect_look(2);
	assert_false(keyring_refused(keyring, number));
	assert_false(keyring_refused(keyring, number));
	expect_error(-EKEYREJECTED);
	assert_int_equal(looks(), 2);
	pass(KEYRING_PAUSE_S);
	number = expect_look(3);
	assert_string_equal(source.refused, "2");
	assert_false(keyring_refused(keyring, number));
	expect_error(-EKEYREJECTED);
}

static void success_lets_refusals_begin_anew(void **state)
{
	uint64_t number;

	(void)state;
	assert_true(keyring_refused(keyring, expect_look(1)));
	number = expect_look(2);
	keyring_taken(keyring, number);
	assert_true(keyring_refused(keyring, number));
	expect_look(3);
}

static void many_refusals_of_the_same_are_one(void **state)
{
	uint64_t number = expect_look(1);

	(void)state;
	for (size_t i = 0; i < THREADS; i++)
		assert_true(keyring_refused(keyring, number));
	expect_look(2);
}

static void source_is_told_once_of_success(void **state)
{
	uint64_t first, second;

	(void)state;
	first = expect_look(1);
	keyring_refused(keyring, first);
	keyring_taken(keyring, first);
	assert_int_equal(atomic_load(&source.taken), 0);
	second = expect_look(2);
	keyring_taken(keyring, first);
	assert_int_equal(atomic_load(&source.taken), 0);
	keyring_taken(keyring, second);
	keyring_taken(keyring, second);
	assert_int_equal(atomic_load(&source.taken), 1);
	assert_string_equal(source.user, "2");
}

static void old_ones_are_renewed_before_they_expire(void **state)
{
	(void)state;
	source.lifetime = KEYRING_EARLY_S + 100;
	expect_look(1);
	pass(98);
	expect_look(1);
	pass(10);
	expect_look(2);
	assert_string_equal(source.refused, "");
}

static void source_of_short_lived_ones_is_asked_after_a_pause_only(void **state)
{
	(void)state;
	source.lifetime = KEYRING_EARLY_S / 2;
	expect_look(1);
	expect_look(1);
	pass(KEYRING_PAUSE_S);
	expect_look(2);
	/* By a clock that is wrong they are over: the server shall say so. */
	source.lifetime = -1000;
	pass(KEYRING_PAUSE_S);
	expect_look(3);
	expect_look(3);
}

static void failed_renewal_leaves_what_is_good_still(void **state)
{
	static const int errors[] = {-ETIMEDOUT, -ENOENT};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		source.error = 0;
		source.lifetime = KEYRING_EARLY_S + 100;
		pass(KEYRING_PAUSE_S + KEYRING_EARLY_S + 100);
		expect_look(looks() + 1);
		source.error = errors[i];
		pass(200);
		for (unsigned n = 0; n < 2; n++) {
			struct credentials found;
			uint64_t number;

			assert_int_equal(keyring_get(keyring, &found, &number), 0);
			credentials_release(&found);
			assert_int_equal(looks(), 2 * i + 2);
		}
		source.error = 0;
	}
}

static void expired_ones_are_not_given_where_renewal_fails(void **state)
{
	(void)state;
	source.lifetime = KEYRING_EARLY_S + 100;
	expect_look(1);
	pass(KEYRING_EARLY_S + 101);
	source.error = -ETIMEDOUT;
	expect_error(-ETIMEDOUT);
	assert_int_equal(looks(), 2);
	pass(KEYRING_PAUSE_S);
	source.error = -ENOENT;
	expect_error(-ENOENT);
	assert_int_equal(looks(), 3);
}

static void failure_is_kept_for_a_pause(void **state)
{
	(void)state;
	source.error = -EPROTO;
	expect_error(-EPROTO);
	source.error = 0;
	expect_error(-EPROTO);
	assert_int_equal(looks(), 1);
	pass(KEYRING_PAUSE_S);
	expect_look(2);
}

static void lack_of_memory_is_kept_for_no_time(void **state)
{
	(void)state;
	source.error = -ENOMEM;
	expect_error(-ENOMEM);
	source.error = 0;
	expect_look(2);
}

static void none_are_none_until_that_is_refused(void **state)
{
	uint64_t number;

	(void)state;
	source.error = -ENOENT;
	number = expect_error(-ENOENT);
	assert_true(number > 0);
	pass(1000000);
	expect_error(-ENOENT);
	assert_int_equal(looks(), 1);
	assert_false(keyring_refused(keyring, number));
	source.error = 0;
	expect_look(2);
	assert_string_equal(source.refused, "");
}

static void none_that_were_refused_are_looked_for_after_a_pause(void **state)
{
	(void)state;
	source.error = -ENOENT;
	assert_false(keyring_refused(keyring, expect_error(-ENOENT)));
	source.error = 0;
	expect_error(-ENOENT);
	assert_int_equal(looks(), 1);
	pass(KEYRING_PAUSE_S);
	expect_look(2);
}

static void no_source_has_none(void **state)
{
	const struct credentials_source none = {0};
	struct credentials found = {0};
	uint64_t number = 0;
	struct keyring *other;

	(void)state;
	assert_int_equal(keyring_open(&fault.io, FAKE_SOURCE_URL, &none, &other), 0);
	assert_int_equal(keyring_get(other, &found, &number), -ENOENT);
	assert_false(keyring_refused(other, number));
	keyring_taken(other, number);
	keyring_close(other);
	keyring_close(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_was_found_is_kept),
	    TEST(many_waiters_share_one_look),
	    TEST(many_waiters_share_one_failure),
	    TEST(waiter_can_give_up_and_the_look_goes_on),
	    TEST(interrupted_look_is_no_answer),
	    TEST(refused_ones_are_replaced_at_once),
	    TEST(refused_twice_is_the_end_for_a_while),
	    TEST(success_lets_refusals_begin_anew),
	    TEST(many_refusals_of_the_same_are_one),
	    TEST(source_is_told_once_of_success),
	    TEST(old_ones_are_renewed_before_they_expire),
	    TEST(source_of_short_lived_ones_is_asked_after_a_pause_only),
	    TEST(failed_renewal_leaves_what_is_good_still),
	    TEST(expired_ones_are_not_given_where_renewal_fails),
	    TEST(failure_is_kept_for_a_pause),
	    TEST(lack_of_memory_is_kept_for_no_time),
	    TEST(none_are_none_until_that_is_refused),
	    TEST(none_that_were_refused_are_looked_for_after_a_pause),
	    TEST(no_source_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
