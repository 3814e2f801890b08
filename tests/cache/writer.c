/* Adding records to a store: deduplication, order, durability, full and failing disks. */
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

#include "cache/writer.h"
#include "tests/support/disk.h"
#include "tests/support/fault.h"
#include "tests/support/sample.h"
#include "tests/support/scratch.h"

#define LEN 1000

struct world {
	char *path;
	struct store *store;
	struct store_writer *writer;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	scratch_open();
	w->path = scratch_path("store");
	assert_int_equal(store_open(sample_io(), w->path, STORE_CREATE, 0, &w->store), 0);
	assert_int_equal(store_writer_open(w->store, &w->writer), 0);
	*state = w;
	return 0;
}

/* For tests that make stores as they go. */
static int setup_folder(void **state)
{
	(void)state;
	scratch_open_in_memory();
	return 0;
}

static int teardown_folder(void **state)
{
	(void)state;
	scratch_close();
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	store_writer_close(w->writer);
	store_close(w->store);
	scratch_close();
	free(w->path);
	free(w);
	return 0;
}

/* Close everything and open it again, as another process would. */
static void reopen(struct world *w)
{
	store_writer_close(w->writer);
	store_close(w->store);
	w->writer = NULL;
	w->store = NULL;
	assert_int_equal(store_open(sample_io(), w->path, 0, 0, &w->store), 0);
	assert_int_equal(store_writer_open(w->store, &w->writer), 0);
}

static int count_pack(void *arg, const struct pack_id *id)
{
	(void)id;
	(*(unsigned *)arg)++;
	return 0;
}

static unsigned count_packs(struct store *store)
{
	unsigned count = 0;
	assert_int_equal(store_each_pack(store, count_pack, &count), 0);
	return count;
}

static void nothing_is_visible_before_a_commit(void **state)
{
	struct world *w = *state;
	struct locator at;
	struct record record;
	struct store *other;
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, &at), 0);
	struct id id = sample_id(RECORD_CHUNK, 1, LEN);
	assert_int_equal(store_open(sample_io(), w->path, 0, 0, &other), 0);
	assert_int_equal(sample_read(other, RECORD_CHUNK, 1, LEN, &at), -ENOENT);
	assert_int_equal(count_packs(other), 0);
	/* But to the writer it is. */
	assert_int_equal(store_writer_read(w->writer, RECORD_CHUNK, &id, &at, &record), 0);
	free(record.data);
	assert_int_equal(store_writer_commit(w->writer), 0);
	store_refresh(other);
	assert_int_equal(sample_read(other, RECORD_CHUNK, 1, LEN, &at), 0);
	store_close(other);
}

static void committed_records_are_read_again(void **state)
{
	struct world *w = *state;
	struct locator at[2];
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, &at[0]), 0);
	assert_int_equal(sample_put(w->writer, RECORD_PAGE, 1, LEN, &at[1]), 0);
	assert_int_equal(store_writer_commit(w->writer), 0);
	assert_int_equal(count_packs(w->store), 2);
	reopen(w);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 1, LEN, &at[0]), 0);
	assert_int_equal(sample_read(w->store, RECORD_PAGE, 1, LEN, &at[1]), 0);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 1, LEN, NULL), 0);
	assert_int_equal(sample_read(w->store, RECORD_PAGE, 1, LEN, NULL), 0);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 2, LEN, NULL), -ENOENT);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 2, LEN, &at[0]), -EBADMSG);
}

static void closing_drops_what_was_not_committed(void **state)
{
	struct world *w = *state;
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, NULL), 0);
	assert_int_equal(store_writer_commit(w->writer), 0);
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 2, LEN, NULL), 0);
	reopen(w);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 1, LEN, NULL), 0);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 2, LEN, NULL), -ENOENT);
	assert_int_equal(store_sweep_tmp(w->store, 0), 0);
}

static void known_records_are_not_written_again(void **state)
{
	struct world *w = *state;
	struct store_writer_stats stats;
	struct locator first, again;
	struct id id = sample_id(RECORD_CHUNK, 1, LEN);
	assert_int_equal(store_writer_known(w->writer, RECORD_CHUNK, &id, &again), -ENOENT);
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, &first), 0);
	assert_int_equal(store_writer_known(w->writer, RECORD_CHUNK, &id, &again), 0);
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, &again), 0);
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_equal(store_writer_commit(w->writer), 0);
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, &again), 0);
	assert_memory_equal(&first, &again, sizeof(first));
	store_writer_stats(w->writer, &stats);
	assert_int_equal(stats.records, 1);
	assert_int_equal(stats.reused, 2);
	assert_int_equal(stats.raw_bytes, LEN);
	assert_int_equal(stats.stored_bytes, RECORD_HEADER_SIZE + LEN + PACK_ENTRY_SIZE);
	reopen(w);
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, &again), 0);
	assert_memory_equal(&first, &again, sizeof(first));
	/* Records are known by kind and id. */
	assert_int_equal(store_writer_known(w->writer, RECORD_PAGE, &id, &again), -ENOENT);
	assert_int_equal(store_writer_commit(w->writer), 0);
	assert_int_equal(count_packs(w->store), 1);
}

static void a_dry_run_counts_and_writes_nothing(void **state)
{
	struct world *w = *state;
	struct store_writer *dry;
	struct store_writer_stats stats;
	struct locator locator;
	struct record record;
	struct id id, there;
	uint8_t data[LEN] = {1};

	id_of(data, LEN, &there);
	assert_int_equal(store_writer_put(w->writer, RECORD_CHUNK, &there, data, LEN, LEN, 1, &locator), 0);
	assert_int_equal(store_writer_commit(w->writer), 0);
	const unsigned packs = count_packs(w->store);
	for (int with_store = 0; with_store < 2; with_store++) {
		data[0] = 2;
		id_of(data, LEN, &id);
		assert_int_equal(store_writer_open_dry(with_store ? w->store : NULL, &dry), 0);
		assert_int_equal(store_writer_known(dry, RECORD_CHUNK, &there, &locator), with_store ? 0 : -ENOENT);
		assert_int_equal(store_writer_known(dry, RECORD_CHUNK, &id, &locator), -ENOENT);
		for (int i = 0; i < 2; i++)
			assert_int_equal(store_writer_put(dry, RECORD_CHUNK, &id, data, LEN, LEN, 1, &locator), 0);
		assert_int_equal(store_writer_known(dry, RECORD_CHUNK, &id, &locator), 0);
		assert_int_equal(store_writer_read(dry, RECORD_CHUNK, &id, NULL, &record), -ENOENT);
		assert_int_equal(store_writer_commit(dry), 0);
		store_writer_stats(dry, &stats);
		assert_int_equal(stats.records, 1);
		assert_int_equal(stats.reused, 1);
		assert_int_equal(stats.raw_bytes, LEN);
		store_writer_close(dry);
	}
	assert_int_equal(count_packs(w->store), packs);
	assert_int_equal(store_find(w->store, RECORD_CHUNK, &id, &locator, NULL), -ENOENT);
}

static void what_compresses_is_stored_smaller(void **state)
{
	struct world *w = *state;
	struct store_writer_stats stats;
	struct locator at;
	struct record record;
	struct id id;
	char zeros[LEN] = "";
	id_of(zeros, LEN, &id);
	assert_int_equal(store_writer_put(w->writer, RECORD_CHUNK, &id, zeros, LEN, LEN, 3, &at), 0);
	assert_true(at.stored_len < 100);
	store_writer_stats(w->writer, &stats);
	assert_int_equal(stats.raw_bytes, LEN);
	assert_int_equal(stats.stored_bytes, RECORD_HEADER_SIZE + at.stored_len + PACK_ENTRY_SIZE);
	assert_int_equal(store_writer_commit(w->writer), 0);
	assert_int_equal(store_read(w->store, RECORD_CHUNK, &id, &at, &record), 0);
	assert_int_equal(record.len, LEN);
	assert_memory_equal(record.data, zeros, LEN);
	free(record.data);
}

/* More than PACK_TARGET_SIZE of chunks. */
static void full_pack_is_finished_and_another_begun(void **state)
{
	struct world *w = *state;
	const unsigned count = PACK_TARGET_SIZE / (256 << 10) + 20;
	for (unsigned n = 0; n < count; n++)
		assert_int_equal(sample_put(w->writer, RECORD_CHUNK, n, 256 << 10, NULL), 0);
	assert_int_equal(count_packs(w->store), 1);
	/* The finished one is known without a commit, and dropped by nothing. */
	struct id id = sample_id(RECORD_CHUNK, 0, 256 << 10);
	struct locator at;
	assert_int_equal(store_writer_known(w->writer, RECORD_CHUNK, &id, &at), 0);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 0, 256 << 10, &at), 0);
	assert_int_equal(store_writer_commit(w->writer), 0);
	assert_int_equal(count_packs(w->store), 2);
	reopen(w);
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, count - 1, 256 << 10, NULL), 0);
}

static void commit_of_nothing_writes_nothing(void **state)
{
	struct world *w = *state;
	assert_int_equal(store_writer_commit(w->writer), 0);
	assert_int_equal(store_writer_commit(w->writer), 0);
	assert_int_equal(count_packs(w->store), 0);
}

static void condemned_packs_count_as_absent(void **state)
{
	struct world *w = *state;
	struct locator first, again;
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, &first), 0);
	assert_int_equal(store_writer_commit(w->writer), 0);
	struct condemned item = {.pack = first.pack};
	assert_int_equal(store_condemn(w->store, &item, 1), 0);
	reopen(w);
	assert_int_equal(sample_put(w->writer, RECORD_CHUNK, 1, LEN, &again), 0);
	assert_false(pack_id_equal(&first.pack, &again.pack));
	/* Reading it is no harm while it is there. */
	assert_int_equal(sample_read(w->store, RECORD_CHUNK, 1, LEN, &first), 0);
}

static void writer_excludes_who_removes(void **state)
{
	struct world *w = *state;
	struct store_writer *second;
	assert_int_equal(store_lock(w->store, true, 0), -EBUSY);
	assert_int_equal(store_writer_open(w->store, &second), 0);
	store_writer_close(second);
	store_writer_close(w->writer);
	w->writer = NULL;
	int lock = store_lock(w->store, true, 0);
	assert_true(lock >= 0);
	store_unlock(w->store, lock);
}

static void writer_waits_ten_seconds_for_a_collection(void **state)
{
	struct world *w = *state;
	struct fault fault;
	struct store *store;
	struct store_writer *writer;
	store_writer_close(w->writer);
	w->writer = NULL;
	int lock = store_lock(w->store, true, 0);
	assert_true(lock >= 0);
	fault_init(&fault, sample_io());
	assert_int_equal(store_open(&fault.io, w->path, 0, 0, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), -EBUSY);
	assert_in_range(fault.slept_ms, 9000, 11000);
	store_close(store);
	store_unlock(w->store, lock);
}

static void read_only_store_has_no_writer(void **state)
{
	struct world *w = *state;
	struct store *store;
	struct store_writer *writer;
	assert_int_equal(store_open(sample_io(), w->path, STORE_READ_ONLY, 0, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), -EROFS);
	store_close(store);
}

struct asker {
	struct store_writer *writer;
	atomic_bool stop;
	atomic_uint asked;
	unsigned wrong;
};

/* Asks for records that have been added already: they must be known, whatever the writer does meanwhile. */
static void *ask(void *arg)
{
	struct asker *asker = arg;
	struct id ids[20];
	for (unsigned n = 0; n < 20; n++) {
		uint8_t data[LEN];
		memset(data, (int)n, LEN);
		id_of(data, LEN, &ids[n]);
	}
	while (!atomic_load(&asker->stop)) {
		for (unsigned n = 0; n < 20; n++) {
			struct locator at;
			if (store_writer_known(asker->writer, RECORD_CHUNK, &ids[n], &at) != 0)
				asker->wrong++;
		}
		atomic_fetch_add(&asker->asked, 1);
	}
	return NULL;
}

static void threads_may_ask_while_packs_are_finished(void **state)
{
	struct world *w = *state;
	struct asker askers[2];
	pthread_t threads[2];
	for (unsigned n = 0; n < 20; n++) {
		struct locator at;
		struct id id;
		uint8_t data[LEN];
		memset(data, (int)n, LEN);
		id_of(data, LEN, &id);
		assert_int_equal(store_writer_put(w->writer, RECORD_CHUNK, &id, data, LEN, LEN, 3, &at), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		askers[i] = (struct asker){.writer = w->writer};
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
	}
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned n = 0; n < 50; n++)
			assert_int_equal(sample_put(w->writer, RECORD_CHUNK, round * 50 + n, LEN, NULL), 0);
		assert_int_equal(store_writer_commit(w->writer), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		atomic_store(&askers[i].stop, true);
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(askers[i].wrong, 0);
	}
	assert_true(askers[0].asked + askers[1].asked > 0);
}

/*
 * The whole of a small snapshot as far as the store goes: open, add, commit, root.  Chunks 0 to 7 and a page;
 * afterwards the root.  Where it fails, the error is told and everything is closed.
 */
static int snapshot(const struct io *io, const char *path)
{
	struct store *store = NULL;
	struct store_writer *writer = NULL;
	struct sample page;
	sample_init(&page, RECORD_PAGE, 1, LEN);
	int r = store_open(io, path, STORE_CREATE, 0, &store);
	if (r == 0)
		r = store_writer_open(store, &writer);
	for (unsigned n = 0; n < 8 && r == 0; n++)
		r = sample_put(writer, RECORD_CHUNK, n, LEN, NULL);
	if (r == 0)
		r = sample_put(writer, RECORD_PAGE, 1, LEN, NULL);
	if (r == 0)
		r = store_writer_commit(writer);
	if (r == 0)
		r = store_put_root(store, &page.id, page.data, page.len, page.hashed_len);
	store_writer_close(writer);
	store_close(store);
	sample_release(&page);
	return r;
}

/* All of it is there and reads well. */
static void snapshot_is_there(const char *path)
{
	struct store *store;
	struct record record;
	struct id root = sample_id(RECORD_PAGE, 1, LEN);
	assert_int_equal(store_open(sample_io(), path, STORE_READ_ONLY, 0, &store), 0);
	for (unsigned n = 0; n < 8; n++)
		assert_int_equal(sample_read(store, RECORD_CHUNK, n, LEN, NULL), 0);
	assert_int_equal(sample_read(store, RECORD_PAGE, 1, LEN, NULL), 0);
	assert_int_equal(store_read_root(store, &root, &record), 0);
	free(record.data);
	store_close(store);
}

static int pack_is_whole(void *arg, const struct pack_id *id)
{
	struct store *store = arg;
	struct pack *pack;
	struct pack_entry *entries;
	assert_int_equal(store_pin_pack(store, id, &pack), 0);
	assert_int_equal(pack_read_index(pack, &entries), 0);
	for (uint32_t i = 0; i < pack_count(pack); i++) {
		struct record record;
		assert_int_equal(
		    pack_read(pack, entries[i].offset, entries[i].stored_len, entries[i].kind, &entries[i].id, &record),
		    0);
		free(record.data);
	}
	free(entries);
	store_unpin_pack(store, pack);
	return 0;
}

/* Nothing half-done is visible: packs are whole, a page is there only with all chunks, a root only with its page. */
static void nothing_is_half_done(const char *path)
{
	struct store *store;
	struct record record;
	struct id root = sample_id(RECORD_PAGE, 1, LEN);
	int r = store_open(sample_io(), path, STORE_READ_ONLY, 0, &store);
	if (r == -ENOENT)
		return; /* not even begun */
	assert_int_equal(r, 0);
	assert_int_equal(store_each_pack(store, pack_is_whole, store), 0);
	int page = sample_read(store, RECORD_PAGE, 1, LEN, NULL);
	assert_true(page == 0 || page == -ENOENT);
	for (unsigned n = 0; n < 8 && page == 0; n++)
		assert_int_equal(sample_read(store, RECORD_CHUNK, n, LEN, NULL), 0);
	r = store_read_root(store, &root, &record);
	assert_true(r == -ENOENT || (r == 0 && page == 0));
	if (r == 0)
		free(record.data);
	store_close(store);
}

/* A store of its own for each try, in one scratch folder. */
static char *fresh_path(void)
{
	static unsigned number;
	char name[32];
	snprintf(name, sizeof(name), "%u", number++);
	char *path = scratch_path(name);
	assert_int_equal(mkdir(path, 0777), 0);
	char *store;
	assert_true(asprintf(&store, "%s/store", path) > 0);
	free(path);
	return store;
}

/* Every call of one kind fails once, at each place in turn; afterwards the same again completes. */
static void each_failing_call(enum fault_call kind, int error)
{
	for (uint64_t nth = 1;; nth++) {
		struct fault fault;
		char *path = fresh_path();
		fault_init(&fault, sample_io());
		fault_set(&fault, kind, nth, 1, error);
		int r = snapshot(&fault.io, path);
		assert_int_equal(fault.open_files, 0);
		const bool met = fault.calls[kind] >= nth;
		nothing_is_half_done(path);
		if (r == 0)
			snapshot_is_there(path);
		assert_int_equal(snapshot(sample_io(), path), 0);
		snapshot_is_there(path);
		free(path);
		if (!met)
			break;
		assert_true(nth < 1000);
	}
}

static void failing_writes_leave_nothing_half_done(void **state)
{
	(void)state;
	each_failing_call(FAULT_WRITE, -ENOSPC);
	each_failing_call(FAULT_OPEN, -ENOSPC);
	each_failing_call(FAULT_MKDIR, -ENOSPC);
}

static void failing_syncs_leave_nothing_half_done(void **state)
{
	(void)state;
	each_failing_call(FAULT_FSYNC, -EIO);
}

static void failing_names_leave_nothing_half_done(void **state)
{
	(void)state;
	each_failing_call(FAULT_LINK, -EDQUOT);
	each_failing_call(FAULT_RENAME, -ENOSPC);
	each_failing_call(FAULT_CHMOD, -EIO);
	each_failing_call(FAULT_UNLINK, -EIO);
}

static void failing_reads_leave_nothing_half_done(void **state)
{
	(void)state;
	each_failing_call(FAULT_READ, -EIO);
	each_failing_call(FAULT_LIST, -EIO);
	each_failing_call(FAULT_STAT, -EIO);
}

static void disk_that_fills_up_leaves_nothing_half_done(void **state)
{
	(void)state;
	for (int64_t room = 0;; room += 97) {
		struct fault fault;
		char *path = fresh_path();
		fault_init(&fault, sample_io());
		fault.room = room;
		int r = snapshot(&fault.io, path);
		assert_int_equal(fault.open_files, 0);
		nothing_is_half_done(path);
		assert_true(r == 0 || r == -ENOSPC);
		assert_int_equal(snapshot(sample_io(), path), 0);
		snapshot_is_there(path);
		free(path);
		if (r == 0)
			break;
	}
}

/* The power goes at every change in turn.  What was acknowledged is there; the same again completes. */
static void power_cut(enum disk_memory memory)
{
	for (uint64_t nth = 1;; nth++) {
		char *path = fresh_path(), *top = strndup(path, strlen(path) - strlen("/store"));
		assert_non_null(top);
		struct disk *disk = disk_open(top);
		disk_cut(disk, nth);
		int r = snapshot(disk_io(disk), path);
		const bool cut = disk_is_cut(disk);
		disk_restart(disk, memory, nth);
		nothing_is_half_done(path);
		if (r == 0)
			snapshot_is_there(path);
		assert_int_equal(snapshot(disk_io(disk), path), 0);
		disk_cut(disk, 1);
		disk_restart(disk, memory, nth);
		snapshot_is_there(path);
		disk_close(disk);
		free(top);
		free(path);
		if (!cut)
			break;
		assert_true(nth < 1000);
	}
}

static void power_loss_keeps_what_was_acknowledged(void **state)
{
	(void)state;
	power_cut(DISK_FORGETS_ALL);
}

static void power_loss_with_torn_files_is_survived(void **state)
{
	(void)state;
	power_cut(DISK_KEEPS_NAMES);
	power_cut(DISK_KEEPS_SOME);
}

/* The second of two writers relies on a pack of the first, whose name is not durable yet. */
static void reused_packs_of_others_are_made_durable(void **state)
{
	(void)state;
	char *path = fresh_path(), *top = strndup(path, strlen(path) - strlen("/store"));
	struct store *store;
	struct store_writer *writer;
	assert_int_equal(snapshot(sample_io(), path), 0);
	struct disk *disk = disk_open(top);
	assert_int_equal(store_open(disk_io(disk), path, 0, 0, &store), 0);
	assert_int_equal(store_writer_open(store, &writer), 0);
	for (unsigned n = 0; n < 8; n++)
		assert_int_equal(sample_put(writer, RECORD_CHUNK, n, LEN, NULL), 0);
	uint64_t changes = disk_changes(disk);
	assert_int_equal(store_writer_commit(writer), 0);
	assert_int_equal(disk_changes(disk) - changes, 1); /* one folder synced, nothing written */
	changes = disk_changes(disk);
	assert_int_equal(store_writer_commit(writer), 0);
	assert_int_equal(disk_changes(disk), changes);
	store_writer_close(writer);
	store_close(store);
	disk_close(disk);
	free(top);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(nothing_is_visible_before_a_commit, setup, teardown),
	    cmocka_unit_test_setup_teardown(committed_records_are_read_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(closing_drops_what_was_not_committed, setup, teardown),
	    cmocka_unit_test_setup_teardown(known_records_are_not_written_again, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_dry_run_counts_and_writes_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(what_compresses_is_stored_smaller, setup, teardown),
	    cmocka_unit_test_setup_teardown(full_pack_is_finished_and_another_begun, setup, teardown),
	    cmocka_unit_test_setup_teardown(commit_of_nothing_writes_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(condemned_packs_count_as_absent, setup, teardown),
	    cmocka_unit_test_setup_teardown(writer_excludes_who_removes, setup, teardown),
	    cmocka_unit_test_setup_teardown(writer_waits_ten_seconds_for_a_collection, setup, teardown),
	    cmocka_unit_test_setup_teardown(read_only_store_has_no_writer, setup, teardown),
	    cmocka_unit_test_setup_teardown(threads_may_ask_while_packs_are_finished, setup, teardown),
	    cmocka_unit_test_setup_teardown(failing_writes_leave_nothing_half_done, setup_folder, teardown_folder),
	    cmocka_unit_test_setup_teardown(failing_syncs_leave_nothing_half_done, setup_folder, teardown_folder),
	    cmocka_unit_test_setup_teardown(failing_names_leave_nothing_half_done, setup_folder, teardown_folder),
	    cmocka_unit_test_setup_teardown(failing_reads_leave_nothing_half_done, setup_folder, teardown_folder),
	    cmocka_unit_test_setup_teardown(disk_that_fills_up_leaves_nothing_half_done, setup_folder, teardown_folder),
	    cmocka_unit_test_setup_teardown(power_loss_keeps_what_was_acknowledged, setup_folder, teardown_folder),
	    cmocka_unit_test_setup_teardown(reused_packs_of_others_are_made_durable, setup_folder, teardown_folder),
	    cmocka_unit_test_setup_teardown(power_loss_with_torn_files_is_survived, setup_folder, teardown_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
