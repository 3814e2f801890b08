/* Stores on remotes, and fetching from several: order, damage, failures, waits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cache/fetch.h"
#include "cache/interrupt.h"
#include "cache/writer.h"
#include "tests/support/fake_remote.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 500
#define RECORDS 4
#define REMOTES 2

static const char *const urls[REMOTES] = {"a", "b"};

static struct fault fault; /* for its clock: sleeping costs nothing */
static struct remote *remotes[REMOTES];
static struct remote_store *stores[REMOTES];
static struct fetch *fetch;
static struct locator at[RECORDS];
static struct id root;

static int copy_file(void *arg, const char *path, const struct remote_stat *st)
{
	void *data;
	size_t len;

	assert_int_equal(remote_read_file(arg, path, (size_t)st->size, &data, &len), 0);
	for (size_t i = 0; i < REMOTES; i++)
		fake_remote_put(urls[i], path, data, len);
	free(data);
	return 0;
}

/* Both remotes hold what a store holds: some chunks in a pack, and a root. */
static void fill_remotes(void)
{
	uint8_t page[100] = "a page";
	struct store_writer *writer;
	struct store *store;
	struct remote *from;
	char *path = scratch_path("store");

	assert_int_equal(store_open(sample_io(), path, STORE_CREATE, 0, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), 0);
	for (unsigned n = 0; n < RECORDS; n++)
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, LEN, &at[n]), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	store_writer_close(writer);
	id_of(page, sizeof(page), &root);
	assert_int_equal(store_put_root(store, &root, page, sizeof(page), sizeof(page)), 0);
	store_close(store);
	assert_int_equal(remote_open(&(struct remote_setup){.io = io_system(), .name = "from", .url = path}, &from), 0);
	assert_int_equal(remote_list(from, "packs", copy_file, from), 0);
	assert_int_equal(remote_list(from, "roots", copy_file, from), 0);
	remote_close(from);
	free(path);
	for (size_t i = 0; i < REMOTES; i++)
		fake_remote_put(urls[i], STORE_VERSION_FILE, STORE_VERSION_TEXT, strlen(STORE_VERSION_TEXT));
}

static struct told {
	_Atomic unsigned waits, answers;
	_Atomic int error;
} told[REMOTES]; /* by remote */

static void tell(void *arg, struct remote *remote, int error)
{
	struct told *of = (struct told *)arg + (remote_name(remote)[0] - 'a');

	of->waits += error != 0;
	of->answers += error == 0;
	of->error = error;
}

static void open_fetch(uint64_t wait_ms)
{
	const struct fetch_setup setup = {
	    .io = &fault.io, .stores = stores, .count = REMOTES, .wait_ms = wait_ms, .tell = tell, .arg = told};

	fetch_close(fetch);
	assert_int_equal(fetch_open(&setup, &fetch), 0);
}

static int set_up(void **state)
{
	*state = (void *)(uintptr_t)scratch_open_in_memory();
	fake_remote_clear();
	fill_remotes();
	memset(told, 0, sizeof(told));
	fault_init(&fault, io_system());
	for (size_t i = 0; i < REMOTES; i++) {
		assert_int_equal(
		    remote_open_kind(&(struct remote_setup){.io = &fault.io, .name = urls[i], .url = urls[i]},
		                     &remote_kind_fake, &remotes[i]),
		    0);
		assert_int_equal(remote_store_open(&fault.io, remotes[i], NULL, &stores[i]), 0);
	}
	open_fetch(10000);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fetch_close(fetch);
	fetch = NULL;
	for (size_t i = 0; i < REMOTES; i++) {
		remote_store_close(stores[i]);
		remote_close(remotes[i]);
	}
	fake_remote_clear();
	scratch_close();
	return 0;
}

/* Fetch chunk N, which is said to lie at WHERE; it must be right. */
static int fetch_chunk_at(unsigned n, const struct locator *where)
{
	struct record record;
	struct sample sample;
	int error;

	sample_init(&sample, RECORD_CHUNK, n, LEN);
	error = fetch_read(fetch, RECORD_CHUNK, &sample.id, where, &record);
	if (!error) {
		assert_int_equal(record.len, LEN);
		assert_memory_equal(record.data, sample.data, LEN);
		free(record.data);
	}
	sample_release(&sample);
	return error;
}

static int fetch_chunk(unsigned n)
{
	return fetch_chunk_at(n, &at[n]);
}

static struct fetch_counts counts_of(size_t i)
{
	struct fetch_counts counts;

	fetch_counts(fetch, i, &counts);
	return counts;
}

/* The root, which no window holds. */
static int fetch_root(void)
{
	struct record record;
	int error = fetch_read_root(fetch, &root, &record);

	if (!error) {
		assert_int_equal(record.len, 100);
		free(record.data);
	}
	return error;
}

static void the_first_that_has_it_is_asked(void **state)
{
	(void)state;
	for (unsigned n = 0; n < RECORDS; n++)
		assert_int_equal(fetch_chunk(n), 0);
	/* The version, and the first with what follows it there. */
	assert_int_equal(fake_remote_requests("a"), 1 + 1);
	assert_int_equal(counts_of(0).records, 1);
	assert_int_equal(fetch_root(), 0);
	assert_int_equal(fake_remote_requests("b"), 0);
}

static void what_no_remote_has_is_enoent(void **state)
{
	struct locator other = at[0];
	struct record record;
	struct id id = root;

	(void)state;
	other.pack.bytes[3] ^= 1;
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &id, &other, &record), -ENOENT);
	/* Version, pack, moved file, and whether there is a store at all; once in a while only. */
	assert_int_equal(fake_remote_requests("a"), 4);
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &id, &other, &record), -ENOENT);
	assert_int_equal(fake_remote_requests("a"), 4);
	atomic_fetch_add(&fault.clock_ns, REMOTE_STORE_BELIEVE_MS * UINT64_C(1000000));
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &id, &other, &record), -ENOENT);
	assert_int_equal(fake_remote_requests("a"), 7);
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &id, NULL, &record), -ENOENT);
	id.bytes[0] ^= 1;
	assert_int_equal(fetch_read_root(fetch, &id, &record), -ENOENT);
}

/* Nothing that was read is held any more. */
static void forget_all(void)
{
	for (size_t i = 0; i < REMOTES; i++) {
		fake_remote_plan(urls[i], &(struct fake_plan){0});
		remote_store_close(stores[i]);
		assert_int_equal(remote_store_open(&fault.io, remotes[i], NULL, &stores[i]), 0);
	}
	open_fetch(10000);
}

static void one_that_lies_is_passed_over(void **state)
{
	static const struct fake_plan lies[] = {{.flips_early = true}, {.short_by = 100000}};

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		forget_all();
		assert_int_equal(fetch_root(), 0); /* its version file was good */
		fake_remote_plan("a", &lies[i]);
		fake_remote_plan("b", &lies[i]);
		assert_int_equal(fetch_chunk(1), -EBADMSG);
		assert_int_equal(counts_of(0).wrong, 1);
		fake_remote_plan("b", &(struct fake_plan){0});
		assert_int_equal(fetch_chunk(1), 0);
		assert_int_equal(counts_of(0).wrong, 2);
		assert_int_equal(counts_of(1).records, 1);
	}
}

/* A folder where a disk should be mounted: what it lacks is no absence, and is not remembered. */
static void a_store_that_is_gone_is_waited_for(void **state)
{
	(void)state;
	forget_all();
	assert_int_equal(fetch_chunk(0), 0);
	open_fetch(0);
	fake_remote_hide("a", true);
	fake_remote_hide("b", true);
	at[1].pack.bytes[2] ^= 1; /* in no window */
	assert_int_equal(fetch_chunk(1), -EHOSTDOWN);
	at[1].pack.bytes[2] ^= 1;
	fake_remote_hide("a", false);
	atomic_fetch_add(&fault.clock_ns, UINT64_C(60000000000));
	assert_int_equal(fetch_chunk(1), 0);
}

static void one_that_fails_rests(void **state)
{
	(void)state;
	fake_remote_plan("a", &(struct fake_plan){.error = -ECONNREFUSED});
	assert_int_equal(fetch_chunk(0), 0);
	assert_int_equal(fetch_root(), 0);
	assert_int_equal(fake_remote_requests("a"), 1);
	assert_true(counts_of(0).resting);
	assert_int_equal(counts_of(0).failures, 1);
	assert_int_equal(counts_of(1).records, 2);
	/* After a while it is tried again, and then it is the first. */
	fake_remote_plan("a", &(struct fake_plan){0});
	atomic_fetch_add(&fault.clock_ns, UINT64_C(1000000000));
	assert_int_equal(fetch_root(), 0);
	assert_int_equal(counts_of(0).records, 1);
	assert_false(counts_of(0).resting);
}

static void reads_wait_for_remotes_that_come_back(void **state)
{
	(void)state;
	fake_remote_plan("a", &(struct fake_plan){.error = -ETIMEDOUT, .failures = 3});
	fake_remote_plan("b", &(struct fake_plan){.error = -EACCES});
	assert_int_equal(fetch_chunk(0), 0);
	assert_int_equal(fake_remote_requests("a"), 3 + 2);
	assert_true(atomic_load(&fault.slept_ms) > 500);
}

static void the_wait_is_as_long_as_was_asked(void **state)
{
	uint64_t before, waited_ms;

	(void)state;
	fake_remote_plan("a", &(struct fake_plan){.error = -ECONNREFUSED});
	fake_remote_plan("b", &(struct fake_plan){.error = -ECONNREFUSED});
	before = io_monotonic_ns(&fault.io);
	assert_int_equal(fetch_chunk(0), -ECONNREFUSED);
	waited_ms = (io_monotonic_ns(&fault.io) - before) / 1000000;
	assert_in_range(waited_ms, 10000, 12000);
	/* More and more seldom. */
	assert_in_range(fake_remote_requests("a"), 4, 8);
	open_fetch(0);
	before = atomic_load(&fault.slept_ms);
	assert_int_equal(fetch_chunk(0), -ECONNREFUSED);
	assert_int_equal(atomic_load(&fault.slept_ms), before);
}

static void a_wait_is_told_once_and_its_end(void **state)
{
	(void)state;
	/* Another has it: nobody waits. */
	fake_remote_plan("a", &(struct fake_plan){.error = -ETIMEDOUT, .failures = 4});
	assert_int_equal(fetch_chunk(0), 0);
	assert_int_equal(told[0].waits, 0);
	fake_remote_plan("b", &(struct fake_plan){.error = -ECONNREFUSED, .failures = 1});
	assert_int_equal(fetch_root(), 0);
	assert_int_equal(told[0].waits, 1);
	assert_int_equal(told[1].waits, 1);
	/* Whichever answered first ended the wait; once both did, both were told, and once. */
	atomic_fetch_add(&fault.clock_ns, UINT64_C(60000000000));
	fake_remote_plan("a", &(struct fake_plan){0});
	assert_int_equal(fetch_root(), 0);
	fake_remote_plan("a", &(struct fake_plan){.error = -EACCES});
	assert_int_equal(fetch_root(), 0);
	assert_int_equal(told[0].waits, 1);
	assert_int_equal(told[0].answers, 1);
	assert_int_equal(told[1].waits, 1);
	assert_int_equal(told[1].answers, 1);
	assert_int_equal(told[1].error, 0);
}

static void failures_are_remembered(void **state)
{
	struct fetch_found found;
	struct remote_counts counts;

	(void)state;
	assert_int_equal(counts_of(0).failed.tv_sec, 0);
	fake_remote_plan("a", &(struct fake_plan){.error = -ECONNREFUSED});
	assert_int_equal(fetch_root(), 0);
	assert_int_equal(counts_of(0).rests, 1);
	assert_int_equal(counts_of(0).retries, 0);
	assert_int_equal(counts_of(0).last_failure, -ECONNREFUSED);
	assert_true(counts_of(0).failed.tv_sec && counts_of(0).silent_since.tv_sec);
	atomic_fetch_add(&fault.clock_ns, UINT64_C(1000000000));
	assert_int_equal(fetch_root(), 0);
	assert_int_equal(counts_of(0).rests, 2);
	assert_int_equal(counts_of(0).retries, 1);
	atomic_fetch_add(&fault.clock_ns, UINT64_C(60000000000));
	fake_remote_plan("a", &(struct fake_plan){0});
	assert_int_equal(fetch_root(), 0);
	assert_int_equal(counts_of(0).silent_since.tv_sec, 0);
	assert_int_equal(counts_of(0).last_failure, -ECONNREFUSED);
	remote_counts(remotes[0], &counts);
	assert_int_equal(counts.causes[REMOTE_REFUSED], 2);
	assert_int_equal(counts.causes[REMOTE_TIMEOUT], 0);
	/* Without a cache what was read once is held in memory. */
	assert_int_equal(fetch_chunk(0), 0);
	assert_int_equal(fetch_chunk(0), 0);
	fetch_found(fetch, &found);
	assert_int_equal(found.brought, 4);
	assert_int_equal(found.held, 1);
	assert_int_equal(fetch_remotes(fetch), REMOTES);
	assert_ptr_equal(fetch_store(fetch, 1), stores[1]);
}

/* One may still have it: that the others do not is no answer. */
static void absence_is_believed_only_of_all(void **state)
{
	struct locator other = at[0];
	struct record record;

	(void)state;
	other.pack.bytes[3] ^= 1;
	open_fetch(0);
	fake_remote_plan("a", &(struct fake_plan){.error = -ECONNRESET});
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &root, &other, &record), -ECONNRESET);
	fake_remote_plan("b", &(struct fake_plan){.error = -EACCES});
	fake_remote_plan("a", &(struct fake_plan){0});
	atomic_fetch_add(&fault.clock_ns, UINT64_C(60000000000));
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &root, &other, &record), -EACCES);
}

static unsigned asked;

static bool after_three(void *arg)
{
	(void)arg;
	return ++asked > 3;
}

static void a_wait_is_given_up(void **state)
{
	(void)state;
	open_fetch(FETCH_FOR_EVER);
	fake_remote_plan("a", &(struct fake_plan){.error = -ECONNREFUSED});
	fake_remote_plan("b", &(struct fake_plan){.error = -ECONNREFUSED});
	asked = 0;
	interrupt_watch(after_three, NULL);
	assert_int_equal(fetch_chunk(0), -EINTR);
	interrupt_watch(NULL, NULL);
	assert_in_range(atomic_load(&fault.slept_ms), 50, 300);
}

static void another_version_is_not_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < REMOTES; i++)
		fake_remote_put(urls[i], STORE_VERSION_FILE, "revfs-store 2.0\n", 16);
	assert_int_equal(fetch_chunk(0), -ENOTSUP);
	fake_remote_put("a", STORE_VERSION_FILE, "<html>\n\0", 8);
	assert_int_equal(fetch_chunk(0), -EBADMSG);
	fake_remote_put("b", STORE_VERSION_FILE, STORE_VERSION_TEXT, strlen(STORE_VERSION_TEXT));
	assert_int_equal(fetch_chunk(0), 0);
}

static void a_store_is_prepared_once(void **state)
{
	struct remote_store *store;
	struct remote *remote;

	(void)state;
	assert_int_equal(remote_open_kind(&(struct remote_setup){.io = &fault.io, .name = "c", .url = "c"},
	                                  &remote_kind_fake, &remote),
	                 0);
	assert_int_equal(remote_store_open(&fault.io, remote, NULL, &store), 0);
	assert_int_equal(remote_store_check(store), -ENOENT);
	assert_int_equal(remote_store_prepare(store), 0);
	assert_int_equal(remote_store_prepare(store), 0);
	assert_int_equal(remote_store_check(store), 0);
	assert_int_equal(fake_remote_requests("c"), 4);
	remote_store_close(store);
	remote_close(remote);
}

/* What was repacked is found by where it went, over several hops; the hops are asked for once. */
static void records_are_found_where_they_moved(void **state)
{
	struct moved_entry entry = {.old_offset = 5000, .now = at[2]};
	struct locator first = at[2], second = at[2];
	struct buffer file = {0};
	char path[REMOTE_PATH_SIZE];
	unsigned before;

	(void)state;
	memset(&first.pack, 1, sizeof(first.pack));
	memset(&second.pack, 2, sizeof(second.pack));
	first.offset = 4000;
	second.offset = 5000;
	assert_int_equal(moved_encode(&second.pack, &entry, 1, &file), 0);
	fake_remote_put("a", remote_store_pack_path(&second.pack, ".moved", path), file.data, file.len);
	buffer_clear(&file);
	entry = (struct moved_entry){.old_offset = 4000, .now = second};
	assert_int_equal(moved_encode(&first.pack, &entry, 1, &file), 0);
	fake_remote_put("a", remote_store_pack_path(&first.pack, ".moved", path), file.data, file.len);
	buffer_release(&file);
	for (unsigned i = 0; i < 2; i++) {
		before = fake_remote_requests("a");
		assert_int_equal(fetch_chunk_at(2, &first), 0);
		/* The version, two for each pack that is not there, and the one that is. */
		assert_int_equal(fake_remote_requests("a") - before, i ? 0 : 1 + 2 + 2 + 1);
	}
	first.offset = 4001;
	assert_int_equal(fetch_chunk_at(2, &first), -ENOENT);
}

/* A remote's words belong to its own failure: not to one of the same number that somebody else met, nor to the next. */
static void words_of_a_remote_go_with_its_failure(void **state)
{
	const struct locator other = {.offset = 100};
	char why[FETCH_WHY_SIZE];
	struct record record;

	(void)state;
	for (size_t i = 0; i < REMOTES; i++)
		fake_remote_plan(urls[i], &(struct fake_plan){.error = -EACCES});
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &root, &other, &record), -EACCES);
	fetch_why(fetch, -EIO, why);
	assert_string_equal(why, "");
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &root, &other, &record), -EACCES);
	fetch_why(fetch, -EACCES, why);
	assert_string_equal(why, "the remote 'b': so it is planned");
	/* Somebody else met the same. */
	fetch_why(fetch, -EACCES, why);
	assert_string_equal(why, "");
	assert_int_equal(fetch_read(fetch, RECORD_CHUNK, &root, &other, &record), -EACCES);
	fetch_why(fetch, 0, why);
	fetch_why(fetch, -EACCES, why);
	assert_string_equal(why, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(the_first_that_has_it_is_asked),        TEST(what_no_remote_has_is_enoent),
	    TEST(words_of_a_remote_go_with_its_failure), TEST(one_that_lies_is_passed_over),
	    TEST(a_store_that_is_gone_is_waited_for),    TEST(one_that_fails_rests),
	    TEST(a_wait_is_told_once_and_its_end),       TEST(failures_are_remembered),
	    TEST(reads_wait_for_remotes_that_come_back), TEST(the_wait_is_as_long_as_was_asked),
	    TEST(absence_is_believed_only_of_all),       TEST(a_wait_is_given_up),
	    TEST(another_version_is_not_read),           TEST(a_store_is_prepared_once),
	    TEST(records_are_found_where_they_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
