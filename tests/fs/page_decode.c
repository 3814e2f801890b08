/* Pages that no builder makes: each is encoded as an attacker would, under its right hash. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cache/chunker.h"
#include "fs/name.h"
#include "fs/page.h"
#include "tests/support/stored_page.h"

static int decode_references(unsigned level, const struct reference *r, unsigned count)
{
	struct page_encoder e = {0};

	page_encoder_begin(&e, PAGE_DIRECTORY, level);
	for (unsigned i = 0; i < count; i++)
		page_encoder_add_reference(&e, &r[i]);
	return stored_page_try(&e);
}

/* A page below that another follows must have closed: by its last name, or by being full. */
static void references_show_a_wrong_cut_below(void **state)
{
	char open[32], shut[32];
	struct reference r[2] = {{0}, {0}};

	(void)state;
	stored_page_name(0, 0, false, open);
	stored_page_name(0, 0, true, shut);
	r[1] = stored_page_reference("z", 1);
	r[0] = stored_page_reference(shut, PAGE_ENTRIES_MIN);
	assert_int_equal(decode_references(1, r, 2), 0);
	r[0] = stored_page_reference(shut, PAGE_ENTRIES_MIN - 1);
	assert_int_equal(decode_references(1, r, 2), -EBADMSG);
	r[0] = stored_page_reference(open, PAGE_ENTRIES_MAX - 1);
	assert_int_equal(decode_references(1, r, 2), -EBADMSG);
	r[0] = stored_page_reference(open, PAGE_ENTRIES_MAX);
	assert_int_equal(decode_references(1, r, 2), 0);
	r[0] = stored_page_reference(shut, PAGE_ENTRIES_MAX + 1);
	assert_int_equal(decode_references(1, r, 2), -EBADMSG);
	r[0] = stored_page_reference(open, 0);
	assert_int_equal(decode_references(1, r, 1), -EBADMSG);
	stored_page_name(0, 1, true, shut);
	r[0] = stored_page_reference(shut, PAGE_ENTRIES_MIN * PAGE_ENTRIES_MIN);
	assert_int_equal(decode_references(2, r, 2), 0);
	r[0].totals.entries--;
	assert_int_equal(decode_references(2, r, 2), -EBADMSG);
	r[1].totals.bytes = INT64_MAX - 100;
	r[0].totals.entries++;
	assert_int_equal(decode_references(2, r, 2), 0);
	r[0].totals.bytes = 101;
	struct page_encoder e = {0};
	page_encoder_begin(&e, PAGE_DIRECTORY, 2);
	page_encoder_add_reference(&e, &r[0]);
	page_encoder_add_reference(&e, &r[1]);
	struct buffer out = {0};
	uint32_t len;
	struct id id;
	struct totals totals;
	assert_int_equal(page_encoder_finish(&e, &out, &len, &id, &totals), -EOVERFLOW);
	e.overflow = false;
	assert_int_equal(stored_page_try(&e), -EBADMSG);
}

/* A leaf of COUNT files of no bytes; the one of rank CLOSING (if below) has a name that closes. */
static int decode_leaf_of(unsigned count, unsigned closing)
{
	struct page_encoder e = {0};
	unsigned next = 0;

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	for (unsigned i = 0; i < count; i++) {
		char name[32];
		struct entry entry = {.name = name, .kind = ENTRY_FILE};

		next = stored_page_name(next, 0, i == closing, name);
		entry.name_len = (uint16_t)strlen(name);
		page_encoder_add(&e, &entry);
	}
	return stored_page_try(&e);
}

static void a_leaf_is_no_longer_than_the_cut_allows(void **state)
{
	(void)state;
	assert_int_equal(decode_leaf_of(100, 99), 0);
	assert_int_equal(decode_leaf_of(100, 98), -EBADMSG);
	assert_int_equal(decode_leaf_of(100, PAGE_ENTRIES_MIN - 1), -EBADMSG);
	assert_int_equal(decode_leaf_of(100, PAGE_ENTRIES_MIN - 2), 0);
	assert_int_equal(decode_leaf_of(PAGE_ENTRIES_MAX, PAGE_ENTRIES_MAX), 0);
	assert_int_equal(decode_leaf_of(PAGE_ENTRIES_MAX + 1, PAGE_ENTRIES_MAX + 1), -EBADMSG);
}

static int decode_pair(const char *first, size_t first_len, const char *second, size_t second_len)
{
	struct page_encoder e = {0};
	struct entry entry = {.kind = ENTRY_FILE, .name = first, .name_len = (uint16_t)first_len};

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, &entry);
	entry.name = second;
	entry.name_len = (uint16_t)second_len;
	page_encoder_add(&e, &entry);
	return stored_page_try(&e);
}

static void hostile_names_are_refused(void **state)
{
	char longest[300];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(decode_pair("a", 1, "b", 1), 0);
	assert_int_equal(decode_pair("a", 1, "a", 1), -EBADMSG);
	assert_int_equal(decode_pair("b", 1, "a", 1), -EBADMSG);
	assert_int_equal(decode_pair("ab", 2, "a", 1), -EBADMSG);
	assert_int_equal(decode_pair("", 0, "a", 1), -EBADMSG);
	assert_int_equal(decode_pair(".", 1, "a", 1), -EBADMSG);
	assert_int_equal(decode_pair("..", 2, "a", 1), -EBADMSG);
	assert_int_equal(decode_pair("a", 1, "b/c", 3), -EBADMSG);
	assert_int_equal(decode_pair("a", 1, "b\0c", 3), -EBADMSG);
	assert_int_equal(decode_pair("a", 1, "/", 1), -EBADMSG);
	assert_int_equal(decode_pair("a", 1, longest, NAME_SIZE_MAX), 0);
	assert_int_equal(decode_pair("a", 1, longest, NAME_SIZE_MAX + 1), -EBADMSG);
}

static int decode_single(const struct entry *entry, struct page **page)
{
	struct page_encoder e = {0};
	struct stored_page s;
	int r;

	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	page_encoder_add(&e, entry);
	stored_page_finish(&e, &s);
	r = stored_page_decode(s.bytes.data, s.bytes.len, s.hashed_len, page);
	buffer_release(&s.bytes);
	return r;
}

static void a_dotgit_entry_is_broken_and_its_siblings_are_not(void **state)
{
	struct page_encoder e = {0};
	const char *names[] = {".git", "a", "git~1"};
	struct stored_page s;
	struct page *page;
	struct entry entry = {.kind = ENTRY_FILE};

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	for (unsigned i = 0; i < 3; i++) {
		entry.name = names[i];
		entry.name_len = (uint16_t)strlen(names[i]);
		page_encoder_add(&e, &entry);
	}
	stored_page_finish(&e, &s);
	assert_int_equal(stored_page_decode(s.bytes.data, s.bytes.len, s.hashed_len, &page), 0);
	for (unsigned i = 0; i < 3; i++) {
		page_entry(page, i, &entry);
		assert_int_equal(entry.broken, i != 1);
		assert_memory_equal(entry.name, names[i], strlen(names[i]));
	}
	free(page);
	buffer_release(&s.bytes);
}

static void an_unknown_kind_or_algorithm_is_broken(void **state)
{
	static const uint8_t strange[3] = {9, 1, 2}, short_md5[16] = {FOREIGN_MD5};
	struct entry entry = {.kind = ENTRY_FOREIGN,
	                      .name = "a",
	                      .name_len = 1,
	                      .size = 9,
	                      .foreign = strange,
	                      .foreign_len = 3},
		     out;
	struct page *page;

	(void)state;
	assert_int_equal(decode_single(&entry, &page), 0);
	page_entry(page, 0, &out);
	assert_true(out.broken);
	assert_int_equal(page->totals.bytes, 9);
	free(page);
	entry.foreign = short_md5;
	entry.foreign_len = sizeof(short_md5);
	assert_int_equal(decode_single(&entry, &page), 0);
	page_entry(page, 0, &out);
	assert_true(out.broken);
	free(page);
	entry.foreign_len = 1;
	assert_int_equal(decode_single(&entry, &page), -EBADMSG);
	for (unsigned kind = 5; kind < 8; kind++) {
		entry = (struct entry){.kind = (uint8_t)kind,
		                       .name = "a",
		                       .name_len = 1,
		                       .size = 5,
		                       .inline_data = (const uint8_t *)"hello"};
		assert_int_equal(decode_single(&entry, &page), 0);
		page_entry(page, 0, &out);
		assert_true(out.broken);
		assert_int_equal(out.kind, kind);
		assert_int_equal(out.foreign_len, 5);
		assert_memory_equal(out.foreign, "hello", 5);
		assert_int_equal(page->totals.files, 1);
		free(page);
	}
	entry.kind = 0;
	assert_int_equal(decode_single(&entry, &page), -EBADMSG);
}

static int decode_form(unsigned kind, unsigned form, uint64_t size, bool executable)
{
	static const uint8_t bytes[512] = "x";
	uint8_t filled[512];
	struct entry entry = {.kind = (uint8_t)kind,
	                      .form = (uint8_t)form,
	                      .size = size,
	                      .executable = executable,
	                      .name = "a",
	                      .name_len = 1,
	                      .inline_data = kind == ENTRY_SYMLINK ? filled : bytes};
	struct page *page = NULL;
	int r;

	memset(filled, 'x', sizeof(filled));
	r = decode_single(&entry, &page);
	free(page);
	return r;
}

static void forms_that_contradict_sizes_are_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_INLINE, 0, false), 0);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_INLINE, 128, true), 0);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_INLINE, 129, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_CHUNK, 128, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_CHUNK, 129, false), 0);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_CHUNK, CHUNK_MAX, false), 0);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_CHUNK, CHUNK_MAX + 1, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_LIST, CHUNK_MIN + 1, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_LIST, CHUNK_MIN + 2, false), 0);
	assert_int_equal(decode_form(ENTRY_FILE, CONTENT_LIST, INT64_MAX, false), 0);
	assert_int_equal(decode_form(ENTRY_FILE, 3, 200, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_SYMLINK, CONTENT_INLINE, 0, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_SYMLINK, CONTENT_INLINE, 1, false), 0);
	assert_int_equal(decode_form(ENTRY_SYMLINK, CONTENT_INLINE, 1, true), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_SYMLINK, CONTENT_CHUNK, 4095, false), 0);
	assert_int_equal(decode_form(ENTRY_SYMLINK, CONTENT_CHUNK, 4096, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_SYMLINK, CONTENT_LIST, 20000, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_DIRECTORY, 0, 0, false), 0);
	assert_int_equal(decode_form(ENTRY_DIRECTORY, 0, 1, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_DIRECTORY, 1, 0, false), -EBADMSG);
	assert_int_equal(decode_form(ENTRY_DIRECTORY, 0, 0, true), -EBADMSG);
	struct entry link = {
	    .kind = ENTRY_SYMLINK, .size = 3, .name = "a", .name_len = 1, .inline_data = (const uint8_t *)"a\0b"};
	struct page *page;
	assert_int_equal(decode_single(&link, &page), -EBADMSG);
}

static int decode_list(const struct list_entry *entries, unsigned count)
{
	struct page_encoder e = {0};

	page_encoder_begin(&e, PAGE_LIST, 0);
	for (unsigned i = 0; i < count; i++)
		page_encoder_add_list(&e, &entries[i]);
	e.overflow = false;
	return stored_page_try(&e);
}

static void lists_that_the_chunker_does_not_make_are_refused(void **state)
{
	struct list_entry l[2] = {{.id = stored_page_id(1), .len = CHUNK_MIN + 1, .count = 1},
	                          {.id = stored_page_id(2), .len = 1, .count = 1}};

	(void)state;
	assert_int_equal(decode_list(l, 2), 0);
	l[0].len = CHUNK_MIN;
	assert_int_equal(decode_list(l, 2), -EBADMSG);
	l[0].len = CHUNK_MAX + 1;
	assert_int_equal(decode_list(l, 2), -EBADMSG);
	l[0].len = CHUNK_MAX;
	l[0].count = 0;
	assert_int_equal(decode_list(l, 2), -EBADMSG);
	l[0].count = INT64_MAX / CHUNK_MAX;
	assert_int_equal(decode_list(l, 2), 0);
	l[0].count = 1ull << 46;
	assert_int_equal(decode_list(l, 2), -EBADMSG);
	l[0].count = UINT64_MAX;
	assert_int_equal(decode_list(l, 2), -EBADMSG);
	l[0].count = 1;
	l[1].count = 2;
	assert_int_equal(decode_list(l, 2), -EBADMSG);
	l[1].count = 1;
	l[1].id = l[0].id;
	l[1].len = CHUNK_MAX;
	assert_int_equal(decode_list(l, 2), -EBADMSG);
	assert_int_equal(decode_list(l, 0), -EBADMSG);
}

static void only_a_directory_may_be_empty(void **state)
{
	struct page_encoder e = {0};

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	assert_int_equal(stored_page_try(&e), 0);
	page_encoder_begin(&e, PAGE_DIRECTORY, 1);
	assert_int_equal(stored_page_try(&e), -EBADMSG);
	page_encoder_begin(&e, PAGE_FILE, 0);
	assert_int_equal(stored_page_try(&e), -EBADMSG);
	page_encoder_begin(&e, PAGE_LIST, 0);
	assert_int_equal(stored_page_try(&e), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(references_show_a_wrong_cut_below),
	    cmocka_unit_test(a_leaf_is_no_longer_than_the_cut_allows),
	    cmocka_unit_test(hostile_names_are_refused),
	    cmocka_unit_test(a_dotgit_entry_is_broken_and_its_siblings_are_not),
	    cmocka_unit_test(an_unknown_kind_or_algorithm_is_broken),
	    cmocka_unit_test(forms_that_contradict_sizes_are_refused),
	    cmocka_unit_test(lists_that_the_chunker_does_not_make_are_refused),
	    cmocka_unit_test(only_a_directory_may_be_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
