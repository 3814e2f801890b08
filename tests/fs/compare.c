#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/compare.h"
#include "fs/name.h"
#include "tests/support/garden.h"

#define NAMES 30000

static struct garden garden;
static char (*names)[16];

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

/* What was told, a line each: D, A or M and the path. */
struct told {
	struct buffer text;
	const char *stay_out; /* of this directory */
	const char *stop_at;
	int stop;
};

static void note(struct buffer *text, char what, const char *path)
{
	buffer_put8(text, (uint8_t)what);
	buffer_put8(text, ' ');
	buffer_append(text, path, strlen(path));
	buffer_put8(text, '\n');
}

static int tell(void *arg, const char *path, size_t path_len, const struct entry *a, const struct entry *b)
{
	struct told *told = arg;
	const struct entry *named = a ? a : b;
	const char *slash = strrchr(path, '/');

	assert_int_equal(strlen(path), path_len);
	assert_non_null(named);
	assert_int_equal(
	    name_cmp(named->name, named->name_len, slash ? slash + 1 : path, strlen(slash ? slash + 1 : path)), 0);
	note(&told->text, (char)(!b ? 'D' : !a ? 'A' : 'M'), path);
	if (told->stop_at && strcmp(told->stop_at, path) == 0)
		return told->stop;
	return told->stay_out && strcmp(told->stay_out, path) == 0;
}

static char *take_text(struct told *told)
{
	buffer_put8(&told->text, '\0');
	return (char *)told->text.data;
}

/* The same by looking at every path. */

static const struct item *next_child(const struct model *m, size_t *at, const char *prefix)
{
	size_t len = strlen(prefix);

	for (; *at < m->count; ++*at) {
		const struct item *item = &m->items[*at];

		if (strncmp(item->path, prefix, len) == 0 && item->path[len] != '\0' && !strchr(item->path + len, '/'))
			return item;
	}
	return NULL;
}

static bool same_item(const struct item *x, const struct item *y)
{
	struct entry a = model_entry(x), b = model_entry(y);

	return compare_entries_equal(&a, &b);
}

static void expect(struct buffer *text, const struct model *a, const struct model *b, const char *prefix);

static void expect_below(struct buffer *text, const struct model *a, const struct model *b, const struct item *item)
{
	char prefix[MODEL_PATH_MAX + 1];

	if (item->kind != ENTRY_DIRECTORY)
		return;
	snprintf(prefix, sizeof(prefix), "%s/", item->path);
	expect(text, a, b, prefix);
}

static void expect(struct buffer *text, const struct model *a, const struct model *b, const char *prefix)
{
	static const struct model empty;
	size_t at_a = 0, at_b = 0;

	for (;;) {
		const struct item *x = next_child(a, &at_a, prefix), *y = next_child(b, &at_b, prefix);
		int order;

		if (!x && !y)
			return;
		order = !x ? 1 : !y ? -1 : strcmp(x->path, y->path);
		if (order == 0 && x->kind == y->kind) {
			if (x->kind == ENTRY_DIRECTORY)
				expect_below(text, a, b, x);
			else if (!same_item(x, y))
				note(text, 'M', x->path);
		} else {
			if (order <= 0) {
				note(text, 'D', x->path);
				expect_below(text, a, &empty, x);
			}
			if (order >= 0) {
				note(text, 'A', y->path);
				expect_below(text, &empty, b, y);
			}
		}
		at_a += order <= 0;
		at_b += order >= 0;
	}
}

static void assert_told(const struct built *a, const struct built *b, const char *expected)
{
	struct directory da, db;
	struct told told = {.stop = 0};

	if (a)
		da = garden_directory(a);
	if (b)
		db = garden_directory(b);
	assert_int_equal(compare_trees(garden.source, a ? &da : NULL, b ? &db : NULL, tell, &told), 0);
	assert_string_equal(take_text(&told), expected);
	buffer_release(&told.text);
}

static void all_differences_are_told_in_order(void **state)
{
	uint64_t random = 11;
	const struct model empty = {0};

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct model a = {0}, b = {0};
		struct built tree_a, tree_b;
		struct told expected = {.stop = 0};
		unsigned steps = garden_random(&random, 300), changes = garden_random(&random, 50);

		for (unsigned i = 0; i < steps; i++)
			model_change(&a, &random, 30, 1000);
		model_copy(&b, &a);
		for (unsigned i = 0; i < changes; i++)
			model_change(&b, &random, 30, 1000);
		tree_a = garden_plant(&garden, &a);
		tree_b = garden_plant(&garden, &b);
		expect(&expected.text, &a, &b, "");
		assert_told(&tree_a, &tree_b, take_text(&expected));
		buffer_clear(&expected.text);
		expect(&expected.text, &empty, &b, "");
		assert_told(NULL, &tree_b, take_text(&expected));
		buffer_clear(&expected.text);
		expect(&expected.text, &a, &empty, "");
		assert_told(&tree_a, NULL, take_text(&expected));
		assert_told(&tree_a, &tree_a, "");
		buffer_release(&expected.text);
		model_release(&a);
		model_release(&b);
	}
	assert_told(NULL, NULL, "");
}

static struct built plant_names(const bool *held, const unsigned *seeds)
{
	struct builder *b;
	struct built built;

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	for (unsigned i = 0; i < NAMES; i++) {
		struct entry entry = garden_file(names[i], seeds[i]);

		if (held[i])
			assert_int_equal(builder_add(b, &entry), 0);
	}
	assert_int_equal(builder_finish(b, &built), 0);
	builder_close(b);
	return built;
}

static void expect_names(struct buffer *text, const bool *a, const bool *b, const unsigned *sa, const unsigned *sb)
{
	for (unsigned i = 0; i < NAMES; i++) {
		struct entry x = garden_file("", sa[i]), y = garden_file("", sb[i]);

		if (a[i] != b[i])
			note(text, a[i] ? 'D' : 'A', names[i]);
		else if (a[i] && !compare_entries_equal(&x, &y))
			note(text, 'M', names[i]);
	}
}

/* Changes of any number, near each other or far apart, and ranges that come or go with their pages. */
static void change_names(bool *held, unsigned *seeds, unsigned round, uint64_t *random)
{
	static const unsigned counts[] = {1, 1, 4, 60, 1000, 0};
	unsigned from = garden_random(random, NAMES), width = round % 2 ? NAMES - from : 200;

	for (unsigned i = 0; i < counts[round % 6]; i++) {
		unsigned n = (from + garden_random(random, width)) % NAMES;

		held[n] = garden_random(random, 2);
		seeds[n] = garden_random(random, 1000);
	}
	if (round % 6 == 5)
		for (unsigned n = from; n < NAMES && n < from + width / 2; n++)
			held[n] = !held[n];
}

static void large_directories_are_compared_exactly(void **state)
{
	static bool held[2][NAMES];
	static unsigned seeds[2][NAMES];
	uint64_t random = 5;

	(void)state;
	for (unsigned i = 0; i < NAMES; i++)
		held[0][i] = garden_random(&random, 4) != 0;
	for (unsigned round = 0; round < 36; round++) {
		struct built a, b;
		struct told expected = {.stop = 0};

		a = plant_names(held[0], seeds[0]);
		memcpy(held[1], held[0], sizeof(held[0]));
		memcpy(seeds[1], seeds[0], sizeof(seeds[0]));
		change_names(held[1], seeds[1], round, &random);
		b = plant_names(held[1], seeds[1]);
		expect_names(&expected.text, held[0], held[1], seeds[0], seeds[1]);
		assert_told(&a, &b, take_text(&expected));
		buffer_clear(&expected.text);
		expect_names(&expected.text, held[1], held[0], seeds[1], seeds[0]);
		assert_told(&b, &a, take_text(&expected));
		buffer_release(&expected.text);
		memcpy(held[0], held[1], sizeof(held[0]));
		memcpy(seeds[0], seeds[1], sizeof(seeds[0]));
	}
}

static unsigned levels_of(const struct built *tree)
{
	struct directory directory = garden_directory(tree);
	struct descent d;
	unsigned levels;

	assert_int_equal(tree_open(garden.source, &directory, &d), 0);
	levels = descent_root(&d)->level + 1u;
	descent_close(&d);
	return levels;
}

static void one_change_reads_one_way_down_on_each_side(void **state)
{
	static bool held[NAMES];
	static unsigned seeds[NAMES];
	uint64_t random = 5;
	struct built a, b;
	struct directory da, db;

	(void)state;
	memset(held, 1, sizeof(held));
	a = plant_names(held, seeds);
	assert_true(levels_of(&a) >= 3);
	for (unsigned round = 0; round < 20; round++) {
		struct told told = {.stop = 0};
		unsigned n = garden_random(&random, NAMES);

		seeds[n] = 1;
		b = plant_names(held, seeds);
		seeds[n] = 0;
		da = garden_directory(&a);
		db = garden_directory(&b);
		garden_forget(&garden);
		assert_int_equal(compare_trees(garden.source, &da, &db, tell, &told), 0);
		assert_int_equal(source_pages_loaded(garden.source), 2 * levels_of(&a));
		buffer_release(&told.text);
	}
	garden_forget(&garden);
	assert_told(&a, &a, "");
	assert_int_equal(source_pages_loaded(garden.source), 0);
}

/* A name that comes or goes may move a boundary; away from it pages are the same again and are not read. */
static void a_moved_boundary_costs_little(void **state)
{
	static bool held[NAMES];
	static unsigned seeds[NAMES];
	uint64_t random = 9;
	struct built a, b;
	uint64_t reads = 0;
	const unsigned rounds = 20;

	(void)state;
	memset(held, 1, sizeof(held));
	a = plant_names(held, seeds);
	for (unsigned round = 0; round < rounds; round++) {
		unsigned n = garden_random(&random, NAMES);
		char expected[32];

		held[n] = false;
		b = plant_names(held, seeds);
		held[n] = true;
		garden_forget(&garden);
		snprintf(expected, sizeof(expected), "D %s\n", names[n]);
		assert_told(&a, &b, expected);
		reads += source_pages_loaded(garden.source);
	}
	/* A third of these names close pages: at worst the rest of the page above is cut anew. */
	assert_in_range(reads, rounds * 2 * levels_of(&a), rounds * 60);
}

/* A whole page that is gone, a tree that has grown by a level: what is left is not read. */
static void a_page_that_is_gone_does_not_make_the_next_one_read(void **state)
{
	static bool held[NAMES];
	static unsigned seeds[NAMES];
	struct built a, b;
	struct descent d;
	struct told told = {.stop = 0};
	struct directory da;
	unsigned first, count, n = 0;

	(void)state;
	memset(held, 1, sizeof(held));
	a = plant_names(held, seeds);
	da = garden_directory(&a);
	assert_int_equal(tree_open(garden.source, &da, &d), 0);
	assert_int_equal(descent_seek_position(&d, NAMES / 3), 0);
	count = descent_page(&d)->count;
	first = (unsigned)descent_position(&d) - descent_next(&d);
	descent_close(&d);
	for (unsigned i = first; i < first + count; i++)
		held[i] = false;
	b = plant_names(held, seeds);
	struct directory db = garden_directory(&b);
	garden_forget(&garden);
	assert_int_equal(compare_trees(garden.source, &da, &db, tell, &told), 0);
	for (const char *p = take_text(&told); *p; p++)
		n += *p == '\n';
	assert_int_equal(n, count);
	/* The way down on both sides, the page that is gone, and the one behind it, entered on side B to see that it
	 * is. */
	assert_in_range(source_pages_loaded(garden.source), 2 * levels_of(&a) - 1, 2 * levels_of(&a) + 1);
	buffer_release(&told.text);
}

static void a_change_deep_down_reads_only_its_way(void **state)
{
	struct model m = {0};
	struct built a, b;
	char path[MODEL_PATH_MAX];

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "d%02u", i / 20);
		model_set(&m, path, ENTRY_DIRECTORY, false, 0);
		snprintf(path, sizeof(path), "d%02u/e%02u", i / 20, i % 20);
		model_set(&m, path, ENTRY_DIRECTORY, false, 0);
		snprintf(path, sizeof(path), "d%02u/e%02u/f", i / 20, i % 20);
		model_set(&m, path, ENTRY_FILE, false, i);
	}
	a = garden_plant(&garden, &m);
	model_set(&m, "d07/e03/f", ENTRY_FILE, true, 1);
	b = garden_plant(&garden, &m);
	garden_forget(&garden);
	assert_told(&a, &b, "M d07/e03/f\n");
	assert_int_equal(source_pages_loaded(garden.source), 6);
	model_release(&m);
}

static void callbacks_stay_out_or_end(void **state)
{
	struct model a = {0}, b = {0};
	struct built tree_a, tree_b;
	struct directory da, db;
	struct told told = {.stay_out = "d"}, stop = {.stop_at = "e", .stop = -ENOENT};

	(void)state;
	model_set(&a, "d", ENTRY_DIRECTORY, false, 0);
	model_set(&a, "d/x", ENTRY_FILE, false, 0);
	model_set(&a, "f", ENTRY_FILE, false, 0);
	model_set(&b, "d", ENTRY_FILE, false, 0);
	model_set(&b, "e", ENTRY_FILE, false, 0);
	model_set(&b, "f", ENTRY_FILE, true, 0);
	tree_a = garden_plant(&garden, &a);
	tree_b = garden_plant(&garden, &b);
	da = garden_directory(&tree_a);
	db = garden_directory(&tree_b);
	assert_told(&tree_a, &tree_b, "D d\nD d/x\nA d\nA e\nM f\n");
	assert_told(&tree_b, &tree_a, "D d\nA d\nA d/x\nD e\nM f\n");
	assert_int_equal(compare_trees(garden.source, &da, &db, tell, &told), 0);
	assert_string_equal(take_text(&told), "D d\nA d\nA e\nM f\n");
	assert_int_equal(compare_trees(garden.source, &da, &db, tell, &stop), -ENOENT);
	assert_string_equal(take_text(&stop), "D d\nD d/x\nA d\nA e\n");
	buffer_release(&told.text);
	buffer_release(&stop.text);
	model_release(&a);
	model_release(&b);
}

static void a_level_is_compared_by_itself(void **state)
{
	struct model a = {0}, b = {0};
	struct built tree_a, tree_b;
	struct directory da, db;
	struct told told = {.stop = 0};

	(void)state;
	model_set(&a, "d", ENTRY_DIRECTORY, false, 0);
	model_set(&a, "d/x", ENTRY_FILE, false, 0);
	model_set(&a, "e", ENTRY_DIRECTORY, false, 0);
	model_set(&a, "f", ENTRY_FILE, false, 0);
	model_set(&a, "g", ENTRY_FILE, false, 0);
	model_copy(&b, &a);
	model_set(&b, "d/x", ENTRY_FILE, true, 0);
	model_set(&b, "f", ENTRY_DIRECTORY, false, 0);
	model_remove(&b, "g");
	model_set(&b, "h", ENTRY_FILE, true, 0);
	tree_a = garden_plant(&garden, &a);
	tree_b = garden_plant(&garden, &b);
	da = garden_directory(&tree_a);
	db = garden_directory(&tree_b);
	assert_int_equal(compare_level(garden.source, &da, &db, NULL, 0, tell, &told), 0);
	assert_string_equal(take_text(&told), "M d\nM f\nD g\nA h\n");
	buffer_clear(&told.text);
	assert_int_equal(compare_level(garden.source, &da, &db, "e", 1, tell, &told), 0);
	assert_string_equal(take_text(&told), "M f\nD g\nA h\n");
	buffer_clear(&told.text);
	assert_int_equal(compare_level(garden.source, &da, NULL, "e", 1, tell, &told), 0);
	assert_string_equal(take_text(&told), "D e\nD f\nD g\n");
	buffer_clear(&told.text);
	assert_int_equal(compare_level(garden.source, &da, &db, "i", 1, tell, &told), 0);
	assert_string_equal(take_text(&told), "");
	buffer_clear(&told.text);
	told.stop_at = "f";
	told.stop = 5;
	assert_int_equal(compare_level(garden.source, &da, &db, NULL, 0, tell, &told), 5);
	assert_string_equal(take_text(&told), "M d\nM f\n");
	buffer_release(&told.text);
	model_release(&a);
	model_release(&b);
}

static void a_missing_page_ends_the_comparison(void **state)
{
	struct model m = {0};
	struct built tree;
	struct directory da, db;
	struct told told = {.stop = 0};

	(void)state;
	model_set(&m, "f", ENTRY_FILE, false, 0);
	tree = garden_plant(&garden, &m);
	da = db = garden_directory(&tree);
	db.id.bytes[0] ^= 1;
	assert_int_equal(compare_trees(garden.source, &da, &db, tell, &told), -ENODATA);
	assert_int_equal(compare_trees(garden.source, NULL, &db, tell, &told), -ENODATA);
	da.totals.files++;
	assert_int_equal(compare_trees(garden.source, &da, NULL, tell, &told), -EBADMSG);
	buffer_release(&told.text);
	model_release(&m);
}

static void a_depth_bomb_is_refused(void **state)
{
	struct page_encoder e = {0};
	struct built built;
	struct told told = {.stop = 0};
	struct directory directory;

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	built = garden_forge(&garden, &e);
	for (unsigned depth = 1; depth <= PAGE_DEPTH_MAX + 1; depth++) {
		struct entry entry = {
		    .name = "d", .name_len = 1, .kind = ENTRY_DIRECTORY, .id = built.id, .totals = built.totals};

		directory = garden_directory(&built);
		page_encoder_begin(&e, PAGE_DIRECTORY, 0);
		page_encoder_add(&e, &entry);
		built = garden_forge(&garden, &e);
	}
	assert_int_equal(compare_trees(garden.source, NULL, &directory, tell, &told), 0);
	directory = garden_directory(&built);
	assert_int_equal(compare_trees(garden.source, NULL, &directory, tell, &told), -EBADMSG);
	buffer_release(&told.text);
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
	    TEST(all_differences_are_told_in_order),
	    TEST(large_directories_are_compared_exactly),
	    TEST(one_change_reads_one_way_down_on_each_side),
	    TEST(a_moved_boundary_costs_little),
	    TEST(a_page_that_is_gone_does_not_make_the_next_one_read),
	    TEST(a_change_deep_down_reads_only_its_way),
	    TEST(callbacks_stay_out_or_end),
	    TEST(a_level_is_compared_by_itself),
	    TEST(a_missing_page_ends_the_comparison),
	    TEST(a_depth_bomb_is_refused),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
