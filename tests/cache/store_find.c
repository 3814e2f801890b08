/* Finding and reading records: by locator, by where they moved to, by the look-up files; damage passed over. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/shelf.h"
#include "cache/writer.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 500
#define RECORDS 10

struct world {
	char *path;
	struct fault fault;
	struct store *store;
	struct locator at[RECORDS]; /* of chunks 0 to 9, in one pack */
};

/* Write chunks FROM to TO, not included, into a pack of their own, past what the store knows already. */
static void write_chunks(const char *path, unsigned from, unsigned to, struct locator *at)
{
	struct store *store;
	struct store_writer *writer;
	struct locator unused;
	assert_int_equal(store_open(sample_io(), path, STORE_CREATE, 0, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), 0);
	for (unsigned n = from; n < to; n++)
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, LEN, at ? &at[n - from] : &unused), 0);
	assert_int_equal(store_writer_commit(writer), 0);
	store_writer_close(writer);
	store_close(store);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	scratch_open_in_memory();
	w->path = scratch_path("store");
	write_chunks(w->path, 0, RECORDS, w->at);
	fault_init(&w->fault, io_system());
	assert_int_equal(store_open(&w->fault.io, w->path, 0, 0, &w->store), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	store_close(w->store);
	assert_int_equal(w->fault.open_files, 0);
	scratch_close();
	free(w->path);
	free(w);
	return 0;
}

static char *pack_path(struct world *w, const struct pack_id *id, const char *suffix)
{
	char below[SHELF_PATH_SIZE], *path;
	shelf_path(id, suffix, below);
	assert_true(asprintf(&path, "%s/%s", w->path, below) > 0);
	return path;
}

/* Flip a bit of the pack at OFFSET (from its end where negative). */
static void damage_pack(struct world *w, const struct pack_id *id, off_t offset)
{
	char *path = pack_path(w, id, "");
	uint8_t byte;
	assert_int_equal(chmod(path, 0644), 0);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	if (offset < 0)
		offset += lseek(fd, 0, SEEK_END);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
	free(path);
}

static void remove_pack_file(struct world *w, const struct pack_id *id)
{
	char *path = pack_path(w, id, "");
	assert_int_equal(unlink(path), 0);
	free(path);
}

/* A second copy of chunks FROM to TO in a pack of its own: made in another store, brought in as a file. */
static void copy_chunks(unsigned from, unsigned to, struct locator *at)
{
	char *other = scratch_path("other");
	write_chunks(other, from, to, at);
	scratch_sh("cp -rn other/packs store/; rm -rf other");
	free(other);
}

static int read_chunk(struct world *w, unsigned n, const struct locator *hint)
{
	return sample_read(w->store, RECORD_CHUNK, n, LEN, hint);
}

static void locator_costs_one_open_and_no_listing(void **state)
{
	struct world *w = *state;
	uint64_t opens = w->fault.calls[FAULT_OPEN];
	for (unsigned n = 0; n < RECORDS; n++)
		assert_int_equal(read_chunk(w, n, &w->at[n]), 0);
	assert_int_equal(w->fault.calls[FAULT_OPEN] - opens, 1);
	assert_int_equal(w->fault.calls[FAULT_LIST], 0);
}

static void wrong_locators_cost_time_only(void **state)
{
	struct world *w = *state;
	struct locator wrong = w->at[3];
	assert_int_equal(read_chunk(w, 4, &wrong), 0);
	wrong.stored_len++;
	assert_int_equal(read_chunk(w, 3, &wrong), 0);
	wrong.offset = 0xfffffff0;
	assert_int_equal(read_chunk(w, 3, &wrong), 0);
	wrong.stored_len = 0xffffffff;
	assert_int_equal(read_chunk(w, 3, &wrong), 0);
	memset(&wrong.pack, 7, sizeof(wrong.pack));
	assert_int_equal(read_chunk(w, 3, &wrong), 0);
	assert_int_equal(read_chunk(w, 3, NULL), 0);
}

static void other_kind_is_another_record(void **state)
{
	struct world *w = *state;
	struct id id = sample_id(RECORD_CHUNK, 1, LEN);
	struct locator at;
	struct record record;
	uint32_t raw_len;
	assert_int_equal(store_find(w->store, RECORD_PAGE, &id, &at, NULL), -ENOENT);
	assert_int_equal(store_read(w->store, RECORD_PAGE, &id, NULL, &record), -ENOENT);
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &at, &raw_len), 0);
	assert_memory_equal(&at, &w->at[1], sizeof(at));
	assert_int_equal(raw_len, LEN);
}

static void missing_record_is_enoent(void **state)
{
	struct world *w = *state;
	struct locator nowhere = w->at[0];
	nowhere.pack.bytes[0] ^= 1;
	assert_int_equal(read_chunk(w, 99, NULL), -ENOENT);
	assert_int_equal(read_chunk(w, 99, &nowhere), -ENOENT);
}

static void damaged_record_is_ebadmsg_and_its_neighbours_are_read(void **state)
{
	struct world *w = *state;
	damage_pack(w, &w->at[4].pack, w->at[4].offset + RECORD_HEADER_SIZE + 5);
	assert_int_equal(read_chunk(w, 3, &w->at[3]), 0);
	assert_int_equal(read_chunk(w, 4, &w->at[4]), -EBADMSG);
	assert_int_equal(read_chunk(w, 4, NULL), -EBADMSG);
	assert_int_equal(read_chunk(w, 5, &w->at[5]), 0);
}

static void good_copy_serves_for_a_damaged_one(void **state)
{
	struct world *w = *state;
	struct locator copy;
	damage_pack(w, &w->at[4].pack, w->at[4].offset + RECORD_HEADER_SIZE + 5);
	copy_chunks(4, 5, &copy);
	assert_int_equal(read_chunk(w, 4, &w->at[4]), 0);
	assert_int_equal(read_chunk(w, 4, NULL), 0);
	damage_pack(w, &copy.pack, copy.offset);
	assert_int_equal(read_chunk(w, 4, &w->at[4]), -EBADMSG);
}

static void copy_serves_for_a_pack_that_vanished(void **state)
{
	struct world *w = *state;
	struct locator copy;
	struct id id = sample_id(RECORD_CHUNK, 2, LEN);
	assert_int_equal(read_chunk(w, 2, NULL), 0); /* the store knows its packs now */
	copy_chunks(2, 3, &copy);
	remove_pack_file(w, &w->at[0].pack);
	store_refresh(w->store);
	assert_int_equal(read_chunk(w, 2, &w->at[2]), 0);
	assert_int_equal(read_chunk(w, 3, &w->at[3]), -ENOENT);
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &copy, NULL), 0);
}

static void unreadable_sector_is_passed_over(void **state)
{
	struct world *w = *state;
	struct locator copy;
	copy_chunks(4, 5, &copy);
	assert_int_equal(read_chunk(w, 3, NULL), 0);
	fault_set(&w->fault, FAULT_READ, 1, 1, -EIO);
	assert_int_equal(read_chunk(w, 4, &w->at[4]), 0);
	fault_set(&w->fault, FAULT_READ, 1, 100, -EIO);
	assert_int_equal(read_chunk(w, 4, &w->at[4]), -EIO);
}

/* The index lies before the trailer: its checksum fails, and locators go on serving. */
static void pack_with_a_damaged_index_serves_locators(void **state)
{
	struct world *w = *state;
	scratch_sh("rm store/hints/*");
	store_close(w->store);
	damage_pack(w, &w->at[0].pack, -64 - 5);
	assert_int_equal(store_open(&w->fault.io, w->path, 0, 0, &w->store), 0);
	assert_int_equal(read_chunk(w, 4, &w->at[4]), 0);
	assert_int_equal(read_chunk(w, 4, NULL), -ENOENT);
	/* What it may hold is written anew by whoever asks. */
	struct id id = sample_id(RECORD_CHUNK, 4, LEN);
	struct locator at;
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &at, NULL), -ENOENT);
}

static void pack_that_cannot_be_opened_is_not_taken_for_absence(void **state)
{
	struct world *w = *state;
	scratch_sh("rm store/hints/*");
	fault_set(&w->fault, FAULT_READ, 1, 1000, -EIO);
	assert_int_equal(read_chunk(w, 4, NULL), -EIO);
	fault_clear(&w->fault);
	store_refresh(w->store);
	assert_int_equal(read_chunk(w, 4, NULL), 0);
	assert_int_equal(read_chunk(w, 99, NULL), -ENOENT);
}

static void damaged_look_up_files_are_made_again(void **state)
{
	struct world *w = *state;
	scratch_sh("for f in store/hints/*; do chmod 644 $f; printf x | "
	           "dd of=$f bs=1 seek=$(($(stat -c %%s $f) - 30)) conv=notrunc status=none; done");
	for (unsigned n = 0; n < RECORDS; n++)
		assert_int_equal(read_chunk(w, n, NULL), 0);
	store_close(w->store);
	assert_int_equal(store_open(&w->fault.io, w->path, STORE_READ_ONLY, 0, &w->store), 0);
	uint64_t reads = w->fault.calls[FAULT_READ];
	assert_int_equal(read_chunk(w, 3, NULL), 0);
	assert_true(w->fault.calls[FAULT_READ] - reads < 10);
}

/* A hint that another pack's index does not confirm counts for nothing. */
static void look_up_file_of_other_packs_is_harmless(void **state)
{
	struct world *w = *state;
	scratch_sh("mkdir keep; cp store/hints/* keep/; rm -r store/packs store/hints; mkdir store/packs store/hints; "
	           "cp keep/* store/hints/");
	assert_int_equal(read_chunk(w, 3, NULL), -ENOENT);
	write_chunks(w->path, 20, 25, NULL);
	store_refresh(w->store);
	assert_int_equal(read_chunk(w, 3, NULL), -ENOENT);
	assert_int_equal(read_chunk(w, 22, NULL), 0);
}

/* P0 moved to P1 moved to ... PHOPS, where the chunk is. */
static void put_chain(struct world *w, unsigned hops, struct locator *first)
{
	struct locator next = w->at[3];
	for (unsigned i = 0; i < hops; i++) {
		struct moved_entry entry = {.old_offset = 1000 + i, .now = next};
		struct pack_id pack;
		char folder[600];
		memset(&pack, (int)(0x80 + i), sizeof(pack));
		snprintf(folder, sizeof(folder), "%s/packs/%02x", w->path, pack.bytes[0]);
		mkdir(folder, 0777);
		assert_int_equal(store_write_moved(w->store, &pack, &entry, 1), 0);
		next = (struct locator){.pack = pack, .offset = entry.old_offset, .stored_len = next.stored_len};
	}
	*first = next;
}

static void moved_records_are_followed_eight_times(void **state)
{
	struct world *w = *state;
	for (unsigned hops = 0; hops <= 10; hops++) {
		struct locator first;
		put_chain(w, hops, &first);
		store_close(w->store);
		assert_int_equal(store_open(&w->fault.io, w->path, 0, 0, &w->store), 0);
		/* Without look-up files and packs' names, only the chain leads to the record. */
		fault_set(&w->fault, FAULT_LIST, 1, 100, -EIO);
		assert_int_equal(read_chunk(w, 3, &first), hops <= 8 ? 0 : -EIO);
		/* Of another record nothing is known there. */
		first.offset++;
		assert_int_equal(read_chunk(w, 3, &first), -EIO);
		fault_clear(&w->fault);
		assert_int_equal(read_chunk(w, 3, &first), 0);
	}
}

static void circle_of_moved_files_ends(void **state)
{
	struct world *w = *state;
	struct pack_id pack;
	memset(&pack, 0x80, sizeof(pack));
	struct locator here = {.pack = pack, .offset = 100, .stored_len = LEN};
	struct moved_entry entry = {.old_offset = 100, .now = here};
	scratch_sh("mkdir -p store/packs/80");
	assert_int_equal(store_write_moved(w->store, &pack, &entry, 1), 0);
	assert_int_equal(read_chunk(w, 3, &here), 0);
	assert_int_equal(read_chunk(w, 99, &here), -ENOENT);
}

static void new_packs_are_looked_for_once_a_second(void **state)
{
	struct world *w = *state;
	assert_int_equal(read_chunk(w, 30, NULL), -ENOENT);
	write_chunks(w->path, 30, 31, NULL);
	uint64_t lists = w->fault.calls[FAULT_LIST];
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(read_chunk(w, 30, NULL), -ENOENT);
	assert_int_equal(w->fault.calls[FAULT_LIST], lists);
	w->fault.clock_ns += 1100000000;
	assert_int_equal(read_chunk(w, 30, NULL), 0);
	assert_true(w->fault.calls[FAULT_LIST] > lists);
	/* For deduplication, what was seen first is enough. */
	struct id id = sample_id(RECORD_CHUNK, 31, LEN);
	struct locator at;
	write_chunks(w->path, 31, 32, NULL);
	w->fault.clock_ns += 5000000000;
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &at, NULL), -ENOENT);
	store_refresh(w->store);
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &at, NULL), 0);
}

static void condemned_packs_are_read_and_not_found(void **state)
{
	struct world *w = *state;
	struct condemned item = {.pack = w->at[0].pack};
	struct id id = sample_id(RECORD_CHUNK, 3, LEN);
	struct locator at;
	assert_false(store_pack_is_condemned(w->store, &item.pack));
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &at, NULL), 0);
	assert_int_equal(store_condemn(w->store, &item, 1), 0);
	assert_true(store_pack_is_condemned(w->store, &item.pack));
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &at, NULL), -ENOENT);
	assert_int_equal(read_chunk(w, 3, NULL), 0);
	assert_int_equal(store_clear_condemned(w->store), 0);
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &at, NULL), 0);
}

static int note_pack(void *arg, const struct pack_id *id)
{
	struct pack_id *last = arg;
	assert_true(pack_id_cmp(last, id) < 0);
	*last = *id;
	return 0;
}

static void packs_are_told_in_order_and_pinned(void **state)
{
	struct world *w = *state;
	struct pack_id last = {0};
	struct pack *pack;
	for (unsigned n = 40; n < 45; n++)
		write_chunks(w->path, n, n + 1, NULL);
	assert_int_equal(store_each_pack(w->store, note_pack, &last), 0);
	assert_int_equal(store_pin_pack(w->store, &last, &pack), 0);
	assert_true(pack_id_equal(pack_id(pack), &last));
	store_refresh(w->store);
	assert_true(pack_size(pack) > 0);
	store_unpin_pack(w->store, pack);
	remove_pack_file(w, &last);
	assert_int_equal(store_pin_pack(w->store, &last, &pack), -ENOENT);
}

/* Many packs, one at a time written: look-ups go through few files, all are found. */
static void hundred_packs_are_found_through_few_files(void **state)
{
	struct world *w = *state;
	for (unsigned n = 100; n < 200; n++)
		write_chunks(w->path, n, n + 1, NULL);
	char *count = scratch_output("ls store/hints | wc -l");
	assert_in_range(atoi(count), 1, 8);
	free(count);
	for (unsigned n = 100; n < 200; n++)
		assert_int_equal(read_chunk(w, n, NULL), 0);
}

struct reader {
	struct world *w;
	atomic_bool *stop;
	unsigned wrong, rounds;
	struct id ids[RECORDS];
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	while (!atomic_load(reader->stop) || reader->rounds < 10) {
		for (unsigned n = 0; n < RECORDS; n++) {
			struct record record;
			int r = store_read(reader->w->store, RECORD_CHUNK, &reader->ids[n],
			                   n % 2 ? NULL : &reader->w->at[n], &record);
			if (r == 0)
				free(record.data);
			else
				reader->wrong++;
		}
		reader->rounds++;
	}
	return NULL;
}

static void threads_read_while_packs_come(void **state)
{
	struct world *w = *state;
	atomic_bool stop = false;
	struct reader readers[3];
	pthread_t threads[3];
	for (unsigned i = 0; i < 3; i++) {
		readers[i] = (struct reader){.w = w, .stop = &stop};
		for (unsigned n = 0; n < RECORDS; n++)
			readers[i].ids[n] = sample_id(RECORD_CHUNK, n, LEN);
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &readers[i]), 0);
	}
	for (unsigned n = 100; n < 120; n++) {
		write_chunks(w->path, n, n + 1, NULL);
		store_refresh(w->store);
		assert_int_equal(read_chunk(w, n, NULL), 0);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(readers[i].wrong, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(locator_costs_one_open_and_no_listing, setup, teardown),
	    cmocka_unit_test_setup_teardown(wrong_locators_cost_time_only, setup, teardown),
	    cmocka_unit_test_setup_teardown(other_kind_is_another_record, setup, teardown),
	    cmocka_unit_test_setup_teardown(missing_record_is_enoent, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_record_is_ebadmsg_and_its_neighbours_are_read, setup, teardown),
	    cmocka_unit_test_setup_teardown(good_copy_serves_for_a_damaged_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(copy_serves_for_a_pack_that_vanished, setup, teardown),
	    cmocka_unit_test_setup_teardown(unreadable_sector_is_passed_over, setup, teardown),
	    cmocka_unit_test_setup_teardown(pack_with_a_damaged_index_serves_locators, setup, teardown),
	    cmocka_unit_test_setup_teardown(pack_that_cannot_be_opened_is_not_taken_for_absence, setup, teardown),
	    cmocka_unit_test_setup_teardown(damaged_look_up_files_are_made_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(look_up_file_of_other_packs_is_harmless, setup, teardown),
	    cmocka_unit_test_setup_teardown(moved_records_are_followed_eight_times, setup, teardown),
	    cmocka_unit_test_setup_teardown(circle_of_moved_files_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(new_packs_are_looked_for_once_a_second, setup, teardown),
	    cmocka_unit_test_setup_teardown(condemned_packs_are_read_and_not_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(packs_are_told_in_order_and_pinned, setup, teardown),
	    cmocka_unit_test_setup_teardown(hundred_packs_are_found_through_few_files, setup, teardown),
	    cmocka_unit_test_setup_teardown(threads_read_while_packs_come, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
