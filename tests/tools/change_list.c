#include "tools/change_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct change_list list;

static int set_up(void **state)
{
	(void)state;
	memset(&list, 0, sizeof(list));
	return change_list_begin(&list, "data");
}

static int tear_down(void **state)
{
	(void)state;
	change_list_release(&list);
	return 0;
}

/* A file of the content N; 0 is an empty one. */
static struct entry file(unsigned n)
{
	struct entry entry = {.kind = ENTRY_FILE, .form = CONTENT_CHUNK, .size = 1000 * (uint64_t)n};

	if (!n)
		entry.form = CONTENT_INLINE;
	memcpy(entry.id.bytes, &n, sizeof(n));
	return entry;
}

static void deleted(const char *path, unsigned n)
{
	struct entry entry = file(n);

	assert_int_equal(change_list_add(&list, path, &entry, NULL), 0);
}

static void added(const char *path, unsigned n)
{
	struct entry entry = file(n);

	assert_int_equal(change_list_add(&list, path, NULL, &entry), 0);
}

/* "D a;R b<a;..." */
static void assert_told(const char *expected)
{
	char text[4096] = "";

	for (size_t i = 0; i < list.count; i++) {
		const struct listed_change *change = &list.items[i];
		char *end = text + strlen(text);

		if (change_letter(change) == 'R')
			sprintf(end, "R %s<%s;", change->path, list.items[change->from].path);
		else if (change_letter(change))
			sprintf(end, "%c %s;", change_letter(change), change->path);
	}
	assert_string_equal(text, expected);
}

static void same_content_is_a_rename(void **state)
{
	struct entry a = file(1), b = file(2);

	(void)state;
	deleted("a", 1);
	added("b", 1);
	deleted("c", 2);
	added("d", 3);
	assert_int_equal(change_list_add(&list, "m", &a, &b), 0);
	assert_int_equal(change_list_find_renames(&list), 0);
	assert_told("R b<a;D c;A d;M m;");
}

static void each_end_is_used_once_and_names_count(void **state)
{
	(void)state;
	deleted("old/x", 1);
	deleted("old/y", 1);
	deleted("old/z", 1);
	added("new/z", 1);
	added("new/q", 1);
	added("new/x", 1);
	added("new/r", 1);
	assert_int_equal(change_list_find_renames(&list), 0);
	assert_told("R new/z<old/z;R new/q<old/y;R new/x<old/x;A new/r;");
}

static void empty_files_directories_and_other_kinds_are_none(void **state)
{
	struct entry link = file(5), directory = {.kind = ENTRY_DIRECTORY};

	(void)state;
	link.kind = ENTRY_SYMLINK;
	deleted("empty", 0);
	added("empty2", 0);
	deleted("file", 5);
	assert_int_equal(change_list_add(&list, "link", NULL, &link), 0);
	assert_int_equal(change_list_add(&list, "dir", &directory, NULL), 0);
	assert_int_equal(change_list_add(&list, "dir2", NULL, &directory), 0);
	assert_int_equal(change_list_find_renames(&list), 0);
	assert_told("D empty;A empty2;D file;A link;D dir;A dir2;");
}

static void files_of_the_work_tree_need_an_id(void **state)
{
	const struct stat st = {.st_mode = S_IFREG | 0755, .st_size = 1000};
	struct entry entry = file(1);

	(void)state;
	deleted("a", 1);
	assert_int_equal(change_list_add_work(&list, "b", NULL, ENTRY_FILE, &st), 0);
	assert_int_equal(change_list_find_renames(&list), 0);
	assert_told("D a;A b;");
	assert_true(list.items[1].b.executable);
	list.items[1].b.id = entry.id;
	list.items[1].b.has_id = true;
	assert_int_equal(change_list_find_renames(&list), 0);
	assert_told("R b<a;");
}

static void thousands_of_equal_files_are_paired_quickly(void **state)
{
	char path[32];
	size_t renames = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		sprintf(path, "old/%u", i);
		deleted(path, 1);
	}
	for (unsigned i = 0; i < 20000; i++) {
		sprintf(path, "new/%u", i + 10000);
		added(path, 1);
	}
	assert_int_equal(change_list_find_renames(&list), 0);
	for (size_t i = 0; i < list.count; i++)
		if (change_letter(&list.items[i]) == 'R') {
			renames++;
			if (atoi(list.items[i].path + 4) < 20000)
				assert_string_equal(list.items[i].path + 4, list.items[list.items[i].from].path + 4);
		}
	assert_int_equal(renames, 20000);
}

static void counts_are_told_in_words(void **state)
{
	struct change_counts counts = {.added = 0};
	struct entry a = file(1), b = file(3), directory = {.kind = ENTRY_DIRECTORY};
	char *text;

	(void)state;
	deleted("a", 2);
	added("b", 2);
	added("c", 4);
	assert_int_equal(change_list_add(&list, "m", &a, &b), 0);
	assert_int_equal(change_list_add(&list, "dir", &directory, NULL), 0);
	assert_int_equal(change_list_find_renames(&list), 0);
	for (size_t i = 0; i < list.count; i++)
		change_count(&list.items[i], &counts);
	text = change_counts_text(&counts);
	assert_string_equal(text, "1 added, 1 modified, 1 renamed, +6.8 KiB, -1000 bytes");
	free(text);
	assert_int_equal(counts.directories, 1);
	counts = (struct change_counts){.directories = 1};
	text = change_counts_text(&counts);
	assert_string_equal(text, "directories changed");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(same_content_is_a_rename, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(each_end_is_used_once_and_names_count, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(empty_files_directories_and_other_kinds_are_none, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(files_of_the_work_tree_need_an_id, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(thousands_of_equal_files_are_paired_quickly, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(counts_are_told_in_words, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
