/* Windows: forward reading needs few requests, anything else is read exactly, and every byte is the right one. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/interrupt.h"
#include "cache/windows.h"
#include "tests/support/damage.h"
#include "tests/support/fake_remote.h"
#include "tests/support/scratch.h"

#define LEN (((size_t)5 << 20) + 777)
#define PIECE ((size_t)5000)

static const struct pack_id pack = {.bytes = {1, 2, 3}};
static uint8_t *content;
static struct remote *remote;
static struct cached *cached; /* NULL: without */
static struct windows *windows;

static void open_windows(void)
{
	windows_close(windows);
	assert_int_equal(windows_open(remote, cached, &windows), 0);
}

static int set_up(void **state)
{
	(void)state;
	fake_remote_clear();
	content = malloc(LEN);
	damage_noise(7, content, LEN);
	fake_remote_put("a", "p", content, LEN);
	assert_int_equal(remote_open_kind(&(struct remote_setup){.io = io_system(), .name = "a", .url = "a"},
	                                  &remote_kind_fake, &remote),
	                 0);
	open_windows();
	return 0;
}

static int set_up_cached(void **state)
{
	char *path;

	*state = (void *)(uintptr_t)scratch_open_in_memory();
	path = scratch_path("cache");
	assert_int_equal(
	    cached_open(&(struct cached_setup){.io = io_system(), .path = path, .limit_bytes = UINT64_MAX}, &cached),
	    0);
	free(path);
	return set_up(state);
}

static int tear_down(void **state)
{
	(void)state;
	windows_close(windows);
	windows = NULL;
	remote_close(remote);
	fake_remote_clear();
	free(content);
	return 0;
}

static int tear_down_cached(void **state)
{
	tear_down(state);
	cached_close(cached);
	cached = NULL;
	scratch_close();
	return 0;
}

/* Read LEN bytes at OFFSET, which must be right; what was kept is asked for once more where it is not. */
static int read_piece(uint64_t offset, size_t len)
{
	uint8_t *data = malloc(len);
	bool kept = false;
	int error = windows_read(windows, &pack, "p", offset, data, len, &kept);

	if (!error && kept && memcmp(data, content + offset, len) != 0) {
		windows_forget(windows, &pack, offset, len);
		error = windows_read(windows, &pack, "p", offset, data, len, NULL);
	}
	if (!error)
		assert_memory_equal(data, content + offset, len);
	free(data);
	return error;
}

static void forward_reading_needs_few_requests(void **state)
{
	(void)state;
	for (uint64_t at = 0; at + PIECE <= LEN; at += PIECE)
		assert_int_equal(read_piece(at, PIECE), 0);
	/* 256 KiB, 1 MiB, 4 MiB, and what comes in between where threads are late. */
	assert_in_range(fake_remote_requests("a"), 3, 7);
}

static void gaps_and_small_steps_back_are_forward_still(void **state)
{
	(void)state;
	for (uint64_t at = 0; at + 3 * PIECE <= LEN; at += 4 * PIECE) {
		assert_int_equal(read_piece(at + PIECE, PIECE), 0);
		assert_int_equal(read_piece(at, PIECE), 0);
	}
	assert_in_range(fake_remote_requests("a"), 3, 12);
}

static void reading_in_no_order_is_exact(void **state)
{
	struct remote_counts counts;
	uint64_t wanted = 0;

	(void)state;
	/* Steps of more than a gap, from elsewhere than the beginning. */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(read_piece(PIECE + (uint64_t)((i * 2 + 1) % 3) * (LEN / 3), PIECE), 0);
		wanted += PIECE;
	}
	remote_counts(remote, &counts);
	assert_int_equal(counts.received_bytes, wanted);
}

static void the_end_of_the_file_is_the_end(void **state)
{
	const struct pack_id other = {.bytes = {7}};

	(void)state;
	for (uint64_t at = LEN - 200000; at + PIECE <= LEN; at += PIECE)
		assert_int_equal(read_piece(at, PIECE), 0);
	assert_int_equal(windows_read(windows, &pack, "p", LEN - 10, content, 11, NULL), -EBADMSG);
	assert_int_equal(windows_read(windows, &pack, "p", LEN + 5, content, 1, NULL), -EBADMSG);
	assert_int_equal(windows_read(windows, &other, "none", 3 * LEN, content, 1, NULL), -ENOENT);
}

static void failures_are_told_and_forgotten(void **state)
{
	(void)state;
	fake_remote_plan("a", &(struct fake_plan){.error = -ECONNRESET, .failures = 1});
	assert_int_equal(read_piece(PIECE, PIECE), -ECONNRESET);
	assert_int_equal(read_piece(PIECE, PIECE), 0);
	assert_int_equal(read_piece(2 * PIECE, PIECE), 0);
}

/* A window that came wrong is asked for again once it is forgotten. */
static void what_was_wrong_can_be_forgotten(void **state)
{
	uint8_t last;

	(void)state;
	fake_remote_plan("a", &(struct fake_plan){.flips = true});
	assert_int_equal(read_piece(0, PIECE), 0); /* the wrong byte is the window's last */
	fake_remote_plan("a", &(struct fake_plan){0});
	assert_int_equal(windows_read(windows, &pack, "p", WINDOW_FIRST - 1, &last, 1, NULL), 0);
	assert_int_not_equal(last, content[WINDOW_FIRST - 1]);
	windows_forget(windows, &pack, WINDOW_FIRST - 1, 1);
	assert_int_equal(read_piece(WINDOW_FIRST - 1, 1), 0);
}

static void *read_forward(void *arg)
{
	uint8_t data[PIECE];
	size_t wrong = 0;

	for (uint64_t at = 0; at + PIECE <= LEN; at += PIECE)
		wrong += windows_read(windows, &pack, "p", at, data, PIECE, NULL) || memcmp(data, content + at, PIECE);
	*(size_t *)arg = wrong;
	return NULL;
}

static void readers_beside_one_another_share_windows(void **state)
{
	pthread_t threads[4];
	size_t wrong[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_forward, &wrong[i]), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(wrong[i], 0);
	}
	/* Not four times what one needs. */
	assert_in_range(fake_remote_requests("a"), 3, 12);
}

/* --- with a cache --- */

/* Bytes that came, in all. */
static uint64_t received(void)
{
	struct remote_counts counts;

	remote_counts(remote, &counts);
	return counts.received_bytes;
}

static void nothing_comes_twice(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(read_piece((uint64_t)i * 7919 * 13 % (LEN - PIECE), PIECE), 0);
	assert_int_equal(received(), LEN);
	assert_in_range(fake_remote_requests("a"), 2, 30);
	/* Nor after the program was started again. */
	open_windows();
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(read_piece((uint64_t)i * 7919 * 13 % (LEN - PIECE), PIECE), 0);
	assert_int_equal(received(), LEN);
}

/* Few reads in no order bring no more than what they are allowed. */
static void no_order_brings_little(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		const uint64_t before = received();

		assert_int_equal(read_piece((uint64_t)((i * 2 + 1) % 5) * (LEN / 5), 100), 0);
		assert_true(received() - before <= WINDOW_RANDOM);
	}
}

static void what_comes_next_is_read_ahead(void **state)
{
	(void)state;
	for (uint64_t at = 0; at + PIECE <= LEN; at += PIECE)
		assert_int_equal(read_piece(at, PIECE), 0);
	assert_in_range(fake_remote_requests("a"), 3, 7);
	assert_int_equal(received(), LEN);
}

static void what_was_kept_wrong_is_asked_for_again(void **state)
{
	uint8_t byte;
	bool kept;

	(void)state;
	fake_remote_plan("a", &(struct fake_plan){.flips_early = true});
	assert_int_equal(windows_read(windows, &pack, "p", 30, &byte, 1, &kept), 0);
	assert_false(kept);
	assert_int_not_equal(byte, content[30]);
	fake_remote_plan("a", &(struct fake_plan){0});
	assert_int_equal(windows_try(windows, &pack, "p", 30, &byte, 1), 0);
	assert_int_not_equal(byte, content[30]);
	windows_forget(windows, &pack, 30, 1);
	assert_int_equal(windows_try(windows, &pack, "p", 30, &byte, 1), -ENOENT);
	assert_int_equal(windows_read(windows, &pack, "p", 30, &byte, 1, &kept), 0);
	assert_int_equal(byte, content[30]);
	assert_int_equal(windows_read(windows, &pack, "p", 30, &byte, 1, &kept), 0);
	assert_true(kept);
}

static void trying_asks_nobody(void **state)
{
	uint8_t byte;

	(void)state;
	assert_int_equal(windows_try(windows, &pack, "p", 0, &byte, 1), -ENOENT);
	assert_int_equal(fake_remote_requests("a"), 0);
	assert_int_equal(read_piece(0, 1), 0);
	assert_int_equal(windows_try(windows, &pack, "p", PIECE, &byte, 1), 0);
	assert_int_equal(byte, content[PIECE]);
}

/* The cache is emptied, or cannot be written to: everything can be read all the same. */
static void the_cache_may_go(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(read_piece((uint64_t)i * (LEN / 10), PIECE), 0);
		assert_int_equal(cached_trim(cached, 0), 0);
		assert_int_equal(read_piece((uint64_t)i * (LEN / 10), PIECE), 0);
	}
	scratch_sh("rm -r cache/*; touch cache/packs");
	for (uint64_t at = 0; at + 3 * PIECE <= LEN; at += 3 * PIECE)
		assert_int_equal(read_piece(at, 3 * PIECE), 0);
}

/* --- bytes on their way --- */

#define FOLLOWING ((size_t)3 << 20)

static const struct pack_id following = {.bytes = {9, 8, 7}};

/* Read in order up to END. */
static void read_to(uint64_t end)
{
	for (uint64_t at = 0; at + PIECE <= end; at += PIECE)
		assert_int_equal(read_piece(at, PIECE), 0);
}

/* Have the windows behind the first asked for, of which half a MiB comes, and no more until the next plan. */
static void let_half_a_mib_come(bool wrong)
{
	assert_int_equal(read_piece(0, PIECE), 0);
	fake_remote_plan("a", &(struct fake_plan){.holds_at = 512 << 10, .flips_early = wrong});
	read_to(WINDOW_FIRST);
	while (!fake_remote_held("a"))
		usleep(1000);
}

static void what_has_come_can_be_read_before_the_rest(void **state)
{
	uint8_t byte;

	(void)state;
	let_half_a_mib_come(false);
	read_to(WINDOW_FIRST + (512 << 10));
	assert_int_not_equal(fake_remote_held("a"), 0);
	assert_int_equal(windows_try(windows, &pack, "p", WINDOW_FIRST + (700 << 10), &byte, 1), -ENOENT);
	fake_remote_plan("a", &(struct fake_plan){0});
	read_to(LEN);
	assert_int_equal(received(), LEN);
}

/* Whether all from WINDOW_FIRST on that came is in the cache, also for others. */
static void assert_half_a_mib_is_kept(void)
{
	uint8_t data[PIECE];

	open_windows();
	for (uint64_t at = WINDOW_FIRST; at + PIECE <= WINDOW_FIRST + (512 << 10); at += PIECE) {
		assert_int_equal(windows_try(windows, &pack, "p", at, data, PIECE), 0);
		assert_memory_equal(data, content + at, PIECE);
	}
}

/* Who ends when he has what he wanted, as prefetching does, has put that into the cache. */
static void what_was_given_out_is_kept_at_the_end(void **state)
{
	(void)state;
	let_half_a_mib_come(false);
	read_to(WINDOW_FIRST + (400 << 10));
	assert_half_a_mib_is_kept();
}

static void what_had_come_before_a_failure_is_kept(void **state)
{
	(void)state;
	let_half_a_mib_come(false);
	read_to(WINDOW_FIRST + (400 << 10));
	fake_remote_plan("a", &(struct fake_plan){.error = -ECONNRESET});
	while (fake_remote_held("a"))
		usleep(1000);
	assert_half_a_mib_is_kept();
}

static bool gives_up(void *arg)
{
	(void)arg;
	return true;
}

static void who_waits_for_bytes_may_give_up(void **state)
{
	uint8_t byte;

	(void)state;
	let_half_a_mib_come(false);
	interrupt_watch(gives_up, NULL);
	assert_int_equal(windows_read(windows, &pack, "p", WINDOW_FIRST + (700 << 10), &byte, 1, NULL), -EINTR);
	interrupt_watch(NULL, NULL);
	fake_remote_plan("a", &(struct fake_plan){0});
	read_to(LEN);
}

/* What was wrong among them is asked for anew, though the rest is still to come. */
static void what_came_wrong_is_left_alone(void **state)
{
	const uint64_t wrong = WINDOW_FIRST + 30;
	uint8_t byte;

	(void)state;
	let_half_a_mib_come(true);
	while (windows_try(windows, &pack, "p", wrong, &byte, 1))
		usleep(1000);
	assert_int_not_equal(byte, content[wrong]);
	windows_forget(windows, &pack, wrong, 1);
	assert_int_equal(windows_try(windows, &pack, "p", wrong, &byte, 1), -ENOENT);
	fake_remote_plan("a", &(struct fake_plan){0});
	assert_int_equal(read_piece(wrong, 1), 0);
	read_to(LEN);
}

static void what_failed_is_not_read_ahead_again_and_again(void **state)
{
	unsigned before;

	(void)state;
	assert_int_equal(read_piece(0, PIECE), 0);
	fake_remote_plan("a", &(struct fake_plan){.error = -ECONNRESET});
	before = fake_remote_requests("a");
	read_to(WINDOW_FIRST / 2);
	while (fake_remote_requests("a") == before)
		usleep(1000);
	read_to(WINDOW_FIRST);
	assert_in_range(fake_remote_requests("a") - before, 1, 8); /* under way at once */
	assert_int_equal(read_piece(2 * WINDOW_FIRST, PIECE), -ECONNRESET);
	fake_remote_plan("a", &(struct fake_plan){0});
	read_to(LEN);
}

/* More readers than there are threads: nothing is promised that nobody does. */
static void many_readers_at_once(void **state)
{
	static const char names[] = "bcdefghijklmno";
	uint8_t data[PIECE];
	uint64_t before;

	(void)state;
	for (unsigned i = 0; names[i]; i++)
		fake_remote_put("a", (const char[]){names[i], '\0'}, content, FOLLOWING);
	fake_remote_plan("a", &(struct fake_plan){.holds_at = WINDOW_FIRST});
	before = interrupt_limit(30000);
	for (uint64_t at = 0; at + PIECE <= FOLLOWING; at += PIECE) {
		if (at == WINDOW_FIRST / PIECE / 2 * PIECE)
			fake_remote_plan("a", &(struct fake_plan){0});
		for (unsigned i = 0; names[i]; i++) {
			const struct pack_id other = {.bytes = {(uint8_t)names[i]}};

			assert_int_equal(
			    windows_read(windows, &other, (const char[]){names[i], '\0'}, at, data, PIECE, NULL), 0);
			assert_memory_equal(data, content + at, PIECE);
		}
	}
	interrupt_unlimit(before);
}

/* Packs of which the same place remembers what is kept, so that each has to be looked at again and again. */
static const char in_one_place[] = "bcdefgh";

static void *read_all_in_turns(void *arg)
{
	uint8_t data[PIECE];
	size_t wrong = 0;

	for (uint64_t at = 0; at + PIECE <= FOLLOWING; at += PIECE) {
		for (unsigned i = 0; in_one_place[i]; i++) {
			const struct pack_id other = {.bytes = {(uint8_t)in_one_place[i]}};

			wrong += windows_read(windows, &other, (const char[]){in_one_place[i], '\0'}, at, data, PIECE,
			                      NULL) ||
			         memcmp(data, content + at, PIECE);
		}
	}
	*(size_t *)arg = wrong;
	return NULL;
}

static void what_is_known_of_packs_may_be_forgotten_at_any_time(void **state)
{
	pthread_t threads[4];
	size_t wrong[4];

	(void)state;
	for (unsigned i = 0; in_one_place[i]; i++)
		fake_remote_put("a", (const char[]){in_one_place[i], '\0'}, content, FOLLOWING);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all_in_turns, &wrong[i]), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(wrong[i], 0);
	}
}

static void the_pack_that_follows_is_read_ahead(void **state)
{
	uint8_t data[PIECE];

	(void)state;
	fake_remote_put("a", "f", content, FOLLOWING);
	windows_follow(windows, &pack, LEN, &following, "f", 100);
	/* Who saw less of the pack knows less. */
	windows_follow(windows, &pack, PIECE, &(const struct pack_id){.bytes = {6}}, "none", 100);
	read_to(LEN);
	while (windows_try(windows, &following, "f", 100, data, 1))
		usleep(1000);
	for (uint64_t at = 100; at + PIECE <= FOLLOWING; at += PIECE) {
		assert_int_equal(windows_read(windows, &following, "f", at, data, PIECE, NULL), 0);
		assert_memory_equal(data, content + at, PIECE);
	}
	/* 256 KiB, 1 MiB, what is left of the first; all of the second at once. */
	assert_in_range(fake_remote_requests("a"), 3, 8);
	assert_int_equal(received(), LEN + FOLLOWING);
}

static void a_pack_that_does_not_follow_is_asked_for_once(void **state)
{
	(void)state;
	windows_follow(windows, &pack, LEN, &following, "f", 100);
	read_to(LEN);
	windows_close(windows); /* and with that, what is read ahead */
	windows = NULL;
	assert_in_range(fake_remote_requests("a"), 3, 8);
	assert_int_equal(received(), LEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_CACHED(name) cmocka_unit_test_setup_teardown(name, set_up_cached, tear_down_cached)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(forward_reading_needs_few_requests),
	    TEST(gaps_and_small_steps_back_are_forward_still),
	    TEST(reading_in_no_order_is_exact),
	    TEST(the_end_of_the_file_is_the_end),
	    TEST(failures_are_told_and_forgotten),
	    TEST(what_was_wrong_can_be_forgotten),
	    TEST(readers_beside_one_another_share_windows),
	    TEST_CACHED(nothing_comes_twice),
	    TEST_CACHED(no_order_brings_little),
	    TEST_CACHED(what_comes_next_is_read_ahead),
	    TEST_CACHED(what_was_kept_wrong_is_asked_for_again),
	    TEST_CACHED(trying_asks_nobody),
	    TEST_CACHED(the_cache_may_go),
	    TEST_CACHED(the_end_of_the_file_is_the_end),
	    TEST_CACHED(readers_beside_one_another_share_windows),
	    TEST_CACHED(what_has_come_can_be_read_before_the_rest),
	    TEST_CACHED(what_was_given_out_is_kept_at_the_end),
	    TEST_CACHED(what_had_come_before_a_failure_is_kept),
	    TEST_CACHED(who_waits_for_bytes_may_give_up),
	    TEST_CACHED(what_came_wrong_is_left_alone),
	    TEST_CACHED(what_failed_is_not_read_ahead_again_and_again),
	    TEST_CACHED(many_readers_at_once),
	    TEST_CACHED(what_is_known_of_packs_may_be_forgotten_at_any_time),
	    TEST_CACHED(the_pack_that_follows_is_read_ahead),
	    TEST_CACHED(a_pack_that_does_not_follow_is_asked_for_once),
	    TEST(what_has_come_can_be_read_before_the_rest),
	    TEST(what_came_wrong_is_left_alone),
	    TEST(the_pack_that_follows_is_read_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
