/* The cache: what is kept is read back, what is damaged was never there, and no state of the folder makes reads fail.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/cached.h"
#include "cache/record.h"
#include "tests/support/damage.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 20000
#define OFFSET 3000
#define BLOCK 131072
#define RANGE 32768 /* what is kept of each pack */

static struct fault fault;
static struct cached *cached;
static char *path;

static int try_open(uint64_t limit)
{
	const struct cached_setup setup = {.io = &fault.io, .path = path, .limit_bytes = limit};

	return cached_open(&setup, &cached);
}

static void open_again(uint64_t limit)
{
	cached_close(cached);
	cached = NULL;
	assert_int_equal(try_open(limit), 0);
}

static int set_up(void **state)
{
	*state = (void *)(uintptr_t)scratch_open_in_memory();
	path = scratch_path("cache");
	fault_init(&fault, io_system());
	open_again(UINT64_MAX);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cached_close(cached);
	cached = NULL;
	assert_int_equal(atomic_load(&fault.open_files), 0);
	free(path);
	scratch_close();
	return 0;
}

/* Sample N lies in a pack of its own. */
static struct locator place_of(unsigned n)
{
	return (struct locator){
	    .pack = {.bytes = {(uint8_t)(16 * n), 1, (uint8_t)n}}, .offset = OFFSET, .stored_len = LEN};
}

/* Keep sample N as it comes from a remote, with other bytes around it. */
static bool add(unsigned n)
{
	const struct record_header header = {
	    .kind = RECORD_CHUNK, .raw_len = LEN, .stored_len = LEN, .hashed_len = LEN};
	const struct locator at = place_of(n);
	uint8_t *range = malloc(RANGE), *stored = range + at.offset;
	struct sample sample;
	bool kept;

	damage_noise(n, range, RANGE);
	sample_init(&sample, RECORD_CHUNK, n, LEN);
	record_header_encode(&header, sample.data, stored);
	memcpy(stored + RECORD_HEADER_SIZE, sample.data, LEN);
	kept = cached_write(cached, &at.pack, 0, range, RANGE);
	sample_release(&sample);
	free(range);
	return kept;
}

/* Whether sample N is there, and right. */
static bool has(unsigned n)
{
	const size_t len = RECORD_HEADER_SIZE + LEN;
	const struct locator at = place_of(n);
	struct record record;
	struct sample sample;
	uint8_t *data = malloc(len);
	int error;

	sample_init(&sample, RECORD_CHUNK, n, LEN);
	error = cached_read(cached, &at.pack, at.offset, data, len);
	assert_true(error == 0 || error == -ENOENT);
	if (!error)
		error = record_decode(data, len, RECORD_CHUNK, &sample.id, &record);
	if (!error) {
		assert_int_equal(record.len, LEN);
		assert_memory_equal(record.data, sample.data, LEN);
		free(record.data);
	}
	sample_release(&sample);
	free(data);
	return !error;
}

static void what_was_kept_is_there_afterwards(void **state)
{
	struct cached_stats stats;
	struct stat st;

	(void)state;
	for (unsigned n = 0; n < 10; n++)
		assert_true(add(n));
	assert_true(add(3));
	open_again(UINT64_MAX);
	for (unsigned n = 0; n < 10; n++)
		assert_true(has(n));
	assert_false(has(10));
	cached_stats(cached, &stats);
	assert_int_equal(stats.hits, 10);
	assert_int_equal(stats.misses, 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void what_is_damaged_can_be_kept_again(void **state)
{
	(void)state;
	add(0);
	add(1);
	/* In the pack of one of them a byte of the record. */
	scratch_sh("set -- cache/packs/*/*; printf X | dd of=\"$1\" bs=1 seek=5000 conv=notrunc "
	           "status=none");
	assert_int_equal(has(0) + has(1), 1);
	/* It can be kept again. */
	add(0);
	add(1);
	open_again(UINT64_MAX);
	assert_true(has(0) && has(1));
}

static void nothing_in_the_folder_is_trusted(void **state)
{
	static const char *const harm[] = {
	    "rm -r cache/packs",
	    "for f in cache/packs/*/*; do chmod u+w $f; truncate -s 100 $f; done",
	    "for f in cache/packs/*/*; do chmod u+w $f; : >$f; done",
	    "for f in cache/packs/*/*; do rm $f; mkfifo $f; done",
	    "for f in cache/packs/*/*; do rm $f; mkdir $f; done",
	    "for f in cache/packs/*/*; do rm $f; ln -s /etc/passwd $f; done",
	    "for f in cache/packs/*/*; do head -c 5000 /dev/urandom >$f; done",
	    "rm -r cache/packs; ln -s ../outside cache/packs",
	    "rm -r cache/packs/*; for i in 00 10 20; do ln -s ../../outside cache/packs/$i; done",
	    "rm -r cache/packs; mkfifo cache/packs",
	    "chmod 0 cache/packs/*/*",
	    "rm -r cache/roots; mkdir cache/roots; mkfifo cache/roots/0; mkdir cache/roots/a; mkfifo cache/roots/a/b",
	    "rm -r cache",
	    "echo x >cache/packs/zz; mkdir cache/packs/aa/; touch cache/packs/aa/odd",
	};

	(void)state;
	scratch_sh("mkdir outside; cd outside; mkdir 00 10; touch 00/a 00000000000000000000000000000000");
	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		for (unsigned n = 0; n < 3; n++)
			add(n);
		open_again(UINT64_MAX);
		scratch_try("%s", harm[i]);
		for (unsigned n = 0; n < 3; n++)
			has(n);
		for (unsigned n = 0; n < 3; n++)
			add(n);
		cached_trim(cached, 0);
		cached_close(cached);
		cached = NULL;
		scratch_sh("[ \"$(find outside | wc -l)\" = 5 ]");
		scratch_sh("chmod -R u+rwX cache 2>/dev/null; rm -rf cache");
		assert_int_equal(try_open(UINT64_MAX), 0);
	}
}

static void what_was_used_longest_ago_goes_first(void **state)
{
	struct cached_size size;

	(void)state;
	for (unsigned n = 0; n < 5; n++)
		add(n);
	scratch_sh("for f in cache/packs/*/*; do touch -d '2026-01-01' $f; done");
	assert_true(has(1) && has(3));
	assert_int_equal(cached_trim(cached, 2 * RANGE), 0);
	assert_true(has(1) && has(3));
	assert_false(has(0) || has(2) || has(4));
	assert_int_equal(cached_measure(cached, &size), 0);
	assert_int_equal(size.packs, 2);
	assert_int_equal(cached_trim(cached, 0), 0);
	assert_false(has(1) || has(3));
}

static void the_limit_is_kept_when_it_closes(void **state)
{
	struct cached_size size;

	(void)state;
	for (unsigned n = 0; n < 6; n++) {
		open_again(3 * RANGE);
		add(n);
	}
	open_again(3 * RANGE);
	assert_int_equal(cached_measure(cached, &size), 0);
	assert_true(size.bytes <= 3 * RANGE);
	assert_true(has(5));
}

static void a_full_disk_keeps_nothing_and_hurts_nobody(void **state)
{
	(void)state;
	add(0);
	open_again(UINT64_MAX);
	atomic_store(&fault.room, 0);
	add(1);
	open_again(UINT64_MAX);
	assert_true(has(0));
	assert_false(has(1));
	atomic_store(&fault.room, -1);
	add(2);
	open_again(UINT64_MAX);
	assert_true(has(0) && has(2));
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
	(void)state;
	cached_close(cached);
	cached = NULL;
	scratch_sh("rm -r cache; touch cache");
	assert_true(try_open(UINT64_MAX) < 0);
	scratch_sh("rm cache");
	fault_set(&fault, FAULT_MKDIR, 1, 100, -EROFS);
	assert_true(try_open(UINT64_MAX) < 0);
	fault_clear(&fault);
	/* One that is there can be read all the same. */
	assert_int_equal(try_open(UINT64_MAX), 0);
	add(0);
	open_again(UINT64_MAX);
	fault_set(&fault, FAULT_WRITE, 1, 1000, -EROFS);
	fault_set(&fault, FAULT_MKDIR, 1, 1000, -EROFS);
	open_again(UINT64_MAX);
	assert_true(has(0));
}

static void add_part(void *arg, uint64_t begin, uint64_t end)
{
	uint64_t *sums = arg;

	sums[0]++;
	sums[1] += end - begin;
}

static void parts_are_told(void **state)
{
	const struct locator at = place_of(1);
	uint64_t sums[2] = {0}; /* parts, their bytes */
	uint8_t *block = calloc(1, BLOCK);
	struct cached_size size;

	(void)state;
	memset(block, 'x', BLOCK);
	assert_true(cached_write(cached, &at.pack, 4 * BLOCK, block, BLOCK));
	assert_true(cached_write(cached, &at.pack, 8 * BLOCK, block, BLOCK));
	cached_each_part(cached, &at.pack, add_part, sums);
	assert_int_equal(sums[0], 2);
	assert_int_equal(sums[1], 2 * BLOCK);
	assert_false(has(1));
	assert_int_equal(cached_read(cached, &at.pack, 9 * BLOCK - 1, block, 2), -ENOENT);
	assert_int_equal(cached_measure(cached, &size), 0);
	assert_int_equal(size.packs, 1);
	assert_in_range(size.bytes, 2 * BLOCK, 3 * BLOCK);
	free(block);
}

/* Each store's own: where the parts of a page lie is no part of its id. */
static void roots_are_kept_for_each_store(void **state)
{
	struct id id = {.bytes = {7}};
	size_t len;
	void *data;

	(void)state;
	cached_write_root(cached, 1, &id, "of the first store", 18);
	cached_write_root(cached, 2, &id, "of the second", 13);
	cached_write_root(cached, 1, &id, "shorter", 7);
	assert_int_equal(cached_read_root(cached, 1, &id, &data, &len), 0);
	assert_int_equal(len, 7);
	assert_memory_equal(data, "shorter", 7);
	free(data);
	assert_int_equal(cached_read_root(cached, 2, &id, &data, &len), 0);
	assert_int_equal(len, 13);
	free(data);
	assert_int_equal(cached_read_root(cached, 3, &id, &data, &len), -ENOENT);
	assert_int_equal(cached_trim(cached, 0), 0);
	assert_int_equal(cached_read_root(cached, 2, &id, &data, &len), -ENOENT);
}

/* A folder that the group may write to is the group's. */
static void a_shared_folder_is_the_groups(void **state)
{
	(void)state;
	cached_close(cached);
	cached = NULL;
	scratch_sh("chmod 2770 cache");
	assert_int_equal(try_open(UINT64_MAX), 0);
	assert_true(add(0));
	scratch_sh(
	    "[ \"$(stat -c %%a cache/packs cache/packs/* cache/packs/*/* | sort -u | tr '\\n' ' ')\" = '2770 660 ' ]");
}

/* Two processes at once, as far as the folder can tell. */
static void several_use_one_folder(void **state)
{
	const struct cached_setup setup = {.io = io_system(), .path = path, .limit_bytes = UINT64_MAX};
	struct cached *mine = cached, *other;

	(void)state;
	assert_int_equal(cached_open(&setup, &other), 0);
	add(0);
	cached = other;
	add(1);
	cached_close(other);
	cached = mine;
	open_again(UINT64_MAX);
	assert_true(has(0) && has(1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void how_much_there_is_is_known_without_waiting(void **state)
{
	struct cached_size size;
	uint64_t bytes = 0;

	(void)state;
	open_again(123456789);
	assert_int_equal(cached_limit(cached), 123456789);
	assert_true(add(0));
	while (!cached_known_bytes(cached, &bytes))
		sched_yield();
	assert_int_equal(cached_measure(cached, &size), 0);
	assert_int_equal(bytes, size.bytes);
	/* What is put there and what goes is known without another look. */
	assert_true(add(1));
	assert_true(cached_known_bytes(cached, &bytes));
	assert_int_equal(bytes, size.bytes + RANGE);
	assert_int_equal(cached_trim(cached, 0), 0);
	assert_true(cached_known_bytes(cached, &bytes));
	assert_int_equal(bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_was_kept_is_there_afterwards),
	    TEST(what_is_damaged_can_be_kept_again),
	    TEST(nothing_in_the_folder_is_trusted),
	    TEST(what_was_used_longest_ago_goes_first),
	    TEST(the_limit_is_kept_when_it_closes),
	    TEST(how_much_there_is_is_known_without_waiting),
	    TEST(a_full_disk_keeps_nothing_and_hurts_nobody),
	    TEST(a_folder_that_cannot_be_made_is_told),
	    TEST(several_use_one_folder),
	    TEST(parts_are_told),
	    TEST(roots_are_kept_for_each_store),
	    TEST(a_shared_folder_is_the_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
