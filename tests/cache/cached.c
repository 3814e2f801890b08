/* The cache: what is kept is read back, what is damaged was never there, and no state of the folder makes reads fail.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/cached.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 20000

static struct fault fault;
static struct cached *cached;
static char *path;

static int try_open(uint64_t limit)
{
	const struct cached_setup setup = {.io = &fault.io, .path = path, .limit_bytes = limit};

	return cached_open(&setup, &cached);
}

/* Close, so that all that waits is written, and open anew. */
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

/* Keep sample N as it would come from a remote. */
static void add(unsigned n)
{
	struct record_header header = {.kind = RECORD_CHUNK, .raw_len = LEN, .stored_len = LEN, .hashed_len = LEN};
	uint8_t *stored = malloc(RECORD_HEADER_SIZE + LEN);
	struct sample sample;

	sample_init(&sample, RECORD_CHUNK, n, LEN);
	record_header_encode(&header, sample.data, stored);
	memcpy(stored + RECORD_HEADER_SIZE, sample.data, LEN);
	cached_add(cached, RECORD_CHUNK, &sample.id, stored, RECORD_HEADER_SIZE + LEN);
	sample_release(&sample);
	free(stored);
}

/* Whether sample N is there, and right. */
static bool has(unsigned n)
{
	struct record record;
	struct sample sample;
	int error;

	sample_init(&sample, RECORD_CHUNK, n, LEN);
	error = cached_read(cached, RECORD_CHUNK, &sample.id, &record);
	assert_true(error == 0 || error == -ENOENT);
	if (!error) {
		assert_int_equal(record.len, LEN);
		assert_memory_equal(record.data, sample.data, LEN);
		free(record.data);
	}
	sample_release(&sample);
	return !error;
}

static void what_was_kept_is_there_afterwards(void **state)
{
	struct cached_stats stats;
	struct stat st;

	(void)state;
	for (unsigned n = 0; n < 10; n++)
		add(n);
	add(3);
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

static void what_is_damaged_was_never_there(void **state)
{
	struct cached_stats stats;

	(void)state;
	add(0);
	open_again(UINT64_MAX);
	add(1);
	open_again(UINT64_MAX);
	/* In the pack of one of them a byte of the record. */
	scratch_sh("set -- cache/packs/*/*; chmod u+w \"$1\"; printf X | dd of=\"$1\" bs=1 seek=5000 conv=notrunc "
	           "status=none");
	assert_int_equal(has(0) + has(1), 1);
	cached_stats(cached, &stats);
	assert_int_equal(stats.damaged, 1);
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
	    "rm -r cache/hints; mkfifo cache/hints",
	    "for f in cache/hints/*; do head -c 5000 /dev/urandom >$f; done",
	    "rm -r cache",
	    "echo x >cache/packs/zz; mkdir cache/packs/aa/; touch cache/packs/aa/odd",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		for (unsigned n = 0; n < 3; n++)
			add(n);
		open_again(UINT64_MAX);
		scratch_try("%s", harm[i]);
		for (unsigned n = 0; n < 3; n++)
			has(n);
		for (unsigned n = 0; n < 3; n++)
			add(n);
		cached_close(cached);
		cached = NULL;
		scratch_sh("chmod -R u+rwX cache 2>/dev/null; rm -rf cache");
		assert_int_equal(try_open(UINT64_MAX), 0);
	}
}

static void what_was_used_longest_ago_goes_first(void **state)
{
	struct store_size size;

	(void)state;
	for (unsigned n = 0; n < 5; n++) {
		add(n);
		open_again(UINT64_MAX);
	}
	scratch_sh("for f in cache/packs/*/*; do touch -d '2026-01-01' $f; done");
	assert_true(has(1) && has(3));
	assert_int_equal(cached_trim(cached, 2 * (LEN + 1000)), 0);
	assert_true(has(1) && has(3));
	assert_false(has(0) || has(2) || has(4));
	assert_int_equal(cached_measure(cached, &size), 0);
	assert_int_equal(size.packs, 2);
	assert_int_equal(cached_trim(cached, 0), 0);
	assert_false(has(1) || has(3));
}

static void the_limit_is_kept_when_it_closes(void **state)
{
	struct store_size size;

	(void)state;
	for (unsigned n = 0; n < 6; n++) {
		open_again(3 * LEN);
		add(n);
	}
	open_again(3 * LEN);
	assert_int_equal(cached_measure(cached, &size), 0);
	assert_true(size.bytes <= 3 * LEN);
	assert_true(has(5));
}

static void a_full_disk_keeps_nothing_and_hurts_nobody(void **state)
{
	struct cached_stats stats;

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
	cached_stats(cached, &stats);
	assert_int_equal(stats.damaged, 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(what_was_kept_is_there_afterwards),    TEST(what_is_damaged_was_never_there),
	    TEST(nothing_in_the_folder_is_trusted),     TEST(what_was_used_longest_ago_goes_first),
	    TEST(the_limit_is_kept_when_it_closes),     TEST(a_full_disk_keeps_nothing_and_hurts_nobody),
	    TEST(a_folder_that_cannot_be_made_is_told), TEST(several_use_one_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
