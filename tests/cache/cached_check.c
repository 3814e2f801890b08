/* Checking the cache: damage is found and removed, what is whole or merely not all there stays. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/cached_check.h"
#include "cache/remote_store.h"
#include "tests/support/damage.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 70
#define RECORDS 4
#define RECORD_BYTES (24 + LEN)

static struct fault fault;
static struct cached *cached;
static struct pack_id id;
static uint8_t *pack;
static size_t pack_len;
static unsigned told;

/* Take a pack of KIND into memory. */
static void make_pack(unsigned kind)
{
	char name[REMOTE_PATH_SIZE], *there = scratch_path("there");
	struct store_writer *writer;
	struct locator at;
	struct store *store;
	void *data;

	assert_int_equal(store_open(sample_io(), there, STORE_CREATE, 0, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), 0);
	for (unsigned n = 0; n < RECORDS; n++)
		assert_int_equal(sample_put(writer, kind, n, LEN, &at), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	store_writer_close(writer);
	id = at.pack;
	remote_store_pack_path(&id, "", name);
	assert_int_equal(io_read_file(store_io(store), store_dirfd(store), name, 1 << 20, &data, &pack_len), 0);
	free(pack);
	pack = data;
	store_close(store);
	free(there);
}

static int set_up(void **state)
{
	struct cached_setup setup = {.limit_bytes = UINT64_MAX};
	char *path;

	*state = (void *)(uintptr_t)scratch_open_in_memory();
	path = scratch_path("cache");
	fault_init(&fault, io_system());
	setup.io = &fault.io;
	setup.path = path;
	assert_int_equal(cached_open(&setup, &cached), 0);
	free(path);
	pack = NULL;
	make_pack(RECORD_CHUNK);
	told = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	cached_close(cached);
	assert_int_equal(atomic_load(&fault.open_files), 0);
	free(pack);
	scratch_close();
	return 0;
}

static void tell(void *arg, const char *path)
{
	(void)arg;
	assert_true(!strncmp(path, "packs/", 6) || !strncmp(path, "roots/", 6));
	told++;
}

static struct cached_check check(void)
{
	struct cached_check result;

	told = 0;
	assert_int_equal(cached_check(cached, tell, NULL, NULL, &result), 0);
	assert_int_equal(told, result.damaged);
	return result;
}

static void keep(const uint8_t *data, size_t len)
{
	assert_int_equal(cached_clear(cached), 0);
	assert_true(cached_write(cached, &id, 0, data, len));
}

static void whole_pack_is_checked_by_its_ids(void **state)
{
	struct cached_check result;

	(void)state;
	keep(pack, pack_len);
	result = check();
	assert_int_equal(result.packs, 1);
	assert_int_equal(result.records, RECORDS);
	assert_int_equal(result.checked_bytes, RECORDS * RECORD_BYTES);
	assert_int_equal(result.damaged, 0);
}

/* However much of it there is, records of either kind: what is not there is no damage. */
static void beginning_of_a_pack_is_whole(void **state)
{
	(void)state;
	for (unsigned kind = RECORD_CHUNK; kind <= RECORD_PAGE; kind++) {
		make_pack(kind);
		const size_t record = 24 + LEN;

		for (size_t len = 1; len < pack_len; len++) {
			const size_t records = len < 64 ? 0 : (len - 64) / record;
			struct cached_check result;

			keep(pack, len);
			result = check();
			assert_int_equal(result.damaged, 0);
			assert_int_equal(result.records, records < RECORDS ? records : RECORDS);
		}
	}
}

static void every_flipped_byte_of_a_record_is_found(void **state)
{
	struct cached_check result;

	(void)state;
	for (size_t at = 0; at < 64 + RECORDS * RECORD_BYTES; at++) {
		pack[at] ^= 1;
		/* With the index, and without. */
		keep(pack, pack_len);
		result = check();
		assert_int_equal(result.damaged, 1);
		assert_true(result.removed_bytes >= pack_len);
		assert_int_equal(check().packs, 0);
		/* A length that leads behind what is there may be right. */
		keep(pack, 64 + RECORDS * RECORD_BYTES + 10);
		result = check();
		if (at < 64 || (at - 64) % RECORD_BYTES < 8 || (at - 64) % RECORD_BYTES > 11)
			assert_int_equal(result.damaged, 1);
		pack[at] ^= 1;
	}
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	struct cached_check result;

	(void)arg;
	if (!len)
		return;
	keep(data, len);
	result = check();
	assert_in_range(result.records, 0, RECORDS);
	/* What is damaged is gone. */
	assert_int_equal(check().damaged, 0);
}

static void damaged_copies_do_no_harm(void **state)
{
	(void)state;
	damage_each(pack, pack_len, try_damaged, NULL);
}

static void what_lies_behind_a_hole_is_checked_by_the_index_alone(void **state)
{
	const size_t from = 64 + 2 * RECORD_BYTES;
	uint8_t *shifted = calloc(1, 1 << 20);
	struct cached_check result;

	(void)state;
	assert_true(cached_write(cached, &id, from, pack + from, pack_len - from));
	result = check();
	assert_int_equal(result.records, 2);
	assert_int_equal(result.damaged, 0);
	/* Without it nothing is known. */
	assert_int_equal(cached_clear(cached), 0);
	memcpy(shifted, pack + 64, RECORD_BYTES);
	shifted[40] ^= 1;
	assert_true(cached_write(cached, &id, 1 << 20, shifted, 4096));
	result = check();
	assert_int_equal(result.packs, 1);
	assert_int_equal(result.records, 0);
	assert_int_equal(result.damaged, 0);
	free(shifted);
}

static void pack_of_another_name_is_damaged(void **state)
{
	(void)state;
	id.bytes[3] ^= 1;
	keep(pack, pack_len);
	assert_int_equal(check().damaged, 1);
}

static void roots_are_checked(void **state)
{
	char *there = scratch_path("there"), *path;
	uint8_t page[100] = "a page";
	struct cached_check result;
	struct store *store;
	struct id root;
	size_t len;
	void *data;

	(void)state;
	id_of(page, sizeof(page), &root);
	assert_int_equal(store_open(sample_io(), there, STORE_CREATE, 0, &store), 0);
	assert_int_equal(store_put_root(store, &root, page, sizeof(page), sizeof(page)), 0);
	store_close(store);
	path = scratch_output("echo there/roots/*/*");
	free(there);
	there = scratch_path(path);
	assert_int_equal(io_read_file(io_system(), -1, there, 1 << 20, &data, &len), 0);
	cached_write_root(cached, 5, &root, data, len);
	result = check();
	assert_int_equal(result.roots, 1);
	assert_int_equal(result.checked_bytes, len);
	((uint8_t *)data)[len - 1] ^= 1;
	cached_write_root(cached, 5, &root, data, len);
	assert_int_equal(check().damaged, 1);
	assert_int_equal(check().roots, 0);
	free(data);
	free(path);
	free(there);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(whole_pack_is_checked_by_its_ids, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(beginning_of_a_pack_is_whole, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(every_flipped_byte_of_a_record_is_found, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(damaged_copies_do_no_harm, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(what_lies_behind_a_hole_is_checked_by_the_index_alone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(pack_of_another_name_is_damaged, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(roots_are_checked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
