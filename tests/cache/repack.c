/* Repacking: what is kept is found again, by old locators too; failures and power cuts lose nothing. */
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

#include "cache/repack.h"
#include "cache/shelf.h"
#include "tests/support/disk.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 300
#define COUNT 10

struct world {
	char *path;
	struct fault fault;
	struct store *store;
	struct locator chunks[COUNT], pages[COUNT];
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct store_writer *writer;
	assert_non_null(w);
	scratch_open_in_memory();
	w->path = scratch_path("store");
	fault_init(&w->fault, sample_io());
	assert_int_equal(store_open(&w->fault.io, w->path, STORE_CREATE, 0, &w->store), 0);
	assert_int_equal(store_writer_open(w->store, &writer), 0);
	for (unsigned n = 0; n < COUNT; n++) {
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, LEN, &w->chunks[n]), 0);
		assert_int_equal(sample_put(writer, RECORD_PAGE, n, LEN, &w->pages[n]), 0);
	}
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

/* The lines of the pack's index for samples below COUNT whose number is even; malloc'ed. */
static struct pack_entry *even_entries(struct store *store, const struct pack_id *id, unsigned kind, size_t *count)
{
	struct pack_entry *entries;
	struct pack *pack;
	assert_int_equal(store_pin_pack(store, id, &pack), 0);
	assert_int_equal(pack_read_index(pack, &entries), 0);
	*count = 0;
	for (uint32_t i = 0; i < pack_count(pack); i++) {
		for (unsigned n = 0; n < COUNT; n += 2) {
			struct id even = sample_id(kind, n, LEN);
			if (id_equal(&even, &entries[i].id)) {
				entries[(*count)++] = entries[i];
				break;
			}
		}
	}
	store_unpin_pack(store, pack);
	assert_int_equal(*count, COUNT / 2);
	return entries;
}

/* Keep the even samples of both packs. */
static int keep_even(struct store *store, const struct world *w, struct repack_stats *stats)
{
	struct repack *repack;
	size_t count;
	struct pack_entry *chunks = even_entries(store, &w->chunks[0].pack, RECORD_CHUNK, &count);
	struct pack_entry *pages = even_entries(store, &w->pages[0].pack, RECORD_PAGE, &count);
	int r = repack_open(store, &repack);
	if (r == 0) {
		r = repack_pack(repack, &w->pages[0].pack, pages, count);
		if (r == 0)
			r = repack_pack(repack, &w->chunks[0].pack, chunks, count);
		if (r == 0)
			r = repack_finish(repack, stats);
		repack_close(repack);
	}
	free(chunks);
	free(pages);
	return r;
}

static void even_records_are_there(struct store *store, const struct world *w)
{
	for (unsigned n = 0; n < COUNT; n += 2) {
		assert_int_equal(sample_read(store, RECORD_CHUNK, n, LEN, &w->chunks[n]), 0);
		assert_int_equal(sample_read(store, RECORD_PAGE, n, LEN, &w->pages[n]), 0);
		assert_int_equal(sample_read(store, RECORD_CHUNK, n, LEN, NULL), 0);
	}
}

static void kept_records_are_found_at_their_old_places(void **state)
{
	struct world *w = *state;
	struct repack_stats stats;
	struct record record;
	assert_int_equal(keep_even(w->store, w, &stats), 0);
	assert_int_equal(stats.records, COUNT);
	assert_int_equal(stats.packs, 2);
	assert_int_equal(stats.bytes, 2 * (64 + COUNT / 2 * (24 + LEN + 48) + 64));
	even_records_are_there(w->store, w);
	assert_int_equal(store_remove_pack(w->store, &w->chunks[0].pack), 0);
	assert_int_equal(store_remove_pack(w->store, &w->pages[0].pack), 0);
	even_records_are_there(w->store, w);
	for (unsigned n = 0; n < COUNT; n++) {
		struct id id = sample_id(RECORD_CHUNK, n, LEN);
		int r = store_read_copy(w->store, RECORD_CHUNK, &id, &w->chunks[n], &record);
		assert_int_equal(r, n % 2 ? -ENOENT : 0);
		if (r == 0)
			free(record.data);
	}
}

static int count_copy(void *arg, const struct locator *at)
{
	(void)at;
	(*(unsigned *)arg)++;
	return -ENOENT;
}

static void record_of_two_packs_is_copied_once(void **state)
{
	struct world *w = *state;
	struct repack_stats stats;
	struct repack *repack;
	struct locator other[COUNT];
	size_t count;
	/* The same chunks again in another pack. */
	char *path = scratch_path("other");
	struct store *store;
	struct store_writer *writer;
	assert_int_equal(store_open(sample_io(), path, STORE_CREATE, 0, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), 0);
	for (unsigned n = 0; n < COUNT; n++)
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, LEN, &other[n]), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	store_writer_close(writer);
	store_close(store);
	scratch_sh("cp -rn other/packs store/");
	store_refresh(w->store);

	struct pack_entry *a = even_entries(w->store, &w->chunks[0].pack, RECORD_CHUNK, &count);
	struct pack_entry *b = even_entries(w->store, &other[0].pack, RECORD_CHUNK, &count);
	assert_int_equal(repack_open(w->store, &repack), 0);
	assert_int_equal(repack_pack(repack, &w->chunks[0].pack, a, count), 0);
	assert_int_equal(repack_pack(repack, &other[0].pack, b, count), 0);
	assert_int_equal(repack_finish(repack, &stats), 0);
	repack_close(repack);
	assert_int_equal(stats.records, COUNT / 2);
	store_refresh(w->store);
	unsigned copies = 0;
	struct id id = sample_id(RECORD_CHUNK, 0, LEN);
	assert_int_equal(store_each_copy(w->store, RECORD_CHUNK, &id, count_copy, &copies), -ENOENT);
	assert_int_equal(copies, 3);
	assert_int_equal(store_remove_pack(w->store, &w->chunks[0].pack), 0);
	assert_int_equal(store_remove_pack(w->store, &other[0].pack), 0);
	for (unsigned n = 0; n < COUNT; n += 2) {
		assert_int_equal(sample_read(w->store, RECORD_CHUNK, n, LEN, &w->chunks[n]), 0);
		assert_int_equal(sample_read(w->store, RECORD_CHUNK, n, LEN, &other[n]), 0);
	}
	free(a);
	free(b);
	free(path);
}

static void record_found_elsewhere_is_noted(void **state)
{
	struct world *w = *state;
	struct repack_stats stats;
	struct repack *repack;
	struct record record;
	struct id id = sample_id(RECORD_CHUNK, 1, LEN);
	assert_int_equal(repack_open(w->store, &repack), 0);
	assert_int_equal(repack_pack(repack, &w->pages[0].pack, NULL, 0), 0);
	/* Nobody checks here that a chunk lies where pages were. */
	assert_int_equal(repack_note(repack, w->pages[3].offset, &w->chunks[1]), 0);
	assert_int_equal(repack_finish(repack, &stats), 0);
	repack_close(repack);
	assert_int_equal(stats.packs, 0);
	assert_int_equal(store_remove_pack(w->store, &w->pages[0].pack), 0);
	assert_int_equal(store_read_copy(w->store, RECORD_CHUNK, &id, &w->pages[3], &record), 0);
	free(record.data);
}

static void damaged_pack_is_refused_and_others_go_on(void **state)
{
	struct world *w = *state;
	struct repack_stats stats;
	struct repack *repack;
	struct moved_entry *moved;
	char below[SHELF_PATH_SIZE], path[600];
	size_t count;
	struct pack_entry *chunks = even_entries(w->store, &w->chunks[0].pack, RECORD_CHUNK, &count);
	struct pack_entry *pages = even_entries(w->store, &w->pages[0].pack, RECORD_PAGE, &count);
	snprintf(path, sizeof(path), "%s/%s", w->path, shelf_path(&w->chunks[0].pack, "", below));
	assert_int_equal(chmod(path, 0644), 0);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "XX", 2, w->chunks[4].offset + 100), 2);
	close(fd);
	assert_int_equal(repack_open(w->store, &repack), 0);
	assert_int_equal(repack_pack(repack, &w->chunks[0].pack, chunks, count), -EBADMSG);
	assert_false(repack_is_broken(repack));
	assert_int_equal(repack_pack(repack, &w->pages[0].pack, pages, count), 0);
	assert_int_equal(repack_finish(repack, &stats), 0);
	repack_close(repack);
	assert_int_equal(store_read_moved(w->store, &w->chunks[0].pack, &moved, &count), -ENOENT);
	assert_int_equal(store_read_moved(w->store, &w->pages[0].pack, &moved, &count), 0);
	assert_int_equal(count, COUNT / 2);
	free(moved);
	free(chunks);
	free(pages);
}

/* Every call of every kind fails in turn: the old packs serve on, a moved file is whole, and the next try succeeds. */
/* A pack that cannot be read any more: what takes the place of its records is found by the old locators. */
static void records_take_the_place_of_lost_ones(void **state)
{
	static const unsigned kinds[] = {RECORD_CHUNK, RECORD_PAGE};
	struct world *w = *state;
	struct repack_stats stats;
	struct repack *repack;
	assert_int_equal(repack_open(w->store, &repack), 0);
	for (unsigned k = 0; k < 2; k++) {
		const struct locator *places = k ? w->pages : w->chunks;
		assert_int_equal(repack_lost_pack(repack, &places[0].pack), 0);
		for (unsigned n = 0; n < COUNT; n += 2) {
			struct sample sample;
			sample_init(&sample, kinds[k], n, LEN);
			const struct record record = {
			    .data = sample.data, .len = sample.len, .hashed_len = sample.hashed_len};
			assert_int_equal(repack_put(repack, places[n].offset, kinds[k], &sample.id, &record), 0);
			sample_release(&sample);
		}
	}
	assert_int_equal(repack_finish(repack, &stats), 0);
	repack_close(repack);
	assert_int_equal(stats.records, COUNT);
	assert_int_equal(store_remove_pack(w->store, &w->chunks[0].pack), 0);
	assert_int_equal(store_remove_pack(w->store, &w->pages[0].pack), 0);
	even_records_are_there(w->store, w);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 1, LEN, &w->chunks[1]), -ENOENT);
}

static void failing_calls_lose_nothing(void **state)
{
	struct world *w = *state;
	for (unsigned kind = 0; kind < FAULT_CALLS; kind++) {
		for (uint64_t nth = 1;; nth++) {
			struct repack_stats stats;
			struct repack *repack;
			size_t count;
			struct pack_entry *chunks = even_entries(w->store, &w->chunks[0].pack, RECORD_CHUNK, &count);
			fault_clear(&w->fault);
			fault_set(&w->fault, kind, nth, 1, -ENOSPC);
			int r = repack_open(w->store, &repack);
			if (r == 0) {
				r = repack_pack(repack, &w->chunks[0].pack, chunks, count);
				if (r == 0)
					r = repack_finish(repack, &stats);
				repack_close(repack);
			}
			const bool met = w->fault.calls[kind] >= nth;
			fault_clear(&w->fault);
			free(chunks);
			store_refresh(w->store);
			even_records_are_there(w->store, w);
			if (!met) {
				assert_int_equal(r, 0);
				break;
			}
			assert_true(nth < 300);
		}
	}
}

static void power_loss_loses_nothing(void **state)
{
	struct world *w = *state;
	for (unsigned memory = DISK_FORGETS_ALL; memory <= DISK_KEEPS_SOME; memory++) {
		for (uint64_t nth = 1;; nth++) {
			struct repack_stats stats;
			struct store *store;
			scratch_sh("rm -rf cut; mkdir cut; cp -r store cut/store");
			char *top = scratch_path("cut"), *path = scratch_path("cut/store");
			struct disk *disk = disk_open(top);
			assert_int_equal(store_open(disk_io(disk), path, 0, 0, &store), 0);
			disk_cut(disk, nth);
			int r = keep_even(store, w, &stats);
			store_close(store);
			const bool cut = disk_is_cut(disk);
			disk_restart(disk, memory, nth);
			assert_int_equal(store_open(disk_io(disk), path, 0, 0, &store), 0);
			even_records_are_there(store, w);
			/* What was done is done: the old packs could go now. */
			if (r == 0) {
				assert_int_equal(store_remove_pack(store, &w->chunks[0].pack), 0);
				assert_int_equal(store_remove_pack(store, &w->pages[0].pack), 0);
				even_records_are_there(store, w);
			}
			store_close(store);
			disk_close(disk);
			free(top);
			free(path);
			if (!cut)
				break;
			assert_true(nth < 200);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(kept_records_are_found_at_their_old_places, setup, teardown),
	    cmocka_unit_test_setup_teardown(record_of_two_packs_is_copied_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(record_found_elsewhere_is_noted, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_pack_is_refused_and_others_go_on, setup, teardown),
	    cmocka_unit_test_setup_teardown(records_take_the_place_of_lost_ones, setup, teardown),
	    cmocka_unit_test_setup_teardown(failing_calls_lose_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(power_loss_loses_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
