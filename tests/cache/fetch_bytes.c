/* How many requests and bytes it takes to fetch for who may not wait. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/aside.h"
#include "cache/codec.h"
#include "cache/fetch.h"
#include "cache/pack_blocks.h"
#include "cache/record.h"
#include "cache/windows.h"
#include "tests/support/fake_remote.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 500
#define URL "a"
#define RECORDS 16
#define APART (4 * WINDOW_RANDOM)

static const struct pack_id pack = {.bytes = {1, 2, 3}};

static struct remote *remote;
static struct cached *cached;
static struct remote_store *store;
static struct fetch *fetch;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned count;
} told = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void on_ready(struct ticket *ticket)
{
	(void)ticket;
	pthread_mutex_lock(&told.lock);
	told.count++;
	pthread_cond_signal(&told.changed);
	pthread_mutex_unlock(&told.lock);
}

/* Where sample N lies. */
static struct locator locator_of(unsigned n)
{
	return (struct locator){.pack = pack, .offset = (uint32_t)(n * APART + APART / 2), .stored_len = LEN};
}

/* Sample N as a record that is stored as it is, at DATA. */
static void encode(unsigned n, uint8_t *data)
{
	struct sample sample;
	struct record_header header = {
	    .kind = RECORD_CHUNK, .codec = CODEC_RAW, .raw_len = LEN, .stored_len = LEN, .hashed_len = LEN};

	sample_init(&sample, RECORD_CHUNK, n, LEN);
	memcpy(data + RECORD_HEADER_SIZE, sample.data, LEN);
	record_header_encode(&header, data + RECORD_HEADER_SIZE, data);
	sample_release(&sample);
}

/* A pack of samples that lie APART from one another. */
static void put_pack(void)
{
	uint8_t *bytes = calloc(RECORDS, APART);
	char path[REMOTE_PATH_SIZE];

	assert_non_null(bytes);
	for (unsigned n = 0; n < RECORDS; n++)
		encode(n, bytes + locator_of(n).offset);
	fake_remote_put(URL, remote_store_pack_path(&pack, "", path), bytes, RECORDS * APART);
	free(bytes);
}

static int set_up(void **state)
{
	char *path;

	*state = (void *)(uintptr_t)scratch_open_in_memory();
	told.count = 0;
	fake_remote_clear();
	fake_remote_put(URL, STORE_VERSION_FILE, STORE_VERSION_TEXT, strlen(STORE_VERSION_TEXT));
	put_pack();
	path = scratch_path("cache");
	assert_int_equal(
	    cached_open(&(struct cached_setup){.io = io_system(), .path = path, .limit_bytes = UINT64_MAX}, &cached),
	    0);
	free(path);
	assert_int_equal(remote_open_kind(&(struct remote_setup){.io = io_system(), .name = URL, .url = URL},
	                                  &remote_kind_fake, &remote),
	                 0);
	assert_int_equal(remote_store_open(io_system(), remote, cached, &store), 0);
	assert_int_equal(
	    fetch_open(&(struct fetch_setup){.io = io_system(), .stores = &store, .count = 1, .wait_ms = 10000},
	               &fetch),
	    0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fetch_close(fetch);
	remote_store_close(store);
	remote_close(remote);
	cached_close(cached);
	fake_remote_clear();
	scratch_close();
	return 0;
}

static void wait_until_ready(void)
{
	pthread_mutex_lock(&told.lock);
	while (!told.count)
		pthread_cond_wait(&told.changed, &told.lock);
	told.count = 0;
	pthread_mutex_unlock(&told.lock);
}

/* Read sample N as who serves a request does. */
static void read_aside(unsigned n)
{
	const struct id id = sample_id(RECORD_CHUNK, n, LEN);
	const struct locator at = locator_of(n);
	struct ticket ticket = {.ready = on_ready};
	struct record record;
	int error;

	ticket_hold(&ticket);
	while ((error = fetch_read(fetch, RECORD_CHUNK, &id, &at, &record)) == -EINPROGRESS)
		wait_until_ready();
	ticket_hold(NULL);
	ticket_release(&ticket);
	assert_int_equal(error, 0);
	assert_int_equal(record.len, LEN);
	free(record.data);
}

static uint64_t received(void)
{
	struct remote_counts counts;

	remote_counts(remote, &counts);
	return counts.received_bytes;
}

/* That it is there once it was brought spares no request. */
static void who_waits_aside_has_not_met_what_was_there_before(void **state)
{
	struct fetch_found found;

	(void)state;
	for (unsigned i = 0; i < RECORDS; i++) {
		const uint64_t before = received();

		read_aside(i * 5 % RECORDS);
		assert_in_range(received() - before, LEN, WINDOW_RANDOM + STORE_VERSION_MAX);
	}
	fetch_found(fetch, &found);
	assert_int_equal(found.held, 0);
	assert_int_equal(found.brought, RECORDS);
}

/* The store's version is the other request. */
static void what_is_read_together_takes_one_request(void **state)
{
	const struct locator first = locator_of(2), last = locator_of(5);

	(void)state;
	fetch_reach(fetch, &first, &last);
	for (unsigned n = 2; n <= 5; n++)
		read_aside(n);
	assert_int_equal(fake_remote_requests(URL), 2);
	assert_in_range(received(), 3 * APART, 4 * APART);
}

/* Neither in order nor with hits, however many records a read takes. */
static void large_reads_here_and_there_bring_no_more_than_they_take(void **state)
{
	static const unsigned begins[] = {9, 4, 13, 1, 6};

	(void)state;
	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		const struct locator first = locator_of(begins[i]), last = locator_of(begins[i] + 1);
		const uint64_t before = received();

		fetch_reach(fetch, &first, &last);
		read_aside(begins[i]);
		read_aside(begins[i] + 1);
		assert_in_range(received() - before, APART, APART + 2 * PACK_BLOCK);
	}
}

static void what_is_said_to_be_read_together_has_an_end(void **state)
{
	const struct locator first = locator_of(0), last = {.pack = pack, .offset = UINT32_MAX, .stored_len = LEN};

	(void)state;
	fetch_reach(fetch, &first, &last);
	read_aside(0);
	assert_int_equal(fake_remote_requests(URL), 2);
	assert_in_range(received(), 0, WINDOW_MAX + PACK_BLOCK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(who_waits_aside_has_not_met_what_was_there_before),
	    TEST(what_is_read_together_takes_one_request),
	    TEST(large_reads_here_and_there_bring_no_more_than_they_take),
	    TEST(what_is_said_to_be_read_together_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
