#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/name.h"
#include "tests/support/garden.h"
#include "tests/support/scratch.h"

#define NAMES 30000

static struct garden garden;
static char (*names)[16];
static struct built large; /* holds every second of the names; planted by each test that wants it */

static int setup(void **state)
{
	(void)state;
	garden_open(&garden);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	garden_close(&garden);
	return 0;
}

static struct directory plant_large(void)
{
	struct builder *b;

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	for (unsigned i = 0; i < NAMES; i += 2) {
		struct entry entry = garden_file(names[i], i);

		assert_int_equal(builder_add(b, &entry), 0);
	}
	assert_int_equal(builder_finish(b, &large), 0);
	builder_close(b);
	garden_forget(&garden);
	return garden_directory(&large);
}

static void every_name_is_found_with_its_rank(void **state)
{
	struct directory directory = plant_large();
	struct entry_pin pin;

	(void)state;
	for (unsigned i = 0; i < NAMES; i += 2) {
		assert_int_equal(tree_find(garden.source, &directory, names[i], 8, &pin), 0);
		assert_memory_equal(pin.entry.name, names[i], 8);
		assert_int_equal(pin.ordinal, i / 2);
		assert_int_equal(pin.entry.size, i % 40);
		tree_unpin_entry(garden.source, &pin);
		assert_int_equal(tree_find(garden.source, &directory, names[i + 1], 8, &pin), -ENOENT);
		assert_int_equal(tree_at(garden.source, &directory, i / 2, &pin), 0);
		assert_memory_equal(pin.entry.name, names[i], 8);
		assert_int_equal(pin.ordinal, i / 2);
		tree_unpin_entry(garden.source, &pin);
	}
	assert_int_equal(tree_find(garden.source, &directory, "", 0, &pin), -ENOENT);
	assert_int_equal(tree_find(garden.source, &directory, "zzzz", 4, &pin), -ENOENT);
	assert_int_equal(tree_find(garden.source, &directory, names[0], 7, &pin), -ENOENT);
	assert_int_equal(tree_at(garden.source, &directory, NAMES / 2, &pin), -ENOENT);
	assert_int_equal(tree_at(garden.source, &directory, UINT64_MAX, &pin), -ENOENT);
}

static void one_look_up_reads_a_page_a_level(void **state)
{
	struct directory directory = plant_large();
	struct entry_pin pin;
	struct descent d;
	unsigned levels;

	(void)state;
	assert_int_equal(tree_open(garden.source, &directory, &d), 0);
	levels = descent_root(&d)->level + 1u;
	descent_close(&d);
	assert_true(levels >= 3);
	garden_forget(&garden);
	assert_int_equal(tree_find(garden.source, &directory, names[NAMES / 2], 8, &pin), 0);
	tree_unpin_entry(garden.source, &pin);
	assert_int_equal(source_pages_loaded(garden.source), levels);
}

static unsigned run_cursor(struct tree_cursor *cursor, unsigned from)
{
	struct entry entry;
	unsigned n = from;
	int r;

	while ((r = tree_cursor_next(cursor, &entry)) == 0) {
		assert_memory_equal(entry.name, names[2 * n], 8);
		n++;
		assert_int_equal(cursor->ordinal, n);
	}
	assert_int_equal(r, -ENOENT);
	assert_int_equal(tree_cursor_next(cursor, &entry), -ENOENT);
	tree_cursor_close(cursor);
	return n;
}

static void a_cursor_goes_on_from_any_rank_or_name(void **state)
{
	struct directory directory = plant_large();
	struct tree_cursor cursor = {0};
	uint64_t random = 1;

	(void)state;
	tree_cursor_close(&cursor);
	assert_int_equal(tree_cursor_open(garden.source, &directory, 0, &cursor), 0);
	assert_int_equal(run_cursor(&cursor, 0), NAMES / 2);
	for (unsigned round = 0; round < 20; round++) {
		unsigned from = garden_random(&random, NAMES / 2);

		assert_int_equal(tree_cursor_open(garden.source, &directory, from, &cursor), 0);
		assert_int_equal(run_cursor(&cursor, from), NAMES / 2);
		assert_int_equal(tree_cursor_open_at(garden.source, &directory, names[2 * from], 8, &cursor), 0);
		assert_int_equal(cursor.ordinal, from);
		assert_int_equal(run_cursor(&cursor, from), NAMES / 2);
		assert_int_equal(tree_cursor_open_at(garden.source, &directory, names[2 * from + 1], 8, &cursor), 0);
		assert_int_equal(cursor.ordinal, from + 1);
		assert_int_equal(run_cursor(&cursor, from + 1), NAMES / 2);
	}
	assert_int_equal(tree_cursor_open(garden.source, &directory, NAMES, &cursor), 0);
	assert_int_equal(run_cursor(&cursor, NAMES / 2), NAMES / 2);
	assert_int_equal(tree_cursor_open_at(garden.source, &directory, "z", 1, &cursor), 0);
	assert_int_equal(cursor.ordinal, NAMES / 2);
	assert_int_equal(run_cursor(&cursor, NAMES / 2), NAMES / 2);
}

static void an_empty_directory_has_nothing(void **state)
{
	struct model empty = {0};
	struct built built = garden_plant(&garden, &empty);
	struct directory directory = garden_directory(&built);
	struct tree_cursor cursor;
	struct entry_pin pin;
	struct entry entry;

	(void)state;
	assert_int_equal(tree_find(garden.source, &directory, "a", 1, &pin), -ENOENT);
	assert_int_equal(tree_at(garden.source, &directory, 0, &pin), -ENOENT);
	assert_int_equal(tree_cursor_open(garden.source, &directory, 0, &cursor), 0);
	assert_int_equal(tree_cursor_next(&cursor, &entry), -ENOENT);
	tree_cursor_close(&cursor);
	garden_assert_is(&garden, &built, &empty);
}

static struct built plant_small(struct model *m)
{
	model_set(m, "a", ENTRY_DIRECTORY, false, 0);
	model_set(m, "a/b", ENTRY_DIRECTORY, false, 0);
	model_set(m, "a/b/c", ENTRY_FILE, false, 3);
	model_set(m, "a.txt", ENTRY_FILE, true, 4);
	model_set(m, "a!", ENTRY_SYMLINK, false, 5);
	model_set(m, "empty", ENTRY_DIRECTORY, false, 5);
	return garden_plant(&garden, m);
}

static int walk(const struct directory *directory, const char *path)
{
	struct entry_pin pin;
	int r = tree_walk(garden.source, directory, path, &pin);

	if (r == 0)
		tree_unpin_entry(garden.source, &pin);
	return r;
}

static void paths_are_walked(void **state)
{
	struct model m = {0};
	struct built built = plant_small(&m);
	struct directory directory = garden_directory(&built);
	struct totals totals;

	(void)state;
	assert_int_equal(walk(&directory, "a/b/c"), 0);
	assert_int_equal(walk(&directory, "a/b"), 0);
	assert_int_equal(walk(&directory, "a.txt"), 0);
	assert_int_equal(walk(&directory, ""), -EISDIR);
	assert_int_equal(walk(&directory, "a/x"), -ENOENT);
	assert_int_equal(walk(&directory, "x/a"), -ENOENT);
	assert_int_equal(walk(&directory, "a//b"), -ENOENT);
	assert_int_equal(walk(&directory, "a.txt/b"), -ENOTDIR);
	assert_int_equal(walk(&directory, "a!/b"), -ENOTDIR);
	assert_int_equal(directory_totals(garden.source, &directory, &totals), 0);
	assert_int_equal(totals.files, 3);
	assert_int_equal(totals.entries, 4);
	assert_int_equal(totals.bytes, 7);
	garden_assert_is(&garden, &built, &m);
	model_release(&m);
}

/* A visitor that collects paths. */
struct collected {
	char text[4096];
	const char *skip; /* this directory is not entered */
	int stop;         /* answer to the path "a.txt" */
	int failed_answer;
};

static int collect(void *arg, const char *path, size_t path_len, const struct entry *entry)
{
	struct collected *c = arg;

	(void)entry;
	assert_int_equal(strlen(path), path_len);
	strcat(strcat(c->text, path), " ");
	if (strcmp(path, "a.txt") == 0 && c->stop)
		return c->stop;
	return c->skip && strcmp(path, c->skip) == 0;
}

static int collect_failed(void *arg, const char *path, size_t path_len, int error)
{
	struct collected *c = arg;
	char text[64];

	(void)path_len;
	snprintf(text, sizeof(text), "[%s %d] ", path, error == -ENODATA ? 1 : error == -EBADMSG ? 2 : error);
	strcat(c->text, text);
	return c->failed_answer;
}

static int visit(const struct directory *directory, struct collected *c)
{
	struct tree_visitor visitor = {.each = collect, .enter_failed = collect_failed, .arg = c};

	return tree_visit(garden.source, directory, &visitor);
}

static void a_visitor_may_stay_out_or_end(void **state)
{
	struct model m = {0};
	struct built built = plant_small(&m);
	struct directory directory = garden_directory(&built);
	struct collected all = {.text = ""}, skip = {.skip = "a"}, stop = {.stop = -EPERM};

	(void)state;
	assert_int_equal(visit(&directory, &all), 0);
	assert_string_equal(all.text, "a a/b a/b/c a! a.txt empty ");
	assert_int_equal(visit(&directory, &skip), 0);
	assert_string_equal(skip.text, "a a! a.txt empty ");
	assert_int_equal(visit(&directory, &stop), -EPERM);
	assert_string_equal(stop.text, "a a/b a/b/c a! a.txt ");
	model_release(&m);
}

/* A root of two directories of which the first names a page that no store has, or one that lies. */
static struct directory plant_with_hole(const struct totals *totals, bool missing)
{
	struct page_encoder e = {0};
	struct model m = {0};
	struct built inner, root;
	struct entry entry;

	model_set(&m, "f", ENTRY_FILE, false, 1);
	inner = garden_plant(&garden, &m);
	model_release(&m);
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	entry =
	    (struct entry){.name = "bad", .name_len = 3, .kind = ENTRY_DIRECTORY, .id = inner.id, .totals = *totals};
	if (missing)
		entry.id.bytes[0] ^= 1;
	page_encoder_add(&e, &entry);
	entry = (struct entry){
	    .name = "good", .name_len = 4, .kind = ENTRY_DIRECTORY, .id = inner.id, .totals = inner.totals};
	page_encoder_add(&e, &entry);
	root = garden_forge(&garden, &e);
	return garden_directory(&root);
}

static void a_missing_page_is_enodata_and_its_siblings_are_readable(void **state)
{
	const struct totals right = {1, 1, 1};
	struct directory directory = plant_with_hole(&right, true);
	struct collected c = {.text = ""};

	(void)state;
	assert_int_equal(walk(&directory, "bad"), 0);
	assert_int_equal(walk(&directory, "bad/f"), -ENODATA);
	assert_int_equal(walk(&directory, "good/f"), 0);
	assert_int_equal(visit(&directory, &c), 0);
	assert_string_equal(c.text, "bad [bad 1] good good/f ");
	c = (struct collected){.failed_answer = -EIO};
	assert_int_equal(visit(&directory, &c), -EIO);
	struct tree_visitor without = {.each = collect, .arg = &c};
	assert_int_equal(tree_visit(garden.source, &directory, &without), -ENODATA);
}

static void totals_that_lie_are_damage_where_they_stand(void **state)
{
	static const struct totals lies[] = {{2, 1, 1}, {1, 2, 1}, {1, 1, 2}};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct directory directory = plant_with_hole(&lies[i], false);
		struct collected c = {.text = ""};

		assert_int_equal(walk(&directory, "bad"), 0);
		assert_int_equal(walk(&directory, "bad/f"), -EBADMSG);
		assert_int_equal(walk(&directory, "good/f"), 0);
		assert_int_equal(visit(&directory, &c), 0);
		assert_string_equal(c.text, "bad [bad 2] good good/f ");
	}
}

static void broken_entries_are_not_entered(void **state)
{
	struct page_encoder e = {0};
	struct model m = {0};
	struct built inner, root;
	struct entry entry;
	struct collected c = {.text = ""};

	(void)state;
	model_set(&m, "f", ENTRY_FILE, false, 1);
	inner = garden_plant(&garden, &m);
	model_release(&m);
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	entry = (struct entry){
	    .name = ".git", .name_len = 4, .kind = ENTRY_DIRECTORY, .id = inner.id, .totals = inner.totals};
	page_encoder_add(&e, &entry);
	entry.name = "good";
	page_encoder_add(&e, &entry);
	root = garden_forge(&garden, &e);
	struct directory directory = garden_directory(&root);
	assert_int_equal(walk(&directory, ".git/f"), -EIO);
	assert_int_equal(walk(&directory, "good/f"), 0);
	assert_int_equal(visit(&directory, &c), 0);
	assert_string_equal(c.text, ".git good good/f ");
}

/* A directory in a directory, LEVELS deep, all with right hashes and totals. */
static struct directory plant_deep(unsigned levels)
{
	struct page_encoder e = {0};
	struct built built;

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	built = garden_forge(&garden, &e);
	for (unsigned i = 1; i < levels; i++) {
		struct entry entry = {.name = "d",
		                      .name_len = 1,
		                      .kind = ENTRY_DIRECTORY,
		                      .id = built.id,
		                      .locator = built.locator,
		                      .totals = built.totals};

		page_encoder_begin(&e, PAGE_DIRECTORY, 0);
		page_encoder_add(&e, &entry);
		built = garden_forge(&garden, &e);
	}
	return garden_directory(&built);
}

struct deepest {
	unsigned entries;
	unsigned failures;
};

static int count_entry(void *arg, const char *path, size_t path_len, const struct entry *entry)
{
	(void)path;
	(void)path_len;
	(void)entry;
	((struct deepest *)arg)->entries++;
	return 0;
}

static int count_failure(void *arg, const char *path, size_t path_len, int error)
{
	(void)path;
	(void)path_len;
	assert_int_equal(error, -EBADMSG);
	((struct deepest *)arg)->failures++;
	return 0;
}

static void a_depth_bomb_ends(void **state)
{
	struct deepest count = {0};
	struct tree_visitor visitor = {.each = count_entry, .enter_failed = count_failure, .arg = &count};
	struct directory directory = plant_deep(PAGE_DEPTH_MAX + 1);

	(void)state;
	assert_int_equal(tree_visit(garden.source, &directory, &visitor), 0);
	assert_int_equal(count.entries, PAGE_DEPTH_MAX);
	assert_int_equal(count.failures, 0);
	directory = plant_deep(PAGE_DEPTH_MAX + 100);
	count = (struct deepest){0};
	assert_int_equal(tree_visit(garden.source, &directory, &visitor), 0);
	assert_int_equal(count.entries, PAGE_DEPTH_MAX + 1);
	assert_int_equal(count.failures, 1);
}

static int group_setup(void **state)
{
	(void)state;
	names = garden_names(NAMES);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	free(names);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(every_name_is_found_with_its_rank),
	    TEST(one_look_up_reads_a_page_a_level),
	    TEST(a_cursor_goes_on_from_any_rank_or_name),
	    TEST(an_empty_directory_has_nothing),
	    TEST(paths_are_walked),
	    TEST(a_visitor_may_stay_out_or_end),
	    TEST(a_missing_page_is_enodata_and_its_siblings_are_readable),
	    TEST(totals_that_lie_are_damage_where_they_stand),
	    TEST(broken_entries_are_not_entered),
	    TEST(a_depth_bomb_ends),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
