#include "fs/rename_count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/garden.h"

static struct entry chunk(unsigned n, uint64_t size)
{
	struct entry entry = {.kind = ENTRY_FILE, .form = CONTENT_CHUNK, .size = size};

	memcpy(entry.id.bytes, &n, sizeof(n));
	return entry;
}

static void each_deletion_is_used_once(void **state)
{
	const unsigned deleted[] = {1, 2, 2, 3, 5}, added[] = {2, 1, 2, 2, 4, 5};
	struct rename_count *count;
	struct entry entry;

	(void)state;
	assert_int_equal(rename_count_new(&count), 0);
	assert_int_equal(rename_count_finish(count), 0);
	for (size_t i = 0; i < 5; i++) {
		entry = chunk(deleted[i], 1000 * deleted[i]);
		assert_int_equal(rename_count_deleted(count, &entry), 0);
	}
	assert_int_equal(rename_count_finish(count), 0);
	assert_int_equal(rename_count_bytes(count), 0);
	for (size_t i = 0; i < 6; i++) {
		entry = chunk(added[i], 1000 * added[i]);
		assert_int_equal(rename_count_added(count, &entry), 0);
	}
	assert_int_equal(rename_count_finish(count), 4);
	assert_int_equal(rename_count_bytes(count), 10000);
	rename_count_free(count);
}

static void kind_counts_and_empty_files_do_not(void **state)
{
	struct entry file = garden_file("a", 5), link = garden_file("b", 5), empty = garden_file("c", 0);
	struct rename_count *count;

	(void)state;
	link.kind = ENTRY_SYMLINK;
	assert_int_equal(rename_count_new(&count), 0);
	assert_int_equal(rename_count_deleted(count, &file), 0);
	assert_int_equal(rename_count_deleted(count, &empty), 0);
	assert_int_equal(rename_count_added(count, &link), 0);
	assert_int_equal(rename_count_added(count, &empty), 0);
	assert_int_equal(rename_count_finish(count), 0);
	assert_int_equal(rename_count_added(count, &file), 0);
	assert_int_equal(rename_count_finish(count), 1);
	assert_int_equal(rename_count_bytes(count), 5);
	rename_count_free(count);
	rename_count_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_deletion_is_used_once),
	    cmocka_unit_test(kind_counts_and_empty_files_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
