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
#include "fs/tree_merge.h"
#include "tests/support/garden.h"

#define NAMES 30000

static struct garden garden;

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

/* Paths in conflict, a line each: which of the three have something there, and the path. */
static void note(struct buffer *text, const char *path, bool base, bool ours, bool theirs)
{
	const char marks[] = {base ? 'b' : '-', ours ? 'o' : '-', theirs ? 't' : '-', ' '};

	buffer_append(text, marks, sizeof(marks));
	buffer_append(text, path, strlen(path));
	buffer_put8(text, '\n');
}

static int tell(void *arg, const char *path, const struct entry *base, const struct entry *ours,
                const struct entry *theirs)
{
	note(arg, path, base, ours, theirs);
	return 0;
}

static char *take_text(struct buffer *text)
{
	buffer_put8(text, '\0');
	assert_false(text->failed);
	return (char *)text->data;
}

/* --- the same by looking at every path --- */

struct trees {
	const struct model *base, *ours, *theirs;
	bool prefer_base;
	struct model merged;
	struct buffer conflicts;
};

static bool same_item(const struct item *x, const struct item *y)
{
	struct entry a, b;

	if (!x || !y)
		return x == y;
	a = model_entry(x);
	b = model_entry(y);
	return compare_entries_equal(&a, &b);
}

/* Whether what stands at PATH, with all below it, is the same in both. */
static bool same_below(const struct model *a, const struct model *b, const char *path)
{
	const struct item *x = model_find(a, path), *y = model_find(b, path);

	if (!x || !y)
		return x == y;
	for (;; x++, y++) {
		bool more_x = x < a->items + a->count && (strcmp(x->path, path) == 0 || model_is_below(x->path, path)),
		     more_y = y < b->items + b->count && (strcmp(y->path, path) == 0 || model_is_below(y->path, path));

		if (!more_x || !more_y)
			return more_x == more_y;
		if (strcmp(x->path, y->path) != 0 || !same_item(x, y))
			return false;
	}
}

/* Whatever FROM has at PATH and below. */
static void copy_below(struct model *to, const struct model *from, const char *path)
{
	const struct item *item = model_find(from, path);

	for (; item && item < from->items + from->count; item++) {
		if (strcmp(item->path, path) != 0 && !model_is_below(item->path, path))
			return;
		model_set(to, item->path, item->kind, item->executable, item->seed);
	}
}

static bool is_directory(const struct item *item)
{
	return item && item->kind == ENTRY_DIRECTORY;
}

static void expect_names(struct trees *t, const char *prefix);

static void expect_conflict(struct trees *t, const char *path)
{
	note(&t->conflicts, path, model_find(t->base, path), model_find(t->ours, path), model_find(t->theirs, path));
	copy_below(&t->merged, t->prefer_base ? t->base : t->ours, path);
}

/* Bytes and executable bit each by themselves. */
static void expect_files(struct trees *t, const struct item *b, const struct item *o, const struct item *x)
{
	struct item ours = *o, theirs = *x, base = *b;
	const struct item *bytes = NULL;

	ours.executable = theirs.executable = base.executable = false;
	if (same_item(&ours, &theirs) || same_item(&base, &theirs))
		bytes = o;
	else if (same_item(&base, &ours))
		bytes = x;
	if (bytes)
		model_set(&t->merged, o->path, ENTRY_FILE,
		          o->executable == b->executable ? x->executable : o->executable, bytes->seed);
	else
		expect_conflict(t, o->path);
}

static void expect_path(struct trees *t, const char *path)
{
	const struct item *b = model_find(t->base, path), *o = model_find(t->ours, path),
			  *x = model_find(t->theirs, path);
	char prefix[MODEL_PATH_MAX + 1];

	snprintf(prefix, sizeof(prefix), "%s/", path);
	if (same_below(t->ours, t->theirs, path) || same_below(t->base, t->theirs, path)) {
		copy_below(&t->merged, t->ours, path);
	} else if (same_below(t->base, t->ours, path)) {
		copy_below(&t->merged, t->theirs, path);
	} else if (is_directory(o) && is_directory(x)) {
		model_set(&t->merged, path, ENTRY_DIRECTORY, false, 0);
		expect_names(t, prefix);
	} else if (is_directory(b) && ((is_directory(o) && !x) || (is_directory(x) && !o))) {
		size_t before = t->merged.count;

		/* It is there where something in it is. */
		expect_names(t, prefix);
		if (t->merged.count > before)
			model_set(&t->merged, path, ENTRY_DIRECTORY, false, 0);
	} else if (b && o && x && b->kind == ENTRY_FILE && o->kind == ENTRY_FILE && x->kind == ENTRY_FILE) {
		expect_files(t, b, o, x);
	} else {
		expect_conflict(t, path);
	}
}

/* The first path right below PREFIX behind AFTER (NULL: the first), or NULL. */
static const char *next_child(const struct trees *t, const char *prefix, const char *after)
{
	const struct model *models[] = {t->base, t->ours, t->theirs};
	const char *next = NULL;
	size_t len = strlen(prefix);

	for (unsigned i = 0; i < 3; i++) {
		for (size_t n = 0; n < models[i]->count; n++) {
			const char *path = models[i]->items[n].path;

			if (strncmp(path, prefix, len) != 0 || path[len] == '\0' || strchr(path + len, '/'))
				continue;
			if (after && model_path_cmp(path, after) <= 0)
				continue;
			if (!next || model_path_cmp(path, next) < 0)
				next = path;
		}
	}
	return next;
}

static void expect_names(struct trees *t, const char *prefix)
{
	const char *path = NULL;

	while ((path = next_child(t, prefix, path)))
		expect_path(t, path);
}

/* --- random trees --- */

static void change_some(struct model *m, uint64_t *random, unsigned most)
{
	unsigned steps = garden_random(random, most);

	for (unsigned i = 0; i < steps; i++)
		model_change(m, random, 16, 4);
}

static struct built merge(const struct built *base, const struct built *ours, const struct built *theirs,
                          bool prefer_base, struct buffer *told, uint64_t *conflicts)
{
	struct directory b, o = garden_directory(ours), t = garden_directory(theirs);
	struct tree_merge request = {.writer = garden.writer,
	                             .source = garden.source,
	                             .base = base ? &b : NULL,
	                             .ours = &o,
	                             .theirs = &t,
	                             .prefer_base = prefer_base,
	                             .conflict = told ? tell : NULL,
	                             .arg = told};
	struct built built;

	if (base)
		b = garden_directory(base);
	assert_int_equal(tree_merge(&request, &built, conflicts), 0);
	return built;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Merge and compare with the model; the same root must come out as if it had been built anew. */
static void assert_merges(struct trees *t)
{
	struct built base = garden_plant(&garden, t->base), ours = garden_plant(&garden, t->ours),
		     theirs = garden_plant(&garden, t->theirs), merged, expected;
	struct buffer told = {0};
	uint64_t conflicts, back;

	expect_names(t, "");
	merged = merge(t->base->count ? &base : NULL, &ours, &theirs, t->prefer_base, &told, &conflicts);
	assert_string_equal(take_text(&told), take_text(&t->conflicts));
	assert_int_equal(conflicts, lines((const char *)told.data));
	garden_assert_is(&garden, &merged, &t->merged);
	expected = garden_plant(&garden, &t->merged);
	assert_true(id_equal(&merged.id, &expected.id));
	assert_true(totals_equal(&merged.totals, &expected.totals));
	/* Whose side is whose matters only where both changed. */
	expected = merge(&base, &theirs, &ours, t->prefer_base, NULL, &back);
	assert_int_equal(back, conflicts);
	assert_true(conflicts || id_equal(&merged.id, &expected.id));
	buffer_release(&told);
}

static void random_trees_merge_as_the_model_does(void **state)
{
	uint64_t random = 23;
	unsigned clean = 0, in_conflict = 0;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct model base = {0}, ours = {0}, theirs = {0};
		struct trees t = {
		    .base = &base, .ours = &ours, .theirs = &theirs, .prefer_base = garden_random(&random, 3) == 0};

		if (round % 10)
			change_some(&base, &random, 120);
		model_copy(&ours, &base);
		model_copy(&theirs, &base);
		change_some(&ours, &random, 20);
		change_some(&theirs, &random, 20);
		assert_merges(&t);
		if (t.conflicts.len > 1)
			in_conflict++;
		else
			clean++;
		buffer_release(&t.conflicts);
		model_release(&t.merged);
		model_release(&base);
		model_release(&ours);
		model_release(&theirs);
	}
	assert_true(clean > 30 && in_conflict > 30);
}

/* --- single cases --- */

static void set(struct model *m, const char *path, unsigned seed)
{
	char above[MODEL_PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(above, sizeof(above), "%.*s", (int)(slash - path), path);
		model_set(m, above, ENTRY_DIRECTORY, false, 0);
	}
	model_set(m, path, ENTRY_FILE, false, seed);
}

static struct model base, ours, theirs, result;

static void begin(void)
{
	set(&base, "a", 1);
	set(&base, "b", 2);
	set(&base, "d/x", 3);
	set(&base, "d/y", 4);
	model_copy(&ours, &base);
	model_copy(&theirs, &base);
}

/* The merge of what was set up tells CONFLICTS and gives RESULT. */
static void end(const char *conflicts)
{
	struct built b = garden_plant(&garden, &base), o = garden_plant(&garden, &ours),
		     t = garden_plant(&garden, &theirs), merged;
	struct buffer told = {0};
	uint64_t count;

	merged = merge(&b, &o, &t, false, &told, &count);
	assert_string_equal(take_text(&told), conflicts);
	garden_assert_is(&garden, &merged, &result);
	buffer_release(&told);
	model_release(&base);
	model_release(&ours);
	model_release(&theirs);
	model_release(&result);
}

static void different_files_merge(void **state)
{
	(void)state;
	begin();
	set(&ours, "a", 10);
	set(&ours, "d/new", 11);
	set(&theirs, "d/x", 12);
	model_remove(&theirs, "b");
	set(&theirs, "e/f", 13);
	model_copy(&result, &ours);
	set(&result, "d/x", 12);
	model_remove(&result, "b");
	set(&result, "e/f", 13);
	end("");
}

static void both_changed_is_a_conflict_and_has_ours(void **state)
{
	(void)state;
	begin();
	set(&ours, "a", 10);
	set(&theirs, "a", 11);
	model_remove(&ours, "b");
	set(&theirs, "b", 12);
	set(&ours, "d/x", 13);
	model_remove(&theirs, "d");
	set(&ours, "new", 14);
	set(&theirs, "new", 15);
	set(&ours, "odd", 16);
	set(&theirs, "odd/in", 17);
	/* Not of theirs alone. */
	set(&theirs, "z", 18);
	model_copy(&result, &ours);
	model_remove(&result, "d/y");
	set(&result, "z", 18);
	end("bot a\nb-t b\nbo- d/x\n-ot new\n-ot odd\n");
}

static void a_deleted_directory_goes_where_nothing_was_done_in_it(void **state)
{
	(void)state;
	begin();
	/* Each deleted a part, and theirs what was left. */
	model_remove(&ours, "d/x");
	model_remove(&theirs, "d");
	model_copy(&result, &theirs);
	end("");
	begin();
	model_remove(&ours, "d");
	model_remove(&theirs, "d/x");
	model_copy(&result, &ours);
	end("");
	begin();
	model_remove(&ours, "d");
	set(&theirs, "d/new", 9);
	model_copy(&result, &ours);
	set(&result, "d/new", 9);
	end("");
}

static void bytes_and_executable_bit_merge_apart(void **state)
{
	(void)state;
	begin();
	set(&ours, "a", 10);
	model_set(&theirs, "a", ENTRY_FILE, true, 1);
	model_copy(&result, &base);
	model_set(&result, "a", ENTRY_FILE, true, 10);
	end("");
}

static int refuse(void *arg, const char *path, const struct entry *b, const struct entry *o, const struct entry *t)
{
	(void)arg;
	(void)path;
	(void)b;
	(void)o;
	(void)t;
	return -EINTR;
}

static void whoever_is_told_may_end_it(void **state)
{
	struct built b, o, t, built;
	struct directory db, od, td;
	uint64_t conflicts;

	(void)state;
	begin();
	set(&ours, "a", 10);
	set(&theirs, "a", 11);
	b = garden_plant(&garden, &base);
	o = garden_plant(&garden, &ours);
	t = garden_plant(&garden, &theirs);
	db = garden_directory(&b);
	od = garden_directory(&o);
	td = garden_directory(&t);
	struct tree_merge request = {.writer = garden.writer,
	                             .source = garden.source,
	                             .base = &db,
	                             .ours = &od,
	                             .theirs = &td,
	                             .conflict = refuse};
	assert_int_equal(tree_merge(&request, &built, &conflicts), -EINTR);
	model_copy(&result, &ours);
	end("bot a\n");
}

/* Locators and times come along, and only from where the entry comes. */
static void labels_are_those_of_the_side(void **state)
{
	struct entry entry = garden_file("f", 1), merged_entry;
	static const char bytes[500] = "more than an entry holds itself";
	struct list_entry chunk = garden_chunk(&garden, bytes, sizeof(bytes));
	struct built trees[3], merged;
	struct entry_pin pin = {0};
	struct directory directory;
	uint64_t conflicts;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct entry other = garden_file("e", i == 1 ? 5 : 6);
		struct builder *b;

		assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
		assert_int_equal(builder_add(b, &other), 0);
		entry.time = (struct label_time){.seconds = 1000 + i, .known = true};
		if (i == 2) {
			entry = garden_file("f", 0);
			entry.form = CONTENT_CHUNK;
			entry.inline_data = NULL;
			entry.size = chunk.len;
			entry.id = chunk.id;
			entry.locator = chunk.locator;
			entry.time = (struct label_time){.seconds = 77, .nanoseconds = 5, .known = true};
		}
		assert_int_equal(builder_add(b, &entry), 0);
		assert_int_equal(builder_finish(b, &trees[i]), 0);
		builder_close(b);
	}
	garden_forget(&garden);
	merged = merge(&trees[0], &trees[1], &trees[2], false, NULL, &conflicts);
	assert_int_equal(conflicts, 0);
	assert_int_equal(source_chunks_loaded(garden.source), 0);
	directory = garden_directory(&merged);
	assert_int_equal(tree_find(garden.source, &directory, "f", 1, &pin), 0);
	merged_entry = pin.entry;
	tree_unpin_entry(garden.source, &pin);
	assert_int_equal(merged_entry.time.seconds, 77);
	assert_int_equal(merged_entry.time.nanoseconds, 5);
	assert_int_equal(merged_entry.locator.offset, chunk.locator.offset);
	assert_memory_equal(&merged_entry.locator.pack, &chunk.locator.pack, sizeof(chunk.locator.pack));
}

static struct built plant_names(char (*names)[16], unsigned changed, unsigned seed)
{
	struct builder *b;
	struct built built;

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	for (unsigned i = 0; i < NAMES; i++) {
		struct entry entry = garden_file(names[i], i == changed ? seed : 1);

		assert_int_equal(builder_add(b, &entry), 0);
	}
	assert_int_equal(builder_finish(b, &built), 0);
	builder_close(b);
	return built;
}

static void the_cost_follows_what_changed(void **state)
{
	char(*names)[16] = garden_names(NAMES);
	struct built b = plant_names(names, NAMES, 0), o = plant_names(names, 100, 2),
		     t = plant_names(names, NAMES - 100, 3), merged;
	struct store_writer_stats before, after;
	uint64_t conflicts;

	(void)state;
	garden_forget(&garden);
	store_writer_stats(garden.writer, &before);
	merged = merge(&b, &o, &t, false, NULL, &conflicts);
	store_writer_stats(garden.writer, &after);
	assert_int_equal(conflicts, 0);
	assert_int_equal(merged.totals.files, NAMES);
	/* Two ways down of three or four pages on each side and in the base; new is where the two ways meet. */
	assert_in_range(source_pages_loaded(garden.source), 6, 28);
	assert_in_range(after.records - before.records, 1, 3);
	/* A name changed by both is found as fast. */
	t = plant_names(names, 100, 4);
	garden_forget(&garden);
	merged = merge(&b, &o, &t, false, NULL, &conflicts);
	assert_int_equal(conflicts, 1);
	assert_true(id_equal(&merged.id, &o.id));
	assert_in_range(source_pages_loaded(garden.source), 6, 16);
	free(names);
}

/* Where one side has all, pages of the others are not asked for. */
static void what_one_side_alone_changed_is_taken_unread(void **state)
{
	struct model old = {0}, new = {0}, other = {0};
	struct built b, o, t, merged;
	uint64_t conflicts;
	char path[MODEL_PATH_MAX];

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "d%02u/e%02u/f", i / 20, i % 20);
		set(&old, path, i);
	}
	model_copy(&new, &old);
	model_copy(&other, &old);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "d07/e%02u/f", i);
		set(&new, path, i + 1000);
	}
	set(&other, "d03/e05/f", 7);
	b = garden_plant(&garden, &old);
	o = garden_plant(&garden, &other);
	t = garden_plant(&garden, &new);
	garden_forget(&garden);
	merged = merge(&b, &o, &t, false, NULL, &conflicts);
	/* The roots: what follows from them are whole directories of one side. */
	assert_int_equal(source_pages_loaded(garden.source), 3);
	for (unsigned i = 0; i < 20; i++) {
		snprintf(path, sizeof(path), "d07/e%02u/f", i);
		set(&other, path, i + 1000);
	}
	garden_assert_is(&garden, &merged, &other);
	assert_int_equal(conflicts, 0);
	model_release(&old);
	model_release(&new);
	model_release(&other);
}

static void a_broken_entry_is_not_merged(void **state)
{
	struct built trees[3], built;
	struct directory d[3];
	uint64_t conflicts;
	struct entry file = garden_file("z", 1);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct page_encoder e = {0};
		struct entry dotgit = garden_file(".git", 1 + (i == 2));

		page_encoder_begin(&e, PAGE_DIRECTORY, 0);
		page_encoder_add(&e, &dotgit);
		file = garden_file("z", i == 1 ? 2 : 1);
		page_encoder_add(&e, &file);
		trees[i] = garden_forge(&garden, &e);
		d[i] = garden_directory(&trees[i]);
	}
	struct tree_merge request = {
	    .writer = garden.writer, .source = garden.source, .base = &d[0], .ours = &d[1], .theirs = &d[2]};
	assert_int_equal(tree_merge(&request, &built, &conflicts), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_trees_merge_as_the_model_does),
	    cmocka_unit_test(different_files_merge),
	    cmocka_unit_test(both_changed_is_a_conflict_and_has_ours),
	    cmocka_unit_test(a_deleted_directory_goes_where_nothing_was_done_in_it),
	    cmocka_unit_test(bytes_and_executable_bit_merge_apart),
	    cmocka_unit_test(whoever_is_told_may_end_it),
	    cmocka_unit_test(labels_are_those_of_the_side),
	    cmocka_unit_test(the_cost_follows_what_changed),
	    cmocka_unit_test(what_one_side_alone_changed_is_taken_unread),
	    cmocka_unit_test(a_broken_entry_is_not_merged),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
