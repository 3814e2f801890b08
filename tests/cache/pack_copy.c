/* Whole packs of a remote: their indexes read there, and copies brought here; no damage passes. */
#include "cache/pack_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/remote_pack.h"
#include "cache/shelf.h"
#include "tests/support/damage.h"
#include "tests/support/fake_remote.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define URL "fake://lab"
#define COUNT 3

static struct {
	struct store *store;
	struct remote *remote;
	struct pack_id id;
	char path[SHELF_PATH_SIZE];
	void *file; /* the pack's bytes */
	size_t len;
	int dirfd; /* of the scratch folder */
} w;

static int set_up(void **state)
{
	const struct remote_setup setup = {.io = io_system(), .name = "lab", .url = URL};
	char *path;
	struct store_writer *writer;
	struct locator at;

	(void)state;
	scratch_open_in_memory();
	fake_remote_clear();
	path = scratch_path("store");
	assert_int_equal(store_open(sample_io(), path, STORE_CREATE, 0, &w.store), 0);
	free(path);
	path = scratch_path(".");
	w.dirfd = open(path, O_RDONLY | O_DIRECTORY);
	free(path);
	assert_int_equal(store_writer_open(w.store, &writer), 0);
	for (unsigned n = 0; n < COUNT; n++)
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, 20, &at), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	store_writer_close(writer);
	w.id = at.pack;
	shelf_path(&w.id, "", w.path);
	assert_int_equal(io_read_file(io_system(), store_dirfd(w.store), w.path, 1 << 20, &w.file, &w.len), 0);
	fake_remote_put(URL, w.path, w.file, w.len);
	return remote_open_kind(&setup, &remote_kind_fake, &w.remote);
}

static int tear_down(void **state)
{
	(void)state;
	remote_close(w.remote);
	store_close(w.store);
	free(w.file);
	io_close(io_system(), w.dirfd);
	fake_remote_clear();
	scratch_close();
	return 0;
}

static void index_is_that_of_the_pack(void **state)
{
	struct pack_entry *here, *there;
	struct pack *pack;
	size_t count;

	(void)state;
	assert_int_equal(store_pin_pack(w.store, &w.id, &pack), 0);
	assert_int_equal(pack_read_index(pack, &here), 0);
	assert_int_equal(remote_pack_read_index(w.remote, &w.id, w.len, &there, &count), 0);
	assert_int_equal(count, COUNT);
	assert_memory_equal(here, there, COUNT * sizeof(*here));
	assert_int_equal(pack_copy_check(pack), 0);
	store_unpin_pack(w.store, pack);
	free(here);
	free(there);
	assert_int_equal(remote_pack_read_index(w.remote, &w.id, w.len - 1, &there, &count), -EBADMSG);
	assert_int_equal(remote_pack_read_index(w.remote, &w.id, w.len + 1, &there, &count), -EBADMSG);
	assert_int_equal(remote_pack_read_index(w.remote, &w.id, 3, &there, &count), -EBADMSG);
	assert_int_equal(remote_pack_read_index(w.remote, &(struct pack_id){{1}}, w.len, &there, &count), -ENOENT);
}

/* An index that is longer than what is read at first. */
static void long_index_is_read(void **state)
{
	struct store_writer *writer;
	struct pack_entry *entries;
	struct locator at;
	char path[SHELF_PATH_SIZE];
	size_t count, len;
	void *file;

	(void)state;
	assert_int_equal(store_writer_open(w.store, &writer), 0);
	for (unsigned n = COUNT; n < 2000; n++)
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, 20, &at), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	store_writer_close(writer);
	assert_int_equal(
	    io_read_file(io_system(), store_dirfd(w.store), shelf_path(&at.pack, "", path), 1 << 20, &file, &len), 0);
	fake_remote_put(URL, path, file, len);
	free(file);
	assert_int_equal(remote_pack_read_index(w.remote, &at.pack, len, &entries, &count), 0);
	assert_int_equal(count, 2000 - COUNT);
	free(entries);
}

static void try_index(void *arg, const uint8_t *data, size_t len)
{
	struct pack_entry *entries;
	unsigned *read = arg;
	size_t count;
	int error;

	fake_remote_put(URL, w.path, data, len);
	error = remote_pack_read_index(w.remote, &w.id, len, &entries, &count);
	assert_true(error == 0 || error == -EBADMSG);
	if (error)
		return;
	assert_int_equal(count, COUNT);
	free(entries);
	(*read)++;
}

static void damaged_indexes_are_refused(void **state)
{
	unsigned read = 0;

	(void)state;
	damage_each(w.file, w.len, try_index, &read);
	/* Records are no part of it. */
	assert_true(read > 0);
}

static void copies_are_whole(void **state)
{
	(void)state;
	assert_int_equal(pack_copy_fetch(io_system(), w.remote, &w.id, w.dirfd, "copy", 0444), 0);
	scratch_sh("cmp copy store/%s && test $(stat -c %%a copy) = 444", w.path);
	assert_int_equal(pack_copy_fetch(io_system(), w.remote, &w.id, w.dirfd, "copy", 0444), -EEXIST);
	assert_int_equal(pack_copy_fetch(io_system(), w.remote, &(struct pack_id){{1}}, w.dirfd, "none", 0444),
	                 -ENOENT);
	fake_remote_plan(URL, &(struct fake_plan){.flips_early = true});
	assert_int_equal(pack_copy_fetch(io_system(), w.remote, &w.id, w.dirfd, "none", 0444), -EBADMSG);
	fake_remote_plan(URL, &(struct fake_plan){.short_by = 1});
	assert_int_equal(pack_copy_fetch(io_system(), w.remote, &w.id, w.dirfd, "none", 0444), -EBADMSG);
	fake_remote_plan(URL, &(struct fake_plan){.error = -ETIMEDOUT});
	assert_int_equal(pack_copy_fetch(io_system(), w.remote, &w.id, w.dirfd, "none", 0444), -ETIMEDOUT);
	scratch_sh("test ! -e none");
}

/* Every byte of a record that is another is found. */
static void damaged_records_are_found(void **state)
{
	uint8_t *bytes = malloc(w.len);
	struct pack_entry *entries;
	size_t count, first = w.len, end = 0;

	(void)state;
	assert_int_equal(remote_pack_read_index(w.remote, &w.id, w.len, &entries, &count), 0);
	for (size_t i = 0; i < count; i++) {
		if (entries[i].offset < first)
			first = entries[i].offset;
		if (entries[i].offset + RECORD_HEADER_SIZE + entries[i].stored_len > end)
			end = entries[i].offset + RECORD_HEADER_SIZE + entries[i].stored_len;
	}
	free(entries);
	memcpy(bytes, w.file, w.len);
	for (size_t at = first; at < end; at++) {
		bytes[at] ^= 0x10;
		fake_remote_put(URL, w.path, bytes, w.len);
		bytes[at] ^= 0x10;
		int error = pack_copy_fetch(io_system(), w.remote, &w.id, w.dirfd, "copy", 0444);
		assert_true(error == -EBADMSG || error == -ENOTSUP);
	}
	free(bytes);
	scratch_sh("test ! -e copy");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(index_is_that_of_the_pack, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(long_index_is_read, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(damaged_indexes_are_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(copies_are_whole, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(damaged_records_are_found, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
