#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/checksum.h"
#include "cache/chunker.h"
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

static struct built build(char (*from)[16], size_t count)
{
	struct builder *b;
	struct built built;

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	for (size_t i = 0; i < count; i++) {
		struct entry entry = garden_file(from[i], (unsigned)i);

		assert_int_equal(builder_add(b, &entry), 0);
	}
	assert_int_equal(builder_finish(b, &built), 0);
	builder_close(b);
	return built;
}

/* The pages of one level: how many of the level's items are in each, and the item that is its last name. */
struct cuts {
	unsigned count;
	unsigned *sizes;
	size_t *last; /* places in the list of names */
};

/* The rule of revfs-format(5), written down a second time: cut COUNT items whose keys are names[at[i]]. */
static struct cuts cut_level(const size_t *at, size_t count, unsigned level)
{
	struct cuts c = {0, calloc(count + 1, sizeof(unsigned)), calloc(count + 1, sizeof(size_t))};
	unsigned size = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t bits = checksum(names[at[i]], 8) >> (9 * level) & 511;

		size++;
		if ((size >= 64 && level < 6 && bits == 0) || size == 2048 || i + 1 == count) {
			c.last[c.count] = at[i];
			c.sizes[c.count++] = size;
			size = 0;
		}
	}
	return c;
}

static void assert_cut_so(const struct built *tree, unsigned level, const struct cuts *cuts)
{
	struct directory directory = garden_directory(tree);
	struct descent d;
	unsigned n = 0;

	assert_int_equal(tree_open(garden.source, &directory, &d), 0);
	while (descent_settle(&d)) {
		const struct page *page = descent_page(&d);

		if (page->level > level) {
			assert_int_equal(descent_enter(&d), 0);
			continue;
		}
		size_t len;
		const char *last = page_name(page, page->count - 1u, &len);
		assert_true(n < cuts->count);
		assert_int_equal(page->count, cuts->sizes[n]);
		assert_memory_equal(last, names[cuts->last[n]], len);
		n++;
		assert_true(descent_pass_page(&d, &page->id));
	}
	assert_int_equal(n, cuts->count);
	descent_close(&d);
}

static void pages_are_cut_as_the_format_says(void **state)
{
	static const size_t counts[] = {1, 63, 64, 65, 500, 5000, NAMES};

	(void)state;
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct built tree = build(names, counts[i]);
		size_t *at = calloc(counts[i], sizeof(*at));
		size_t count = counts[i];
		unsigned level = 0;

		for (size_t n = 0; n < count; n++)
			at[n] = n;
		for (;; level++) {
			struct cuts cuts = cut_level(at, count, level);

			assert_cut_so(&tree, level, &cuts);
			count = cuts.count;
			memcpy(at, cuts.last, count * sizeof(*at));
			free(cuts.sizes);
			free(cuts.last);
			if (count == 1)
				break;
		}
		struct directory directory = garden_directory(&tree);
		struct descent d;
		assert_int_equal(tree_open(garden.source, &directory, &d), 0);
		assert_int_equal(descent_root(&d)->level, level);
		assert_int_equal(descent_root(&d)->totals.entries, counts[i]);
		descent_close(&d);
		free(at);
	}
}

/* Names that never close a page: it is full at 2,048. */
static void full_pages_close(void **state)
{
	struct builder *b;
	struct built built;
	struct entry_pin pin;
	unsigned n = 0;

	(void)state;
	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	for (unsigned i = 0; n < 3 * PAGE_ENTRIES_MAX; i++) {
		char name[16];
		struct entry entry;

		snprintf(name, sizeof(name), "%08u", i);
		if ((checksum(name, 8) & 511) == 0)
			continue;
		entry = garden_file(name, i);
		assert_int_equal(builder_add(b, &entry), 0);
		n++;
	}
	assert_int_equal(builder_finish(b, &built), 0);
	builder_close(b);
	struct directory directory = garden_directory(&built);
	assert_int_equal(tree_at(garden.source, &directory, 2 * PAGE_ENTRIES_MAX, &pin), 0);
	assert_int_equal(pin.pin.page->count, PAGE_ENTRIES_MAX);
	tree_unpin_entry(garden.source, &pin);
}

static void an_empty_directory_is_one_empty_page(void **state)
{
	struct builder *b;
	struct built built;
	char hex[ID_HEX_SIZE];

	(void)state;
	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(builder_finish(b, &built), 0);
		assert_string_equal(id_format(&built.id, hex),
		                    "2badbaba4f2c510f2db12076914fe800494f8f037a720fa420b43401cd31b36b");
		assert_int_equal(built.totals.entries, 0);
	}
	builder_close(b);
	builder_close(NULL);
}

static void equal_pages_are_not_written_again(void **state)
{
	struct store_writer_stats first, second;
	struct built a, b;

	(void)state;
	a = build(names, NAMES);
	store_writer_stats(garden.writer, &first);
	b = build(names, NAMES);
	store_writer_stats(garden.writer, &second);
	assert_int_equal(first.records, second.records);
	assert_true(second.reused - first.reused >= first.records);
	assert_true(id_equal(&a.id, &b.id));
	assert_memory_equal(&a.locator, &b.locator, sizeof(a.locator));
}

static int add_one(const struct entry *entry)
{
	struct builder *b;
	int r;

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	r = builder_add(b, entry);
	builder_close(b);
	return r;
}

static void entries_that_may_not_be_are_refused(void **state)
{
	static const uint8_t strange[3] = {9, 1, 1};
	char longest[NAME_SIZE_MAX + 1];
	struct entry entry = garden_file("a", 1);
	struct builder *b;

	(void)state;
	assert_int_equal(add_one(&entry), 0);
	entry.broken = true;
	assert_int_equal(add_one(&entry), -EINVAL);
	static const char *const bad[] = {"", ".", "..", "a/b", ".git", "GIT~1", ".g\xe2\x80\x8cit"};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		entry = garden_file(bad[i], 1);
		assert_int_equal(add_one(&entry), -EINVAL);
	}
	memset(longest, 'x', sizeof(longest));
	entry.name = longest;
	entry.name_len = sizeof(longest);
	assert_int_equal(add_one(&entry), -ENAMETOOLONG);
	entry.name_len--;
	assert_int_equal(add_one(&entry), 0);
	entry.form = CONTENT_CHUNK;
	assert_int_equal(add_one(&entry), -EINVAL);
	entry.size = PAGE_INLINE_MAX + 1;
	assert_int_equal(add_one(&entry), 0);
	entry.kind = ENTRY_SYMLINK;
	assert_int_equal(add_one(&entry), 0);
	entry.executable = true;
	assert_int_equal(add_one(&entry), -EINVAL);
	entry.kind = 5;
	assert_int_equal(add_one(&entry), -EINVAL);
	entry = (struct entry){.kind = ENTRY_FOREIGN, .name = "a", .name_len = 1, .foreign = strange, .foreign_len = 3};
	assert_int_equal(add_one(&entry), -EINVAL);

	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	entry = garden_file("b", 1);
	assert_int_equal(builder_add(b, &entry), 0);
	assert_int_equal(builder_add(b, &entry), -EINVAL);
	entry = garden_file("a", 1);
	assert_int_equal(builder_add(b, &entry), -EINVAL);
	builder_close(b);
}

static void totals_that_pass_their_limit_are_refused(void **state)
{
	struct entry entry = {.kind = ENTRY_FILE, .name = "a", .name_len = 1, .form = CONTENT_LIST, .size = INT64_MAX};
	struct builder *b;
	struct built built;

	(void)state;
	assert_int_equal(builder_open(garden.writer, PAGE_DIRECTORY, &b), 0);
	assert_int_equal(builder_add(b, &entry), 0);
	entry.name = "b";
	assert_int_equal(builder_add(b, &entry), 0);
	assert_int_equal(builder_finish(b, &built), -EOVERFLOW);
	builder_close(b);
}

static struct list_entry chunk_with(unsigned n, uint32_t len, uint64_t count)
{
	struct list_entry chunk = {.len = len, .count = count};

	wire_put32(chunk.id.bytes, n);
	return chunk;
}

static void equal_chunks_are_merged(void **state)
{
	struct list_entry a = chunk_with(1, CHUNK_MAX, 3), b = chunk_with(2, 20000, 1), end = chunk_with(3, 1, 1);
	struct builder *builder;
	struct built whole, parts;

	(void)state;
	assert_int_equal(builder_open(garden.writer, PAGE_LIST, &builder), 0);
	assert_int_equal(builder_add_chunk(builder, &a), 0);
	assert_int_equal(builder_add_chunk(builder, &b), 0);
	assert_int_equal(builder_add_chunk(builder, &end), 0);
	assert_int_equal(builder_finish(builder, &whole), 0);
	a.count = 1;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(builder_add_chunk(builder, &a), 0);
	assert_int_equal(builder_add_chunk(builder, &b), 0);
	assert_int_equal(builder_add_chunk(builder, &end), 0);
	assert_int_equal(builder_finish(builder, &parts), 0);
	assert_true(id_equal(&whole.id, &parts.id));
	assert_int_equal(whole.totals.entries, 3);
	assert_int_equal(whole.totals.bytes, 3 * CHUNK_MAX + 20001);
	builder_close(builder);
}

static int build_chunks(const struct list_entry *chunks, unsigned count)
{
	struct builder *b;
	struct built built;
	int r = 0;

	assert_int_equal(builder_open(garden.writer, PAGE_LIST, &b), 0);
	for (unsigned i = 0; i < count && r == 0; i++)
		r = builder_add_chunk(b, &chunks[i]);
	if (r == 0)
		r = builder_finish(b, &built);
	builder_close(b);
	return r;
}

static void lists_that_the_chunker_does_not_make_are_refused(void **state)
{
	struct list_entry c[2] = {chunk_with(1, CHUNK_MIN + 1, 1), chunk_with(2, 1, 1)};

	(void)state;
	assert_int_equal(build_chunks(c, 0), -EINVAL);
	assert_int_equal(build_chunks(c, 1), -EINVAL);
	assert_int_equal(build_chunks(c, 2), 0);
	c[0].count = 2;
	assert_int_equal(build_chunks(c, 1), 0);
	c[0].len = CHUNK_MIN;
	assert_int_equal(build_chunks(c, 1), -EINVAL);
	c[0].count = 1;
	assert_int_equal(build_chunks(c, 2), -EINVAL);
	c[0].len = CHUNK_MAX + 1;
	assert_int_equal(build_chunks(c, 2), -EINVAL);
	c[0].len = CHUNK_MAX;
	c[0].count = 0;
	assert_int_equal(build_chunks(c, 2), -EINVAL);
	c[0].count = UINT64_MAX;
	assert_int_equal(build_chunks(c, 2), -EOVERFLOW);
	c[0] = chunk_with(1, 20000, 1);
	c[1] = chunk_with(1, 20001, 1);
	assert_int_equal(build_chunks(c, 2), -EINVAL);
}

static void long_lists_have_levels(void **state)
{
	struct builder *b;
	struct built built;
	struct descent d;
	const unsigned count = 20000;

	(void)state;
	assert_int_equal(builder_open(garden.writer, PAGE_LIST, &b), 0);
	for (unsigned i = 0; i < count; i++) {
		struct list_entry chunk = chunk_with(i + 1, 20000 + i, 1);

		assert_int_equal(builder_add_chunk(b, &chunk), 0);
	}
	assert_int_equal(builder_finish(b, &built), 0);
	builder_close(b);
	assert_int_equal(built.totals.entries, count);
	assert_int_equal(descent_open(&d, garden.source, PAGE_LIST, &built.id, &built.locator, false), 0);
	assert_true(descent_root(&d)->level > 0);
	for (unsigned i = 0; i < count; i++) {
		struct list_entry chunk, expected = chunk_with(i + 1, 20000 + i, 1);

		assert_int_equal(descent_to_leaf(&d), 0);
		page_list_entry(descent_page(&d), descent_next(&d), &chunk);
		assert_true(id_equal(&chunk.id, &expected.id));
		assert_int_equal(chunk.len, 20000 + i);
		descent_pass(&d);
	}
	assert_int_equal(descent_to_leaf(&d), -ENOENT);
	descent_close(&d);
}

static void content_takes_the_form_of_its_chunks(void **state)
{
	struct list_entry one = chunk_with(1, 70000, 1), many = chunk_with(1, 70000, 5), other = chunk_with(2, 300, 1);
	struct content_builder b;
	struct content content, repeated;

	(void)state;
	content_builder_init(&b, garden.writer);
	assert_int_equal(content_builder_finish(&b, &content), -EINVAL);
	assert_int_equal(content_builder_add(&b, &one), 0);
	assert_int_equal(content_builder_finish(&b, &content), 0);
	assert_int_equal(content.form, CONTENT_CHUNK);
	assert_int_equal(content.size, 70000);
	assert_true(id_equal(&content.id, &one.id));

	assert_int_equal(content_builder_add(&b, &many), 0);
	assert_int_equal(content_builder_finish(&b, &repeated), 0);
	assert_int_equal(repeated.form, CONTENT_LIST);
	assert_int_equal(repeated.size, 350000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(content_builder_add(&b, &one), 0);
	assert_int_equal(content_builder_finish(&b, &content), 0);
	assert_true(content_equal(&content, &repeated));

	assert_int_equal(content_builder_add(&b, &one), 0);
	assert_int_equal(content_builder_add(&b, &other), 0);
	assert_int_equal(content_builder_finish(&b, &content), 0);
	assert_int_equal(content.form, CONTENT_LIST);
	assert_int_equal(content.size, 70300);
	content_builder_release(&b);
}

static void a_file_root_does_not_hold_the_name(void **state)
{
	struct entry a = garden_file("a", 3), b = garden_file("b", 3);
	struct built root_a, root_b;
	struct page_pin pin;

	(void)state;
	assert_int_equal(builder_file_root(garden.writer, &a, &root_a), 0);
	assert_int_equal(builder_file_root(garden.writer, &b, &root_b), 0);
	assert_true(id_equal(&root_a.id, &root_b.id));
	assert_int_equal(root_a.totals.files, 1);
	assert_int_equal(source_pin_page(garden.source, PAGE_FILE, &root_a.id, &root_a.locator, &pin), 0);
	page_entry(pin.page, 0, &a);
	assert_int_equal(a.name_len, 0);
	source_unpin_page(garden.source, &pin);
	a.kind = ENTRY_SYMLINK;
	assert_int_equal(builder_file_root(garden.writer, &a, &root_a), -EINVAL);
}

static void a_root_is_put_in_a_file_of_its_own(void **state)
{
	struct built tree = build(names, 100);
	struct page_pin pin;

	(void)state;
	assert_int_equal(store_writer_commit(garden.writer), 0);
	assert_int_equal(builder_put_root(garden.store, garden.writer, &tree), 0);
	assert_int_equal(store_has_root(garden.store, &tree.id), 0);
	assert_int_equal(source_pin_root(garden.source, PAGE_DIRECTORY, &tree.id, &pin), 0);
	assert_int_equal(pin.page->totals.entries, 100);
	source_unpin_page(garden.source, &pin);
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
	    TEST(pages_are_cut_as_the_format_says),
	    TEST(full_pages_close),
	    TEST(an_empty_directory_is_one_empty_page),
	    TEST(equal_pages_are_not_written_again),
	    TEST(entries_that_may_not_be_are_refused),
	    TEST(totals_that_pass_their_limit_are_refused),
	    TEST(equal_chunks_are_merged),
	    TEST(lists_that_the_chunker_does_not_make_are_refused),
	    TEST(long_lists_have_levels),
	    TEST(content_takes_the_form_of_its_chunks),
	    TEST(a_file_root_does_not_hold_the_name),
	    TEST(a_root_is_put_in_a_file_of_its_own),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
