/* Windows: forward reading needs few requests, anything else is read exactly, and every byte is the right one. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/windows.h"
#include "tests/support/damage.h"
#include "tests/support/fake_remote.h"

#define LEN ((size_t)5 << 20)
#define PIECE ((size_t)5000)

static const struct pack_id pack = {.bytes = {1, 2, 3}};
static uint8_t *content;
static struct remote *remote;
static struct windows *windows;

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
	assert_int_equal(windows_open(remote, &windows), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	windows_close(windows);
	remote_close(remote);
	fake_remote_clear();
	free(content);
	return 0;
}

/* Read LEN bytes at OFFSET, which must be right. */
static int read_piece(uint64_t offset, size_t len)
{
	uint8_t *data = malloc(len);
	int error = windows_read(windows, &pack, "p", offset, data, len);

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
	/* Exactly the first, then 128 KiB, 256 KiB... up to the end. */
	assert_in_range(fake_remote_requests("a"), 6, 9);
}

static void gaps_and_small_steps_back_are_forward_still(void **state)
{
	(void)state;
	for (uint64_t at = 0; at + 3 * PIECE <= LEN; at += 4 * PIECE) {
		assert_int_equal(read_piece(at + PIECE, PIECE), 0);
		assert_int_equal(read_piece(at, PIECE), 0);
	}
	assert_in_range(fake_remote_requests("a"), 6, 12);
}

static void reading_in_no_order_is_exact(void **state)
{
	struct remote_counts counts;
	uint64_t wanted = 0;

	(void)state;
	/* Steps of more than a gap. */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(read_piece((uint64_t)((i * 2 + 1) % 3) * (LEN / 3), PIECE), 0);
		wanted += PIECE;
	}
	remote_counts(remote, &counts);
	assert_int_equal(counts.received_bytes, wanted);
}

static void the_end_of_the_file_is_the_end(void **state)
{
	(void)state;
	for (uint64_t at = LEN - 200000; at + PIECE <= LEN; at += PIECE)
		assert_int_equal(read_piece(at, PIECE), 0);
	assert_int_equal(windows_read(windows, &pack, "p", LEN - 10, content, 11), -EBADMSG);
	assert_int_equal(windows_read(windows, &pack, "p", LEN + 5, content, 1), -EBADMSG);
	assert_int_equal(windows_read(windows, &pack, "none", 3 * LEN, content, 1), -ENOENT);
}

static void failures_are_told_and_forgotten(void **state)
{
	(void)state;
	assert_int_equal(read_piece(0, PIECE), 0);
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
	assert_int_equal(read_piece(0, PIECE), 0);
	fake_remote_plan("a", &(struct fake_plan){.flips = true});
	assert_int_equal(read_piece(PIECE, PIECE), 0); /* the wrong byte is the window's last */
	fake_remote_plan("a", &(struct fake_plan){0});
	assert_int_equal(windows_read(windows, &pack, "p", PIECE + WINDOW_FIRST - 1, &last, 1), 0);
	assert_int_not_equal(last, content[PIECE + WINDOW_FIRST - 1]);
	windows_forget(windows, &pack, PIECE + WINDOW_FIRST - 1);
	assert_int_equal(read_piece(PIECE + WINDOW_FIRST - 1, 1), 0);
}

static void *read_forward(void *arg)
{
	uint8_t data[PIECE];
	size_t wrong = 0;

	for (uint64_t at = 0; at + PIECE <= LEN; at += PIECE)
		wrong += windows_read(windows, &pack, "p", at, data, PIECE) || memcmp(data, content + at, PIECE);
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
	assert_in_range(fake_remote_requests("a"), 6, 25);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
