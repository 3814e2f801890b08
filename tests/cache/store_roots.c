/* Root files: made once, read with all checks, replaced only when damaged. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/store.h"
#include "tests/support/damage.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 120

struct world {
	struct store *store;
	struct fault fault;
	struct sample page;
	char *path; /* of the page's root file */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char hex[ID_HEX_SIZE], name[128];
	assert_non_null(w);
	scratch_open_in_memory();
	char *path = scratch_path("store");
	fault_init(&w->fault, io_system());
	assert_int_equal(store_open(&w->fault.io, path, STORE_CREATE, 0, &w->store), 0);
	free(path);
	sample_init(&w->page, RECORD_PAGE, 1, LEN);
	id_format(&w->page.id, hex);
	snprintf(name, sizeof(name), "store/roots/%.2s/%s", hex, hex);
	w->path = scratch_path(name);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	store_close(w->store);
	sample_release(&w->page);
	scratch_close();
	free(w->path);
	free(w);
	return 0;
}

static int put(struct world *w)
{
	return store_put_root(w->store, &w->page.id, w->page.data, w->page.len, w->page.hashed_len);
}

/* -EINVAL where other bytes come than were put. */
static int read_back(struct world *w)
{
	struct record record;
	int r = store_read_root(w->store, &w->page.id, &record);
	if (r < 0)
		return r;
	if (record.len != LEN || record.hashed_len != w->page.hashed_len || memcmp(record.data, w->page.data, LEN) != 0)
		r = -EINVAL;
	free(record.data);
	return r;
}

static uint8_t *contents(struct world *w, size_t *len)
{
	void *data;
	assert_int_equal(io_read_file(io_system(), AT_FDCWD, w->path, 1 << 20, &data, len), 0);
	return data;
}

static void overwrite(struct world *w, const uint8_t *data, size_t len)
{
	unlink(w->path);
	int fd = open(w->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static void absent_root_is_enoent(void **state)
{
	struct world *w = *state;
	assert_int_equal(store_has_root(w->store, &w->page.id), -ENOENT);
	assert_int_equal(read_back(w), -ENOENT);
	assert_int_equal(store_remove_root(w->store, &w->page.id), -ENOENT);
}

static void root_that_was_put_is_read(void **state)
{
	struct world *w = *state;
	size_t len;
	assert_int_equal(put(w), 0);
	assert_int_equal(store_has_root(w->store, &w->page.id), 0);
	assert_int_equal(read_back(w), 0);
	uint8_t *file = contents(w, &len);
	assert_memory_equal(file, "revfsROT\1\0\0\0", 12);
	assert_int_equal(len, 64 + 24 + LEN);
	free(file);
}

static void root_that_compresses_is_stored_smaller(void **state)
{
	struct world *w = *state;
	struct record record;
	struct id id;
	uint8_t zeros[5000] = {0};
	id_of(zeros, 4000, &id);
	assert_int_equal(store_put_root(w->store, &id, zeros, 5000, 4000), 0);
	assert_int_equal(store_read_root(w->store, &id, &record), 0);
	assert_int_equal(record.len, 5000);
	assert_int_equal(record.hashed_len, 4000);
	free(record.data);
	struct store_size size;
	assert_int_equal(store_measure(w->store, &size), 0);
	assert_true(size.bytes < 200);
}

static void good_root_is_never_written_again(void **state)
{
	struct world *w = *state;
	assert_int_equal(put(w), 0);
	uint64_t writes = w->fault.calls[FAULT_WRITE];
	assert_int_equal(put(w), 0);
	assert_int_equal(w->fault.calls[FAULT_WRITE], writes);
	/* But its name is made durable: whoever wrote it may not have come to that. */
	fault_set(&w->fault, FAULT_FSYNC, 1, 1, -EIO);
	assert_int_equal(put(w), -EIO);
}

static void try_damaged(void *arg, const uint8_t *data, size_t len)
{
	struct world *w = arg;
	overwrite(w, data, len);
	assert_int_equal(read_back(w), -EBADMSG);
}

static void every_damage_is_noticed(void **state)
{
	struct world *w = *state;
	size_t len;
	assert_int_equal(put(w), 0);
	uint8_t *file = contents(w, &len);
	damage_each(file, len, try_damaged, w);
	free(file);
}

static void damaged_root_is_replaced(void **state)
{
	struct world *w = *state;
	assert_int_equal(put(w), 0);
	overwrite(w, (const uint8_t *)"x", 1);
	assert_int_equal(read_back(w), -EBADMSG);
	assert_int_equal(put(w), 0);
	assert_int_equal(read_back(w), 0);
	unlink(w->path);
	assert_int_equal(symlink("/etc/passwd", w->path), 0);
	assert_int_equal(read_back(w), -EBADMSG);
	assert_int_equal(put(w), 0);
	assert_int_equal(read_back(w), 0);
}

static void root_above_the_limit_is_damage(void **state)
{
	struct world *w = *state;
	assert_int_equal(put(w), 0);
	assert_int_equal(chmod(w->path, 0600), 0); /* for who is not root */
	assert_int_equal(truncate(w->path, 64 + 24 + (1 << 20) + 1), 0);
	assert_int_equal(read_back(w), -EBADMSG);
}

static int note_root(void *arg, const struct id *id)
{
	struct id *ids = arg;
	unsigned n = 0;
	while (ids[n].bytes[0] || ids[n].bytes[1])
		n++;
	assert_true(n < 3);
	ids[n] = *id;
	return n == 2 ? 7 : 0;
}

static void roots_are_told_in_order(void **state)
{
	struct world *w = *state;
	struct id ids[4] = {0};
	for (unsigned n = 1; n <= 3; n++) {
		struct sample page;
		sample_init(&page, RECORD_PAGE, n, LEN);
		assert_int_equal(store_put_root(w->store, &page.id, page.data, page.len, page.hashed_len), 0);
		sample_release(&page);
	}
	assert_int_equal(store_each_root(w->store, note_root, ids), 7);
	assert_true(id_cmp(&ids[0], &ids[1]) < 0 && id_cmp(&ids[1], &ids[2]) < 0);
	assert_int_equal(store_remove_root(w->store, &w->page.id), 0);
	assert_int_equal(store_has_root(w->store, &w->page.id), -ENOENT);
}

/* Each call of each kind fails in turn: the root is whole or not there, and the next try succeeds. */
static void failures_leave_a_whole_root_or_none(void **state)
{
	struct world *w = *state;
	for (unsigned kind = 0; kind < FAULT_CALLS; kind++) {
		for (uint64_t nth = 1;; nth++) {
			unlink(w->path);
			fault_clear(&w->fault);
			fault_set(&w->fault, kind, nth, 1, -ENOSPC);
			int r = put(w);
			const bool met = w->fault.calls[kind] >= nth;
			fault_clear(&w->fault);
			int there = read_back(w);
			assert_true(there == 0 || (r < 0 && there == -ENOENT));
			assert_int_equal(put(w), 0);
			assert_int_equal(read_back(w), 0);
			if (!met)
				break;
			assert_true(nth < 100);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(absent_root_is_enoent, setup, teardown),
	    cmocka_unit_test_setup_teardown(root_that_was_put_is_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(root_that_compresses_is_stored_smaller, setup, teardown),
	    cmocka_unit_test_setup_teardown(good_root_is_never_written_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_damage_is_noticed, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_root_is_replaced, setup, teardown),
	    cmocka_unit_test_setup_teardown(root_above_the_limit_is_damage, setup, teardown),
	    cmocka_unit_test_setup_teardown(roots_are_told_in_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(failures_leave_a_whole_root_or_none, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
