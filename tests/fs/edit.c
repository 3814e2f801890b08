#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static void path_of(char path[MODEL_PATH_MAX], const char *above, unsigned n)
{
	/* Endings below and above the slash, so that the order of paths is not that of bytes. */
	const char *ending = n % 7 == 0 ? "!x" : n % 5 == 0 ? ".t" : "";

	assert_true(snprintf(path, MODEL_PATH_MAX, "%.90s%s%u%s", above, above[0] ? "/" : "", n, ending) <
	            MODEL_PATH_MAX);
}

/* A random directory of the model, "" for the root. */
static const char *some_directory(const struct model *m, uint64_t *random)
{
	for (unsigned tries = 0; tries < 20 && m->count > 0; tries++) {
		const struct item *item = &m->items[garden_random(random, (unsigned)m->count)];

		if (item->kind == ENTRY_DIRECTORY && strlen(item->path) < MODEL_PATH_MAX - 32)
			return item->path;
	}
	return "";
}

static void change_something(struct model *m, uint64_t *random, unsigned names_a_directory)
{
	char path[MODEL_PATH_MAX], above[MODEL_PATH_MAX];
	unsigned kind = garden_random(random, 10);

	strcpy(above, some_directory(m, random));
	path_of(path, above, garden_random(random, names_a_directory));
	if (garden_random(random, 3) == 0)
		model_remove(m, path);
	else
		model_set(m, path,
		          kind < 7   ? ENTRY_FILE
		          : kind < 9 ? ENTRY_DIRECTORY
		                     : ENTRY_SYMLINK,
		          kind == 0, garden_random(random, 1000));
}

static void random_model(struct model *m, uint64_t *random, unsigned steps)
{
	for (unsigned i = 0; i < steps; i++)
		change_something(m, random, 40);
}

/* The changes that lead from one model to another, told in any of the ways that tree_edit() allows. */
struct script {
	struct tree_change *changes;
	size_t count;
};

static void script_add(struct script *s, const struct item *item, bool remove, bool keep)
{
	struct tree_change *c = &s->changes[s->count++];

	memset(c, 0, sizeof(*c));
	c->path = item->path;
	c->remove = remove;
	c->keep = keep;
	if (!remove)
		c->entry = model_entry(item);
}

static bool same_item(const struct item *a, const struct item *b)
{
	if (a->kind == ENTRY_DIRECTORY || b->kind == ENTRY_DIRECTORY)
		return a->kind == b->kind;
	return a->kind == b->kind && a->executable == b->executable && a->seed == b->seed;
}

/* A directory that is new: told, or left to the changes below where there are some. */
static void script_directory(struct script *s, const struct model *b, const struct item *item, uint64_t *random)
{
	bool filled = item + 1 < b->items + b->count && model_is_below(item[1].path, item->path);

	if (!filled || garden_random(random, 2))
		script_add(s, item, false, garden_random(random, 2));
}

static void write_script(struct script *s, const struct model *a, const struct model *b, uint64_t *random)
{
	const struct item *x = a->items, *y = b->items, *x_end = x + a->count, *y_end = y + b->count;
	const struct item *gone = NULL; /* a directory that was removed: what is below need not be told */

	s->changes = calloc(a->count + b->count + 1, sizeof(*s->changes));
	s->count = 0;
	while (x < x_end || y < y_end) {
		int order = x == x_end ? 1 : y == y_end ? -1 : model_path_cmp(x->path, y->path);

		if (order < 0) {
			if (!gone || !model_is_below(x->path, gone->path) || garden_random(random, 2))
				script_add(s, x, true, false);
			if (x->kind == ENTRY_DIRECTORY && (!gone || !model_is_below(x->path, gone->path)))
				gone = x;
			x++;
			continue;
		}
		if (order > 0 || !same_item(x, y)) {
			if (y->kind == ENTRY_DIRECTORY)
				script_directory(s, b, y, random);
			else
				script_add(s, y, false, false);
			if (order == 0 && x->kind == ENTRY_DIRECTORY)
				gone = x;
		} else if (y->kind == ENTRY_DIRECTORY && garden_random(random, 4) == 0) {
			script_add(s, y, false, true);
		}
		if (order == 0)
			x++;
		y++;
	}
}

static struct built edit(const struct built *old, const struct script *s)
{
	struct built built;
	struct directory directory;

	if (old)
		directory = garden_directory(old);
	assert_int_equal(tree_edit(garden.writer, garden.source, old ? &directory : NULL, s->changes, s->count, &built),
	                 0);
	return built;
}

static void assert_built_equal(const struct built *a, const struct built *b)
{
	assert_true(totals_equal(&a->totals, &b->totals));
	assert_true(id_equal(&a->id, &b->id));
}

static void any_edit_gives_the_tree_built_from_nothing(void **state)
{
	uint64_t random = 1;
	struct model empty = {0};

	(void)state;
	for (unsigned round = 0; round < 150; round++) {
		struct model a = {0}, b = {0};
		struct script s;
		struct built old, expected, edited;

		random_model(&a, &random, garden_random(&random, 300));
		model_copy(&b, &a);
		random_model(&b, &random, garden_random(&random, 60));
		old = garden_plant(&garden, &a);
		expected = garden_plant(&garden, &b);
		write_script(&s, &a, &b, &random);
		edited = edit(&old, &s);
		assert_built_equal(&edited, &expected);
		free(s.changes);
		write_script(&s, &empty, &b, &random);
		edited = edit(NULL, &s);
		assert_built_equal(&edited, &expected);
		if (round % 10 == 0)
			garden_assert_is(&garden, &edited, &b);
		free(s.changes);
		model_release(&a);
		model_release(&b);
	}
}

/* One large directory: which of the names it holds. */
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

/* Change COUNT names of the large directory, near each other or far apart; returns the script. */
static struct script change_names(bool *held, unsigned *seeds, unsigned count, bool near, uint64_t *random)
{
	struct script s = {.changes = calloc(count + 1, sizeof(*s.changes))};
	unsigned from = garden_random(random, NAMES), width = near ? 2 * count : NAMES;
	bool *touched = calloc(NAMES, 1);

	if (from > NAMES - width)
		from = NAMES - width;
	for (unsigned i = 0; i < count; i++) {
		unsigned n = from + garden_random(random, width);

		touched[n] = true;
	}
	for (unsigned n = 0; n < NAMES; n++) {
		struct tree_change *c = &s.changes[s.count];

		if (!touched[n])
			continue;
		c->path = names[n];
		c->remove = held[n] && garden_random(random, 2);
		held[n] = !c->remove;
		seeds[n] = garden_random(random, 1000);
		c->entry = garden_file(names[n], seeds[n]);
		s.count++;
	}
	free(touched);
	return s;
}

static void edits_of_a_large_directory_are_exact(void **state)
{
	static bool held[NAMES];
	static unsigned seeds[NAMES];
	uint64_t random = 7;
	struct built tree;

	(void)state;
	for (unsigned i = 0; i < NAMES; i++) {
		held[i] = garden_random(&random, 4) != 0;
		seeds[i] = i;
	}
	tree = plant_names(held, seeds);
	for (unsigned round = 0; round < 40; round++) {
		static const unsigned counts[] = {1, 1, 3, 20, 300, 3000};
		struct script s = change_names(held, seeds, counts[round % 6], round % 2 == 0, &random);
		struct built expected;

		tree = edit(&tree, &s);
		free(s.changes);
		expected = plant_names(held, seeds);
		assert_built_equal(&tree, &expected);
	}
}

/* Cutting away the end, the beginning and everything, and putting it back. */
static void edits_at_the_ends_are_exact(void **state)
{
	static bool held[NAMES];
	static unsigned seeds[NAMES];
	static struct tree_change changes[NAMES];
	static const unsigned ranges[][2] = {
	    {0, NAMES}, {0, 0},  {0, NAMES / 2}, {NAMES / 2, NAMES}, {NAMES - 1, NAMES}, {1, NAMES}, {0, NAMES - 1},
	    {100, 101}, {0, 70}, {0, 0},         {5000, 25000},      {0, NAMES}};
	struct built tree, expected;

	(void)state;
	tree = plant_names(held, seeds);
	for (unsigned round = 0; round < sizeof(ranges) / sizeof(ranges[0]); round++) {
		struct script s = {.changes = changes};

		for (unsigned n = 0; n < NAMES; n++) {
			bool hold = n >= ranges[round][0] && n < ranges[round][1];

			if (hold == held[n])
				continue;
			held[n] = hold;
			changes[s.count++] = (struct tree_change){names[n], !hold, false, garden_file(names[n], 0)};
		}
		tree = edit(&tree, &s);
		expected = plant_names(held, seeds);
		assert_built_equal(&tree, &expected);
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

/* Pages read and written by one edit, added to what stands there. */
static struct built count_edit(const struct built *old, const struct script *s, uint64_t *reads, uint64_t *writes)
{
	struct store_writer_stats before, after;
	struct built tree;

	garden_forget(&garden);
	store_writer_stats(garden.writer, &before);
	tree = edit(old, s);
	store_writer_stats(garden.writer, &after);
	*reads += source_pages_loaded(garden.source);
	*writes += after.records - before.records;
	return tree;
}

static void one_changed_file_reads_and_writes_a_page_a_level(void **state)
{
	static bool held[NAMES];
	static unsigned seeds[NAMES];
	struct tree_change change = {0};
	struct script s = {&change, 1};
	struct built tree;
	uint64_t random = 3;

	(void)state;
	memset(held, 1, sizeof(held));
	tree = plant_names(held, seeds);
	assert_true(levels_of(&tree) >= 3);
	for (unsigned round = 0; round < 50; round++) {
		uint64_t reads = 0, writes = 0;
		unsigned n = garden_random(&random, NAMES);

		change.path = names[n];
		change.entry = garden_file(names[n], 0);
		change.entry.executable = true;
		change.entry.inline_data = (const uint8_t *)"x";
		change.entry.size = 1;
		tree = count_edit(&tree, &s, &reads, &writes);
		assert_int_equal(reads, levels_of(&tree));
		assert_in_range(writes, 0, levels_of(&tree));
	}
}

/* Names as people give them, one in 512 of which closes a page: when one of those comes or goes, a leaf more is
 * touched. */
static void one_name_more_or_less_touches_little_more_than_one_leaf(void **state)
{
	const unsigned rounds = 200, count = 50000;
	bool *held = calloc(count, 1);
	struct builder *b;
	struct built tree;
	uint64_t random = 5, reads = 0, writes = 0;
	struct tree_change change = {0};
	struct script s = {&change, 1};
	char name[16];

	(void)state;
	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	for (unsigned i = 0; i < count; i++) {
		struct entry entry;

		held[i] = garden_random(&random, 2) != 0;
		snprintf(name, sizeof(name), "img%06u.jpg", i);
		entry = garden_file(name, i);
		if (held[i])
			assert_int_equal(builder_add(b, &entry), 0);
	}
	assert_int_equal(builder_finish(b, &tree), 0);
	builder_close(b);
	assert_int_equal(levels_of(&tree), 2);
	for (unsigned round = 0; round < rounds; round++) {
		unsigned n = garden_random(&random, count);

		snprintf(name, sizeof(name), "img%06u.jpg", n);
		change = (struct tree_change){name, held[n], false, garden_file(name, n + 1)};
		held[n] = !held[n];
		tree = count_edit(&tree, &s, &reads, &writes);
	}
	/* The root and 1.06 leaves, the design says. */
	assert_in_range(reads, 2 * rounds, rounds * 215 / 100);
	assert_in_range(writes, rounds * 19 / 10, rounds * 215 / 100);
	free(held);
}

static void a_change_deep_down_touches_only_its_way(void **state)
{
	struct model m = {0};
	struct script s = {.changes = (struct tree_change[1]){{0}}, .count = 1};
	struct built tree;
	struct store_writer_stats before, after;
	char path[MODEL_PATH_MAX];

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		snprintf(path, sizeof(path), "d%02u", i);
		model_set(&m, path, ENTRY_DIRECTORY, false, 0);
		for (unsigned j = 0; j < 30; j++) {
			snprintf(path, sizeof(path), "d%02u/e%02u", i, j);
			model_set(&m, path, ENTRY_DIRECTORY, false, 0);
			snprintf(path, sizeof(path), "d%02u/e%02u/f%u", i, j, i * 31 + j);
			model_set(&m, path, ENTRY_FILE, false, i + j);
		}
	}
	tree = garden_plant(&garden, &m);
	garden_forget(&garden);
	store_writer_stats(garden.writer, &before);
	s.changes[0].path = "d17/e03/new";
	s.changes[0].entry = garden_file("", 999);
	tree = edit(&tree, &s);
	store_writer_stats(garden.writer, &after);
	assert_int_equal(source_pages_loaded(garden.source), 3);
	assert_int_equal(after.records - before.records, 3);
	model_set(&m, "d17/e03/new", ENTRY_FILE, false, 999);
	garden_assert_is(&garden, &tree, &m);
	model_release(&m);
}

static int try_edit(const struct built *old, const struct tree_change *changes, size_t count)
{
	struct built built;
	struct directory directory;

	if (old)
		directory = garden_directory(old);
	return tree_edit(garden.writer, garden.source, old ? &directory : NULL, changes, count, &built);
}

static struct tree_change add(const char *path)
{
	return (struct tree_change){.path = path, .entry = garden_file("", 5)};
}

static void changes_that_contradict_are_refused(void **state)
{
	char deep[2 * (PAGE_DEPTH_MAX + 2) + 1];
	struct tree_change c[3];

	(void)state;
	c[0] = add("b");
	c[1] = add("a");
	assert_int_equal(try_edit(NULL, c, 2), -EINVAL);
	c[1] = add("b");
	assert_int_equal(try_edit(NULL, c, 2), -EINVAL);
	c[1] = add("b/c");
	assert_int_equal(try_edit(NULL, c, 2), -ENOTDIR);
	c[1].remove = true;
	assert_int_equal(try_edit(NULL, c, 2), 0);
	c[0] = add("a/b");
	c[1] = add("a");
	assert_int_equal(try_edit(NULL, c, 2), -EINVAL);
	c[1] = add("a/b");
	assert_int_equal(try_edit(NULL, c, 2), -EINVAL);
	static const char *const bad[] = {"", "/", "a//b", "/a", "a/", "a/../b", ".", ".git", "a/.GIT/x", "git~1"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c[0] = add(bad[i]);
		assert_int_equal(try_edit(NULL, c, 1), -EINVAL);
	}
	for (unsigned i = 0; i <= PAGE_DEPTH_MAX + 1; i++)
		memcpy(deep + 2 * i, "d/", 2);
	deep[2 * PAGE_DEPTH_MAX + 3] = '\0';
	c[0] = add(deep);
	assert_int_equal(try_edit(NULL, c, 1), -ENAMETOOLONG);
	deep[2 * PAGE_DEPTH_MAX + 1] = '\0';
	assert_int_equal(try_edit(NULL, c, 1), 0);
}

static void removing_what_is_not_there_changes_nothing(void **state)
{
	struct model m = {0};
	struct built tree, edited;
	struct tree_change c[4] = {{.path = "a/x", .remove = true},
	                           {.path = "b", .remove = true},
	                           {.path = "d/nothing/below", .remove = true},
	                           {.path = "f/below", .remove = true}};
	struct script s = {c, 4};

	(void)state;
	model_set(&m, "d", ENTRY_DIRECTORY, false, 0);
	model_set(&m, "d/e", ENTRY_FILE, false, 0);
	model_set(&m, "f", ENTRY_FILE, false, 0);
	tree = garden_plant(&garden, &m);
	edited = edit(&tree, &s);
	assert_built_equal(&edited, &tree);
	s.count = 0;
	edited = edit(&tree, &s);
	assert_built_equal(&edited, &tree);
	edited = edit(NULL, &s);
	model_remove(&m, "d");
	model_remove(&m, "f");
	tree = garden_plant(&garden, &m);
	assert_built_equal(&edited, &tree);
	model_release(&m);
}

static void a_whole_directory_is_added_by_its_id(void **state)
{
	struct model m = {0};
	struct built below, expected, edited;
	struct tree_change c = {.path = "x/y"};
	struct script s = {&c, 1};

	(void)state;
	model_set(&m, "f", ENTRY_FILE, false, 3);
	below = garden_plant(&garden, &m);
	model_remove(&m, "f");
	model_set(&m, "x", ENTRY_DIRECTORY, false, 0);
	model_set(&m, "x/y", ENTRY_DIRECTORY, false, 0);
	model_set(&m, "x/y/f", ENTRY_FILE, false, 3);
	expected = garden_plant(&garden, &m);
	c.entry =
	    (struct entry){.kind = ENTRY_DIRECTORY, .id = below.id, .locator = below.locator, .totals = below.totals};
	edited = edit(NULL, &s);
	assert_built_equal(&edited, &expected);
	model_release(&m);
}

static struct label_time time_of(const struct built *tree, const char *path)
{
	struct directory directory = garden_directory(tree);
	struct entry_pin pin;
	struct label_time time;

	assert_int_equal(tree_walk(garden.source, &directory, path, &pin), 0);
	time = pin.entry.time;
	tree_unpin_entry(garden.source, &pin);
	return time;
}

/* A name beside them changes too, or else the page would be the old one and no label could be seen to differ. */
static void an_entry_that_is_the_same_keeps_its_time(void **state)
{
	struct tree_change c[4] = {add("a"), add("b"), add("c"), add("d")};
	struct script s = {c, 3};
	struct built tree;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		c[i].entry.time = (struct label_time){.known = true, .seconds = 1000 + i};
	tree = edit(NULL, &s);
	for (unsigned i = 0; i < 3; i++)
		c[i].entry.time.seconds = 2000 + i;
	c[1].entry.executable = true;
	s.count = 4;
	tree = edit(&tree, &s);
	assert_int_equal(time_of(&tree, "a").seconds, 1000);
	assert_int_equal(time_of(&tree, "b").seconds, 2001);
	assert_int_equal(time_of(&tree, "c").seconds, 1002);
	assert_false(time_of(&tree, "d").known);
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
	    TEST(any_edit_gives_the_tree_built_from_nothing),
	    TEST(edits_of_a_large_directory_are_exact),
	    TEST(edits_at_the_ends_are_exact),
	    TEST(one_changed_file_reads_and_writes_a_page_a_level),
	    TEST(one_name_more_or_less_touches_little_more_than_one_leaf),
	    TEST(a_change_deep_down_touches_only_its_way),
	    TEST(changes_that_contradict_are_refused),
	    TEST(removing_what_is_not_there_changes_nothing),
	    TEST(a_whole_directory_is_added_by_its_id),
	    TEST(an_entry_that_is_the_same_keeps_its_time),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
