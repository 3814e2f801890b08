/* Pages of right hash in a wrong place: each is made well, then one thing about the way down to it lies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/aside.h"
#include "cache/chunker.h"
#include "tests/support/garden.h"

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

/* Names in order, of which only some close a leaf. */
struct names {
	unsigned next;
	char name[32];
};

static const char *next_name(struct names *n, bool closing)
{
	do
		snprintf(n->name, sizeof(n->name), "%08u", n->next++);
	while (page_closes(n->name, 8, 0, PAGE_ENTRIES_MIN) != closing);
	return n->name;
}

/* A leaf of COUNT names, the last of which closes it where SHUT. */
static struct built leaf(struct names *names, unsigned count, bool shut)
{
	struct page_encoder e = {0};

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	for (unsigned i = 0; i < count; i++) {
		struct entry entry = garden_file(next_name(names, shut && i + 1 == count), i);

		page_encoder_add(&e, &entry);
	}
	return garden_forge(&garden, &e);
}

static struct reference reference_to(const struct built *page, const char *last)
{
	struct reference r = {.last = last,
	                      .last_len = (uint16_t)strlen(last),
	                      .id = page->id,
	                      .totals = page->totals,
	                      .locator = page->locator};

	return r;
}

/* Two leaves and what a root says of them, for a test to spoil. */
struct small {
	struct built leaves[2];
	char last[2][32];
	struct reference references[2];
};

static void make_small(struct small *s)
{
	struct names names = {0};

	for (unsigned i = 0; i < 2; i++) {
		s->leaves[i] = leaf(&names, i == 0 ? PAGE_ENTRIES_MIN : 10, i == 0);
		strcpy(s->last[i], names.name);
		s->references[i] = reference_to(&s->leaves[i], s->last[i]);
	}
}

static struct built above(unsigned level, const struct reference *references, unsigned count)
{
	struct page_encoder e = {0};

	page_encoder_begin(&e, PAGE_DIRECTORY, level);
	for (unsigned i = 0; i < count; i++)
		page_encoder_add_reference(&e, &references[i]);
	return garden_forge(&garden, &e);
}

/* Read a directory to its end.  *COUNT is how many entries came. */
static int read_all(const struct built *root, unsigned *count)
{
	struct directory directory = garden_directory(root);
	struct descent d;
	int r = tree_open(garden.source, &directory, &d);

	*count = 0;
	while (r == 0 && (r = descent_to_leaf(&d)) == 0) {
		descent_pass(&d);
		++*count;
	}
	descent_close(&d);
	return r == -ENOENT ? 0 : r;
}

static void assert_good_until(const struct small *s, int error, unsigned expected)
{
	struct built root = above(1, s->references, 2);
	unsigned count;

	assert_int_equal(read_all(&root, &count), error);
	assert_int_equal(count, expected);
}

static void a_good_tree_is_read(void **state)
{
	struct small s;

	(void)state;
	make_small(&s);
	assert_good_until(&s, 0, PAGE_ENTRIES_MIN + 10);
}

static void ignore_ready(struct ticket *ticket)
{
	(void)ticket;
}

static void who_may_not_wait_has_the_next_leaf_prepared(void **state)
{
	struct ticket ticket = {.ready = ignore_ready};
	struct directory directory;
	struct built root;
	struct descent d;
	struct small s;

	(void)state;
	make_small(&s);
	root = above(1, s.references, 2);
	directory = garden_directory(&root);
	garden_forget(&garden);
	assert_int_equal(tree_open(garden.source, &directory, &d), 0);
	ticket_hold(&ticket);
	descent_prepare_next(&d); /* there is none: no leaf was entered */
	assert_int_equal(descent_to_leaf(&d), 0);
	ticket_hold(NULL);
	descent_prepare_next(&d); /* nor for who would wait */
	assert_int_equal(source_pages_loaded(garden.source), 2);
	ticket_hold(&ticket);
	descent_prepare_next(&d);
	assert_int_equal(source_pages_loaded(garden.source), 3);
	assert_int_equal(descent_position(&d), 0);
	while (descent_position(&d) < PAGE_ENTRIES_MIN)
		descent_pass(&d);
	assert_int_equal(descent_to_leaf(&d), 0);
	descent_prepare_next(&d);
	ticket_hold(NULL);
	ticket_release(&ticket);
	assert_int_equal(source_pages_loaded(garden.source), 3);
	descent_close(&d);
}

static void a_missing_page_is_enodata(void **state)
{
	struct small s;

	(void)state;
	make_small(&s);
	s.references[1].id.bytes[5] ^= 1;
	assert_good_until(&s, -ENODATA, PAGE_ENTRIES_MIN);
}

static void totals_that_contradict_are_refused(void **state)
{
	struct small s;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		make_small(&s);
		s.references[1].totals.entries += i == 0;
		s.references[1].totals.files += i == 1;
		s.references[1].totals.bytes += i == 2;
		assert_good_until(&s, -EBADMSG, PAGE_ENTRIES_MIN);
	}
}

static void another_last_name_is_refused(void **state)
{
	struct small s;

	(void)state;
	make_small(&s);
	s.references[1].last = "99999999";
	assert_good_until(&s, -EBADMSG, PAGE_ENTRIES_MIN);
	make_small(&s);
	s.references[1].last_len--;
	assert_good_until(&s, -EBADMSG, PAGE_ENTRIES_MIN);
}

/* The second leaf begins with names that the first one has. */
static void names_that_go_back_are_refused(void **state)
{
	struct names first = {0}, second = {0};
	struct small s;

	(void)state;
	s.leaves[0] = leaf(&first, PAGE_ENTRIES_MIN, true);
	strcpy(s.last[0], first.name);
	s.leaves[1] = leaf(&second, PAGE_ENTRIES_MIN, false);
	next_name(&first, true);
	second = first;
	struct page_encoder e = {0};
	struct entry entry = garden_file("00000001", 1);
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &entry);
	entry = garden_file(second.name, 1);
	page_encoder_add(&e, &entry);
	s.leaves[1] = garden_forge(&garden, &e);
	strcpy(s.last[1], second.name);
	for (unsigned i = 0; i < 2; i++)
		s.references[i] = reference_to(&s.leaves[i], s.last[i]);
	assert_good_until(&s, -EBADMSG, PAGE_ENTRIES_MIN);
}

/* The same, where the bound stands two levels up. */
static void names_that_go_back_across_pages_above_are_refused(void **state)
{
	struct reference references[PAGE_ENTRIES_MIN], roots[2];
	static char last[PAGE_ENTRIES_MIN][32];
	struct names names = {1000, ""};
	struct built middle[2], root;
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < PAGE_ENTRIES_MIN; i++) {
		struct built page;

		/* The last of them closes a page of level 1, too. */
		if (i + 1 < PAGE_ENTRIES_MIN) {
			page = leaf(&names, PAGE_ENTRIES_MIN, true);
		} else {
			struct page_encoder e = {0};
			struct entry entry;

			page_encoder_begin(&e, PAGE_DIRECTORY, 0);
			for (unsigned n = 1; n < PAGE_ENTRIES_MIN; n++) {
				entry = garden_file(next_name(&names, false), n);
				page_encoder_add(&e, &entry);
			}
			do
				next_name(&names, true);
			while (!page_closes(names.name, 8, 1, PAGE_ENTRIES_MIN));
			entry = garden_file(names.name, 1);
			page_encoder_add(&e, &entry);
			page = garden_forge(&garden, &e);
		}
		strcpy(last[i], names.name);
		references[i] = reference_to(&page, last[i]);
	}
	middle[0] = above(1, references, PAGE_ENTRIES_MIN);
	for (unsigned bad = 0; bad < 2; bad++) {
		struct names behind = names;
		struct built page;

		if (bad) {
			struct page_encoder e = {0};
			struct entry entry = garden_file("00000001", 1);

			page_encoder_begin(&e, PAGE_DIRECTORY, 0);
			page_encoder_add(&e, &entry);
			entry = garden_file(next_name(&behind, false), 1);
			page_encoder_add(&e, &entry);
			page = garden_forge(&garden, &e);
		} else {
			page = leaf(&behind, 2, false);
		}
		struct reference reference = reference_to(&page, behind.name);
		middle[1] = above(1, &reference, 1);
		roots[0] = reference_to(&middle[0], last[PAGE_ENTRIES_MIN - 1]);
		roots[1] = reference_to(&middle[1], behind.name);
		root = above(2, roots, 2);
		assert_int_equal(read_all(&root, &count), bad ? -EBADMSG : 0);
		assert_int_equal(count, PAGE_ENTRIES_MIN * PAGE_ENTRIES_MIN + (bad ? 0 : 2));
	}
}

/* A page above that names itself cannot be made; one that names a page of its own level can. */
static void a_reference_to_the_own_level_is_refused(void **state)
{
	struct small s, t;
	struct built inner, root;
	unsigned count;

	(void)state;
	make_small(&s);
	inner = above(1, s.references, 2);
	t = s;
	t.references[1] = reference_to(&inner, s.last[1]);
	root = above(1, t.references, 2);
	assert_int_equal(read_all(&root, &count), -EBADMSG);
	assert_int_equal(count, PAGE_ENTRIES_MIN);
}

static void a_page_of_another_kind_is_refused(void **state)
{
	struct small s;
	struct descent d;
	struct page_encoder e = {0};
	struct list_entry chunk = {.len = CHUNK_MAX, .count = 2};
	struct built list;

	(void)state;
	make_small(&s);
	page_encoder_begin(&e, PAGE_LIST, 0);
	page_encoder_add_list(&e, &chunk);
	list = garden_forge(&garden, &e);
	assert_int_equal(descent_open(&d, garden.source, PAGE_LIST, &list.id, NULL, false), 0);
	descent_close(&d);
	assert_int_equal(descent_open(&d, garden.source, PAGE_DIRECTORY, &list.id, NULL, false), -EBADMSG);
	assert_int_equal(descent_open(&d, garden.source, PAGE_LIST, &s.leaves[0].id, NULL, false), -EBADMSG);
	assert_int_equal(descent_open(&d, garden.source, PAGE_FILE, &s.leaves[0].id, NULL, false), -EBADMSG);
	descent_close(&d);
	s.references[1].id = list.id;
	assert_good_until(&s, -EBADMSG, PAGE_ENTRIES_MIN);
}

static void a_root_of_one_reference_is_refused(void **state)
{
	struct small s;
	struct built root;
	unsigned count;

	(void)state;
	make_small(&s);
	root = above(1, s.references, 1);
	assert_int_equal(read_all(&root, &count), -EBADMSG);
}

static void a_list_of_one_chunk_is_refused(void **state)
{
	struct page_encoder e = {0};
	struct list_entry chunk = {.len = CHUNK_MAX, .count = 1};
	struct built list;
	struct descent d;

	(void)state;
	page_encoder_begin(&e, PAGE_LIST, 0);
	page_encoder_add_list(&e, &chunk);
	list = garden_forge(&garden, &e);
	assert_int_equal(descent_open(&d, garden.source, PAGE_LIST, &list.id, NULL, false), -EBADMSG);
}

/* Two leaves of a list, the second beginning with the chunk that ends the first: they would have been merged. */
static void unmerged_neighbours_across_pages_are_refused(void **state)
{
	for (unsigned bad = 0; bad < 2; bad++) {
		struct page_encoder e = {0};
		struct list_entry chunk = {.len = CHUNK_MAX, .count = 1}, last;
		struct reference references[2] = {{0}, {0}};
		struct built pages[2], root;
		struct descent d;
		unsigned n = 1;

		(void)state;
		page_encoder_begin(&e, PAGE_LIST, 0);
		for (unsigned i = 0; i < PAGE_ENTRIES_MIN; i++) {
			do
				wire_put32(chunk.id.bytes, n++);
			while (page_closes(chunk.id.bytes, ID_SIZE, 0, PAGE_ENTRIES_MIN) !=
			       (i + 1 == PAGE_ENTRIES_MIN));
			page_encoder_add_list(&e, &chunk);
		}
		pages[0] = garden_forge(&garden, &e);
		last = chunk;
		if (!bad)
			wire_put32(chunk.id.bytes, n++);
		page_encoder_begin(&e, PAGE_LIST, 0);
		page_encoder_add_list(&e, &chunk);
		pages[1] = garden_forge(&garden, &e);
		page_encoder_begin(&e, PAGE_LIST, 1);
		for (unsigned i = 0; i < 2; i++) {
			references[i] = (struct reference){.last = (const char *)(i == 0 ? last : chunk).id.bytes,
			                                   .last_len = ID_SIZE,
			                                   .id = pages[i].id,
			                                   .totals = pages[i].totals};
			page_encoder_add_reference(&e, &references[i]);
		}
		root = garden_forge(&garden, &e);
		assert_int_equal(descent_open(&d, garden.source, PAGE_LIST, &root.id, NULL, false), 0);
		assert_int_equal(descent_seek_position(&d, (uint64_t)CHUNK_MAX * PAGE_ENTRIES_MIN), bad ? -EBADMSG : 0);
		descent_close(&d);
	}
}

/* The last name of a page above closes it at its level and not at the leaf's: the leaf below was open, and another
 * came. */
static void a_leaf_that_did_not_close_is_refused(void **state)
{
	struct reference references[PAGE_ENTRIES_MIN], roots[2];
	static char last[PAGE_ENTRIES_MIN][32];
	struct names names = {0};
	struct built page, middle[2], root;
	unsigned count;

	(void)state;
	for (unsigned i = 0; i + 1 < PAGE_ENTRIES_MIN; i++) {
		page = leaf(&names, PAGE_ENTRIES_MIN, true);
		strcpy(last[i], names.name);
		references[i] = reference_to(&page, last[i]);
	}
	struct page_encoder e = {0};
	struct entry entry;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	for (unsigned n = 1; n < PAGE_ENTRIES_MIN; n++) {
		entry = garden_file(next_name(&names, false), n);
		page_encoder_add(&e, &entry);
	}
	do
		next_name(&names, false);
	while (!page_closes(names.name, 8, 1, PAGE_ENTRIES_MIN));
	entry = garden_file(names.name, 1);
	page_encoder_add(&e, &entry);
	page = garden_forge(&garden, &e);
	strcpy(last[PAGE_ENTRIES_MIN - 1], names.name);
	references[PAGE_ENTRIES_MIN - 1] = reference_to(&page, last[PAGE_ENTRIES_MIN - 1]);
	middle[0] = above(1, references, PAGE_ENTRIES_MIN);
	/* Alone, at the right edge, that leaf is fine. */
	assert_int_equal(read_all(&middle[0], &count), 0);
	page = leaf(&names, 1, false);
	struct reference reference = reference_to(&page, names.name);
	middle[1] = above(1, &reference, 1);
	roots[0] = reference_to(&middle[0], last[PAGE_ENTRIES_MIN - 1]);
	roots[1] = reference_to(&middle[1], names.name);
	root = above(2, roots, 2);
	assert_int_equal(read_all(&root, &count), -EBADMSG);
	assert_int_equal(count, PAGE_ENTRIES_MIN * (PAGE_ENTRIES_MIN - 1));
}

static void seeking_tells_the_position(void **state)
{
	struct small s;
	struct built root;
	struct descent d;

	(void)state;
	make_small(&s);
	root = above(1, s.references, 2);
	struct directory directory = garden_directory(&root);
	assert_int_equal(tree_open(garden.source, &directory, &d), 0);
	for (unsigned i = 0; i < PAGE_ENTRIES_MIN + 10; i++) {
		assert_int_equal(descent_seek_position(&d, i), 0);
		assert_int_equal(descent_position(&d), i);
		assert_true(descent_at_leaf(&d));
	}
	assert_int_equal(descent_seek_position(&d, PAGE_ENTRIES_MIN + 10), -ENOENT);
	assert_int_equal(descent_position(&d), PAGE_ENTRIES_MIN + 10);
	assert_false(descent_settle(&d));
	assert_int_equal(descent_seek_name(&d, s.last[1], 8), 0);
	assert_int_equal(descent_position(&d), PAGE_ENTRIES_MIN + 9);
	assert_int_equal(descent_seek_name(&d, "99999999", 8), -ENOENT);
	assert_int_equal(descent_to_leaf(&d), -ENOENT);
	descent_close(&d);
	descent_close(&d);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(a_good_tree_is_read),
	    TEST(who_may_not_wait_has_the_next_leaf_prepared),
	    TEST(a_missing_page_is_enodata),
	    TEST(totals_that_contradict_are_refused),
	    TEST(another_last_name_is_refused),
	    TEST(names_that_go_back_are_refused),
	    TEST(names_that_go_back_across_pages_above_are_refused),
	    TEST(a_reference_to_the_own_level_is_refused),
	    TEST(a_page_of_another_kind_is_refused),
	    TEST(a_root_of_one_reference_is_refused),
	    TEST(a_list_of_one_chunk_is_refused),
	    TEST(unmerged_neighbours_across_pages_are_refused),
	    TEST(a_leaf_that_did_not_close_is_refused),
	    TEST(seeking_tells_the_position),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
