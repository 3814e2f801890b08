/* Moved files. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cache/moved.h"
#include "tests/support/damage.h"
#include "tests/support/scratch.h"

#define COUNT 5

static const struct pack_id old_pack = {.bytes = {1, 2, 3}};

static int setup(void **state)
{
	*state = (void *)(uintptr_t)scratch_open_in_memory();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_close();
	return 0;
}

static void make_entries(struct moved_entry entries[COUNT])
{
	memset(entries, 0, COUNT * sizeof(*entries));
	for (unsigned i = 0; i < COUNT; i++) {
		entries[i].old_offset = 64 + 100 * i;
		entries[i].now.offset = 10000 - 100 * i;
		entries[i].now.stored_len = 10 + i;
		entries[i].now.pack.bytes[0] = (uint8_t)(100 + i % 2);
	}
}

static void put_file(const uint8_t *data, size_t len)
{
	char *path = scratch_path("moved");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
	free(path);
}

static int open_file(struct moved **moved)
{
	char *path = scratch_path("moved");
	int r = moved_open(io_system(), AT_FDCWD, path, &old_pack, moved);
	free(path);
	return r;
}

static void put_example(struct buffer *file)
{
	struct moved_entry entries[COUNT];
	make_entries(entries);
	assert_int_equal(moved_encode(&old_pack, entries, COUNT, file), 0);
	put_file(file->data, file->len);
}

static void every_entry_is_found(void **state)
{
	struct moved_entry entries[COUNT], *read;
	struct buffer file = {0};
	struct moved *moved;
	size_t count;
	(void)state;
	make_entries(entries);
	put_example(&file);
	assert_int_equal(file.len, 64 + COUNT * 32 + 8);
	assert_int_equal(open_file(&moved), 0);
	for (unsigned i = 0; i < COUNT; i++) {
		struct locator now;
		assert_int_equal(moved_find(moved, entries[i].old_offset, &now), 0);
		assert_memory_equal(&now, &entries[i].now, sizeof(now));
		assert_int_equal(moved_find(moved, entries[i].old_offset - 1, &now), -ENOENT);
		assert_int_equal(moved_find(moved, entries[i].old_offset + 1, &now), -ENOENT);
	}
	assert_int_equal(moved_read(moved, &read, &count), 0);
	assert_int_equal(count, COUNT);
	assert_memory_equal(read, entries, sizeof(entries));
	free(read);
	moved_close(moved);
	buffer_release(&file);
}

static void empty_file_holds_nothing(void **state)
{
	struct moved_entry *read;
	struct buffer file = {0};
	struct locator now;
	struct moved *moved;
	size_t count;
	(void)state;
	assert_int_equal(moved_encode(&old_pack, NULL, 0, &file), 0);
	put_file(file.data, file.len);
	assert_int_equal(open_file(&moved), 0);
	assert_int_equal(moved_find(moved, 64, &now), -ENOENT);
	assert_int_equal(moved_read(moved, &read, &count), 0);
	assert_int_equal(count, 0);
	free(read);
	moved_close(moved);
	buffer_release(&file);
}

static void file_of_another_pack_is_refused(void **state)
{
	static const struct pack_id other = {.bytes = {9}};
	struct buffer file = {0};
	struct moved *moved;
	(void)state;
	char *path = scratch_path("moved");
	put_example(&file);
	assert_int_equal(moved_open(io_system(), AT_FDCWD, path, &other, &moved), -EBADMSG);
	free(path);
	buffer_release(&file);
}

static void missing_file_is_enoent(void **state)
{
	struct moved *moved;
	(void)state;
	assert_int_equal(open_file(&moved), -ENOENT);
}

static void open_damaged(void *arg, const uint8_t *data, size_t len)
{
	struct moved_entry *read;
	struct locator now;
	struct moved *moved;
	size_t count;
	unsigned *opened = arg;
	put_file(data, len);
	int r = open_file(&moved);
	if (r < 0) {
		assert_int_equal(r, -EBADMSG);
		return;
	}
	(*opened)++;
	/* A look-up may be led astray, a reading of the whole may not. */
	for (uint32_t at = 60; at < 600; at++) {
		r = moved_find(moved, at, &now);
		assert_true(r == 0 || r == -ENOENT || r == -EBADMSG);
	}
	assert_int_equal(moved_read(moved, &read, &count), -EBADMSG);
	moved_close(moved);
}

static void every_damage_is_noticed(void **state)
{
	struct buffer file = {0};
	unsigned opened = 0;
	(void)state;
	put_example(&file);
	damage_each(file.data, file.len, open_damaged, &opened);
	assert_true(opened > 0);
	buffer_release(&file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_entry_is_found, setup, teardown),
	    cmocka_unit_test_setup_teardown(empty_file_holds_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(file_of_another_pack_is_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(missing_file_is_enoent, setup, teardown),
	    cmocka_unit_test_setup_teardown(every_damage_is_noticed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
