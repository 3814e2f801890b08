/* The open packs of a store. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/shelf.h"
#include "tests/support/fault.h"
#include "tests/support/scratch.h"

#define PACKS 6
#define LIMIT 3

struct world {
	int dirfd;
	int tmp_dirfd;
	struct fault fault;
	struct shelf *shelf;
	struct pack_id ids[PACKS];
};

/* A pack of one record, in the store's place for it. */
static void make_pack(struct world *w, struct pack_id *id)
{
	static const uint8_t data[10] = "some bytes";
	const struct record_header header = {.kind = RECORD_CHUNK, .raw_len = 10, .stored_len = 10, .hashed_len = 10};
	struct pack_writer *writer;
	char path[SHELF_PATH_SIZE], folder[SHELF_PATH_SIZE];
	struct id record;
	uint32_t offset;
	assert_int_equal(pack_writer_open(io_system(), w->tmp_dirfd, &writer), 0);
	*id = *pack_writer_id(writer);
	id_of(data, sizeof(data), &record);
	assert_int_equal(pack_writer_add(writer, &record, &header, data, &offset), 0);
	shelf_path(id, "", path);
	strcpy(folder, path);
	*strrchr(folder, '/') = 0;
	mkdirat(w->dirfd, folder, 0777);
	assert_int_equal(pack_writer_finish(writer, w->dirfd, folder, path, 0444), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->dirfd = open(scratch_open_in_memory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->dirfd >= 0);
	assert_int_equal(mkdirat(w->dirfd, "packs", 0777), 0);
	assert_int_equal(mkdirat(w->dirfd, "tmp", 0777), 0);
	w->tmp_dirfd = openat(w->dirfd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(w->tmp_dirfd >= 0);
	for (unsigned i = 0; i < PACKS; i++)
		make_pack(w, &w->ids[i]);
	fault_init(&w->fault, io_system());
	assert_int_equal(shelf_open(&w->fault.io, w->dirfd, LIMIT, &w->shelf), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	shelf_close(w->shelf);
	assert_int_equal(w->fault.open_files, 0);
	close(w->tmp_dirfd);
	close(w->dirfd);
	scratch_close();
	free(w);
	return 0;
}

static const struct shelf_item *pin(struct world *w, unsigned i)
{
	const struct shelf_item *item;
	assert_int_equal(shelf_pin(w->shelf, &w->ids[i], &item), 0);
	return item;
}

static void touch(struct world *w, unsigned i)
{
	shelf_unpin(w->shelf, pin(w, i));
}

static void remove_file(struct world *w, unsigned i, const char *suffix)
{
	char path[SHELF_PATH_SIZE];
	assert_int_equal(unlinkat(w->dirfd, shelf_path(&w->ids[i], suffix, path), 0), 0);
}

static void put_moved(struct world *w, unsigned i)
{
	struct buffer file = {0};
	char path[SHELF_PATH_SIZE];
	assert_int_equal(moved_encode(&w->ids[i], NULL, 0, &file), 0);
	int fd = openat(w->dirfd, shelf_path(&w->ids[i], ".moved", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, file.data, file.len), file.len);
	close(fd);
	buffer_release(&file);
}

static void pack_is_opened_once(void **state)
{
	struct world *w = *state;
	const struct shelf_item *a = pin(w, 0), *b = pin(w, 0);
	assert_ptr_equal(a, b);
	assert_non_null(a->pack);
	assert_null(a->moved);
	assert_true(pack_id_equal(pack_id(a->pack), &w->ids[0]));
	assert_ptr_equal(shelf_item_of(w->shelf, a->pack), a);
	assert_int_equal(w->fault.calls[FAULT_OPEN], 1);
	shelf_unpin(w->shelf, a);
	shelf_unpin(w->shelf, b);
	touch(w, 0);
	assert_int_equal(w->fault.calls[FAULT_OPEN], 1);
}

static void least_recently_used_is_closed_first(void **state)
{
	struct world *w = *state;
	touch(w, 0);
	touch(w, 1);
	touch(w, 2);
	touch(w, 0);
	touch(w, 3);
	assert_int_equal(w->fault.open_files, LIMIT);
	uint64_t opens = w->fault.calls[FAULT_OPEN];
	touch(w, 0);
	touch(w, 2);
	touch(w, 3);
	assert_int_equal(w->fault.calls[FAULT_OPEN], opens);
	touch(w, 1);
	assert_int_equal(w->fault.calls[FAULT_OPEN], opens + 1);
}

static void pinned_packs_may_exceed_the_limit(void **state)
{
	struct world *w = *state;
	const struct shelf_item *items[PACKS];
	for (unsigned i = 0; i < PACKS; i++)
		items[i] = pin(w, i);
	assert_int_equal(w->fault.open_files, PACKS);
	for (unsigned i = 0; i < PACKS; i++) {
		assert_true(pack_id_equal(pack_id(items[i]->pack), &w->ids[i]));
		shelf_unpin(w->shelf, items[i]);
	}
	assert_int_equal(w->fault.open_files, LIMIT);
}

static void missing_pack_is_enoent(void **state)
{
	struct world *w = *state;
	const struct shelf_item *item;
	remove_file(w, 0, "");
	assert_int_equal(shelf_pin(w->shelf, &w->ids[0], &item), -ENOENT);
	assert_int_equal(w->fault.open_files, 0);
}

static void moved_file_stands_for_a_pack_that_is_gone(void **state)
{
	struct world *w = *state;
	put_moved(w, 0);
	const struct shelf_item *item = pin(w, 0);
	assert_non_null(item->pack); /* while the pack is there, it counts */
	shelf_unpin(w->shelf, item);
	remove_file(w, 0, "");
	shelf_clear(w->shelf);
	item = pin(w, 0);
	assert_null(item->pack);
	assert_non_null(item->moved);
	shelf_unpin(w->shelf, item);
}

static void moved_file_stands_for_a_damaged_pack(void **state)
{
	struct world *w = *state;
	const struct shelf_item *item;
	char path[SHELF_PATH_SIZE];
	shelf_path(&w->ids[0], "", path);
	assert_int_equal(fchmodat(w->dirfd, path, 0644, 0), 0);
	int fd = openat(w->dirfd, path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 100), 0);
	close(fd);
	assert_int_equal(shelf_pin(w->shelf, &w->ids[0], &item), -EBADMSG);
	put_moved(w, 0);
	item = pin(w, 0);
	assert_non_null(item->moved);
	shelf_unpin(w->shelf, item);
}

static void cleared_pack_lives_until_its_last_pin(void **state)
{
	struct world *w = *state;
	const struct shelf_item *item = pin(w, 0), *again;
	touch(w, 1);
	shelf_clear(w->shelf);
	assert_int_equal(w->fault.open_files, 1);
	again = pin(w, 0);
	assert_ptr_not_equal(item, again);
	assert_ptr_equal(shelf_item_of(w->shelf, item->pack), item);
	assert_ptr_equal(shelf_item_of(w->shelf, again->pack), again);
	shelf_unpin(w->shelf, item);
	assert_int_equal(w->fault.open_files, 1);
	shelf_unpin(w->shelf, again);
}

static void idle_packs_make_room_when_descriptors_run_out(void **state)
{
	struct world *w = *state;
	touch(w, 0);
	touch(w, 1);
	fault_set(&w->fault, FAULT_OPEN, 1, 1, -EMFILE);
	touch(w, 2);
	assert_int_equal(w->fault.open_files, 1);
	const struct shelf_item *item;
	fault_set(&w->fault, FAULT_OPEN, 1, 2, -EMFILE);
	assert_int_equal(shelf_pin(w->shelf, &w->ids[3], &item), -EMFILE);
}

static void *pin_many(void *arg)
{
	struct world *w = arg;
	uintptr_t wrong = 0;
	for (unsigned i = 0; i < 2000; i++) {
		const struct shelf_item *item;
		if (shelf_pin(w->shelf, &w->ids[i * 7 % PACKS], &item) < 0) {
			wrong++;
			continue;
		}
		if (!item->pack || !pack_id_equal(pack_id(item->pack), &w->ids[i * 7 % PACKS]))
			wrong++;
		if (i % 100 == 0)
			shelf_clear(w->shelf);
		shelf_unpin(w->shelf, item);
	}
	return (void *)wrong;
}

static void threads_share_the_shelf(void **state)
{
	struct world *w = *state;
	pthread_t threads[4];
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, pin_many, w), 0);
	for (unsigned i = 0; i < 4; i++) {
		void *wrong;
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_in_range(w->fault.open_files, 0, LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(pack_is_opened_once, setup, teardown),
	    cmocka_unit_test_setup_teardown(least_recently_used_is_closed_first, setup, teardown),
	    cmocka_unit_test_setup_teardown(pinned_packs_may_exceed_the_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(missing_pack_is_enoent, setup, teardown),
	    cmocka_unit_test_setup_teardown(moved_file_stands_for_a_pack_that_is_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(moved_file_stands_for_a_damaged_pack, setup, teardown),
	    cmocka_unit_test_setup_teardown(cleared_pack_lives_until_its_last_pin, setup, teardown),
	    cmocka_unit_test_setup_teardown(idle_packs_make_room_when_descriptors_run_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(threads_share_the_shelf, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
