/* Moved and condemned files of a store, and removing packs: whole or not there, whatever fails. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/writer.h"
#include "tests/support/disk.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 500

struct world {
	char *path;
	struct fault fault;
	struct store *store;
	struct locator at[2]; /* of chunks 0 and 1 */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct store_writer *writer;
	assert_non_null(w);
	scratch_open_in_memory();
	w->path = scratch_path("store");
	fault_init(&w->fault, io_system());
	assert_int_equal(store_open(&w->fault.io, w->path, STORE_CREATE, 0, &w->store), 0);
	assert_int_equal(store_writer_open(w->store, &writer), 0);
	for (unsigned n = 0; n < 2; n++)
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, LEN, &w->at[n]), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	store_writer_close(writer);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	store_close(w->store);
	scratch_close();
	free(w->path);
	free(w);
	return 0;
}

static void make_items(struct world *w, struct condemned items[2])
{
	memset(items, 0, 2 * sizeof(*items));
	items[0].is_root = true;
	items[0].root = sample_id(RECORD_PAGE, 1, LEN);
	items[1].pack = w->at[0].pack;
}

static size_t count_condemned(struct store *store)
{
	struct condemned *items;
	size_t count;
	assert_int_equal(store_read_condemned(store, &items, &count), 0);
	free(items);
	return count;
}

static void condemned_items_are_read_sorted_with_their_time(void **state)
{
	struct world *w = *state;
	struct condemned items[2], *read;
	size_t count;
	assert_int_equal(count_condemned(w->store), 0);
	make_items(w, items);
	int64_t before = io_now(&w->fault.io).tv_sec;
	assert_int_equal(store_condemn(w->store, items, 2), 0);
	assert_int_equal(store_read_condemned(w->store, &read, &count), 0);
	assert_int_equal(count, 2);
	assert_false(read[0].is_root);
	assert_true(pack_id_equal(&read[0].pack, &items[1].pack));
	assert_true(read[1].is_root);
	assert_true(id_equal(&read[1].root, &items[0].root));
	assert_in_range(read[0].since, before, before + 5);
	free(read);
}

static void earliest_time_counts(void **state)
{
	struct world *w = *state;
	struct condemned items[2], *read;
	size_t count;
	make_items(w, items);
	int64_t before = io_now(&w->fault.io).tv_sec;
	assert_int_equal(store_condemn(w->store, items, 2), 0);
	w->fault.clock_ns = (uint64_t)86400 * 1000000000;
	assert_int_equal(store_condemn(w->store, items + 1, 1), 0);
	assert_int_equal(store_read_condemned(w->store, &read, &count), 0);
	assert_int_equal(count, 2);
	assert_in_range(read[0].since, before, before + 5);
	free(read);
	assert_int_equal(store_clear_condemned(w->store), 0);
	assert_int_equal(count_condemned(w->store), 0);
	assert_int_equal(store_condemn(w->store, items + 1, 1), 0);
	assert_int_equal(store_read_condemned(w->store, &read, &count), 0);
	assert_in_range(read[0].since, before + 86400, before + 86405);
	free(read);
}

static void condemned_items_keep_the_times_they_are_given(void **state)
{
	struct world *w = *state;
	struct condemned items[2], *read;
	size_t count;
	make_items(w, items);
	assert_int_equal(store_condemn(w->store, items, 2), 0);
	items[0].since = 500;
	items[1].since = 700;
	assert_int_equal(store_set_condemned(w->store, items, 2), 0);
	assert_int_equal(store_read_condemned(w->store, &read, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(read[0].since, 700);
	assert_int_equal(read[1].since, 500);
	free(read);
	char *lists = scratch_output("ls store/condemned | wc -l");
	assert_string_equal(lists, "2");
	free(lists);
	/* The pack is reprieved. */
	assert_true(store_pack_is_condemned(w->store, &items[1].pack));
	assert_int_equal(store_set_condemned(w->store, items, 1), 0);
	assert_false(store_pack_is_condemned(w->store, &items[1].pack));
	assert_int_equal(count_condemned(w->store), 1);
	assert_int_equal(store_set_condemned(w->store, NULL, 0), 0);
	assert_int_equal(count_condemned(w->store), 0);
}

static int note_moved(void *arg, const struct pack_id *id)
{
	*(struct pack_id *)arg = *id;
	return 5;
}

static void moved_files_are_told(void **state)
{
	struct world *w = *state;
	struct moved_entry entry = {.old_offset = 64, .now = w->at[1]};
	struct pack_id told = {0};
	assert_int_equal(store_each_moved(w->store, note_moved, &told), 0);
	assert_int_equal(store_write_moved(w->store, &w->at[0].pack, &entry, 1), 0);
	assert_int_equal(store_each_moved(w->store, note_moved, &told), 5);
	assert_true(pack_id_equal(&told, &w->at[0].pack));
	assert_int_equal(store_remove_moved(w->store, &told), 0);
	assert_int_equal(store_remove_moved(w->store, &told), -ENOENT);
}

static void list_that_does_not_check_counts_for_nothing(void **state)
{
	struct world *w = *state;
	struct condemned items[2];
	make_items(w, items);
	assert_int_equal(store_condemn(w->store, items, 2), 0);
	scratch_sh(
	    "cd store/condemned; for f in *; do head -c 60 $f >00112233445566778899aabbccddeeff; rm -f $f; done; "
	    "touch README; ln -s /etc/passwd ffeeddccbbaa99887766554433221100");
	store_refresh(w->store);
	assert_int_equal(count_condemned(w->store), 0);
	assert_false(store_pack_is_condemned(w->store, &items[1].pack));
	assert_int_equal(store_clear_condemned(w->store), 0);
	char *names = scratch_output("ls store/condemned");
	assert_string_equal(names, "README");
	free(names);
}

static void moved_file_is_read_back(void **state)
{
	struct world *w = *state;
	struct moved_entry entry = {.old_offset = 64, .now = w->at[1]}, *read;
	size_t count;
	assert_int_equal(store_read_moved(w->store, &w->at[0].pack, &read, &count), -ENOENT);
	assert_int_equal(store_write_moved(w->store, &w->at[0].pack, &entry, 1), 0);
	assert_int_equal(store_read_moved(w->store, &w->at[0].pack, &read, &count), 0);
	assert_int_equal(count, 1);
	assert_memory_equal(read, &entry, sizeof(entry));
	free(read);
	/* It takes the place of one that was left by an interrupted collection. */
	entry.now = w->at[0];
	assert_int_equal(store_write_moved(w->store, &w->at[0].pack, &entry, 1), 0);
	assert_int_equal(store_read_moved(w->store, &w->at[0].pack, &read, &count), 0);
	assert_memory_equal(read, &entry, sizeof(entry));
	free(read);
}

static void removed_pack_is_gone_for_this_and_others(void **state)
{
	struct world *w = *state;
	struct store *other;
	struct pack *pack;
	struct pack_id id = w->at[0].pack;
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 0, LEN, &w->at[0]), 0);
	assert_int_equal(store_open(io_system(), w->path, 0, 0, &other), 0);
	assert_int_equal(sample_read(other, RECORD_CHUNK, 0, LEN, &w->at[0]), 0);
	assert_int_equal(store_remove_pack(w->store, &id), 0);
	assert_int_equal(store_remove_pack(w->store, &id), -ENOENT);
	assert_int_equal(store_pin_pack(w->store, &id, &pack), -ENOENT);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 0, LEN, &w->at[0]), -ENOENT);
	/* Who has it open reads on. */
	assert_int_equal(sample_read(other, RECORD_CHUNK, 0, LEN, &w->at[0]), 0);
	store_close(other);
}

/* What each step did: nothing, or the whole. */
static int step(struct world *w, unsigned which)
{
	struct moved_entry entry = {.old_offset = 64, .now = w->at[1]};
	struct condemned items[2];
	make_items(w, items);
	switch (which) {
	case 0:
		return store_write_moved(w->store, &w->at[0].pack, &entry, 1);
	case 1:
		return store_condemn(w->store, items, 2);
	default:
		return store_clear_condemned(w->store);
	}
}

static void is_whole(struct world *w)
{
	struct moved_entry *entries;
	size_t count;
	int r = store_read_moved(w->store, &w->at[0].pack, &entries, &count);
	assert_true(r == 0 || r == -ENOENT);
	if (r == 0) {
		assert_int_equal(count, 1);
		free(entries);
	}
	count = count_condemned(w->store);
	assert_true(count == 0 || count == 2);
	for (unsigned n = 0; n < 2; n++)
		assert_int_equal(sample_read(w->store, RECORD_CHUNK, n, LEN, NULL), 0);
}

/* Every call of every kind fails in turn, in every step; the step succeeds when it is taken again. */
static void failing_calls_leave_whole_files(void **state)
{
	struct world *w = *state;
	for (unsigned which = 0; which < 3; which++) {
		for (unsigned kind = 0; kind < FAULT_CALLS; kind++) {
			for (uint64_t nth = 1;; nth++) {
				fault_clear(&w->fault);
				fault_set(&w->fault, kind, nth, 1, -ENOSPC);
				step(w, which);
				const bool met = w->fault.calls[kind] >= nth;
				fault_clear(&w->fault);
				store_refresh(w->store);
				is_whole(w);
				assert_int_equal(step(w, which), 0);
				is_whole(w);
				if (!met)
					break;
				assert_true(nth < 100);
			}
		}
		/* An unlink that failed may have left a temporary file; it is swept. */
		assert_true(store_sweep_tmp(w->store, 0) >= 0);
	}
}

/* The power goes at every change of all steps; what was acknowledged before is there. */
static void power_loss_keeps_finished_steps(void **state)
{
	struct world *w = *state;
	for (unsigned memory = DISK_FORGETS_ALL; memory <= DISK_KEEPS_SOME; memory++) {
		for (uint64_t nth = 1;; nth++) {
			int done = 0;
			struct store *mine = w->store;
			scratch_sh("rm -rf cut; mkdir cut; cp -r store cut/store");
			char *top = scratch_path("cut"), *path = scratch_path("cut/store");
			struct disk *disk = disk_open(top);
			assert_int_equal(store_open(disk_io(disk), path, 0, 0, &w->store), 0);
			disk_cut(disk, nth);
			while (done < 2 && step(w, (unsigned)done) == 0)
				done++;
			const bool cut = disk_is_cut(disk);
			store_close(w->store);
			disk_restart(disk, memory, nth);
			assert_int_equal(store_open(disk_io(disk), path, 0, 0, &w->store), 0);
			is_whole(w);
			struct moved_entry *entries;
			size_t count;
			if (done >= 1) {
				assert_int_equal(store_read_moved(w->store, &w->at[0].pack, &entries, &count), 0);
				free(entries);
			}
			if (done >= 2)
				assert_int_equal(count_condemned(w->store), 2);
			store_close(w->store);
			w->store = mine;
			disk_close(disk);
			free(top);
			free(path);
			if (!cut)
				break;
			assert_true(nth < 100);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(condemned_items_are_read_sorted_with_their_time, setup, teardown),
	    cmocka_unit_test_setup_teardown(earliest_time_counts, setup, teardown),
	    cmocka_unit_test_setup_teardown(condemned_items_keep_the_times_they_are_given, setup, teardown),
	    cmocka_unit_test_setup_teardown(moved_files_are_told, setup, teardown),
	    cmocka_unit_test_setup_teardown(list_that_does_not_check_counts_for_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(moved_file_is_read_back, setup, teardown),
	    cmocka_unit_test_setup_teardown(removed_pack_is_gone_for_this_and_others, setup, teardown),
	    cmocka_unit_test_setup_teardown(failing_calls_leave_whole_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(power_loss_keeps_finished_steps, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
