/* Turns from one pack to the next, as pages tell of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/page_turns.h"
#include "tests/support/stored_page.h"

static char told[200];

static void note(void *arg, const struct locator *last, const struct locator *next)
{
	(void)arg;
	snprintf(told + strlen(told), sizeof(told) - strlen(told), "%c%u-%c%u ", last->pack.bytes[0], last->offset / 64,
	         next->pack.bytes[0], next->offset / 64);
}

static void tell(struct page_encoder *e)
{
	struct stored_page stored = {0};
	struct page *page;

	stored_page_finish(e, &stored);
	assert_int_equal(stored_page_decode(stored.bytes.data, stored.bytes.len, stored.hashed_len, &page), 0);
	told[0] = '\0';
	page_each_turn(page, note, NULL);
	free(page);
	buffer_release(&stored.bytes);
}

/* A list of chunks in these packs, a letter each, "." for one of which nothing is known. */
static const char *turns_of_list(const char *packs)
{
	struct page_encoder e = {0};

	page_encoder_begin(&e, PAGE_LIST, 0);
	for (unsigned i = 0; packs[i]; i++) {
		struct list_entry chunk = {.id = stored_page_id(i), .len = 65536, .count = 1};

		if (packs[i] != '.')
			chunk.locator = (struct locator){
			    .pack.bytes = {(uint8_t)packs[i]}, .offset = 64 * (i + 1), .stored_len = 9};
		page_encoder_add_list(&e, &chunk);
	}
	tell(&e);
	return told;
}

static void lists_tell_where_they_go_on(void **state)
{
	(void)state;
	assert_string_equal(turns_of_list("aaaa"), "");
	assert_string_equal(turns_of_list("aabb"), "a2-b3 ");
	assert_string_equal(turns_of_list("a.b.c"), "a1-b3 b3-c5 ");
	/* Who comes back has not left. */
	assert_string_equal(turns_of_list("abab"), "");
	assert_string_equal(turns_of_list("abac"), "a3-c4 ");
	assert_string_equal(turns_of_list("...."), "");
}

static void many_packs_tell_nothing(void **state)
{
	(void)state;
	assert_string_equal(turns_of_list("abcdefghijklmnopq"), "");
	assert_int_equal(strlen(turns_of_list("abcdefghijklmnop")) > 0, 1);
}

/* Pages lie elsewhere, and are read by others. */
static void folders_tell_of_chunks_alone(void **state)
{
	static const struct {
		char pack;
		uint8_t kind, form;
	} entries[] = {
	    {'a', ENTRY_FILE, CONTENT_CHUNK}, {'p', ENTRY_DIRECTORY, 0},           {'a', ENTRY_FILE, CONTENT_CHUNK},
	    {'p', ENTRY_FILE, CONTENT_LIST},  {'b', ENTRY_SYMLINK, CONTENT_CHUNK}, {'q', ENTRY_DIRECTORY, 0},
	};
	struct page_encoder e = {0};
	char name[2] = "a";

	(void)state;
	page_encoder_begin(&e, PAGE_DIRECTORY, 0);
	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++, name[0]++) {
		struct entry entry = {
		    .name = name,
		    .name_len = 1,
		    .kind = entries[i].kind,
		    .form = entries[i].form,
		    .id = stored_page_id(i),
		    .size = entries[i].form == CONTENT_LIST    ? 1000000
		            : entries[i].form == CONTENT_CHUNK ? 1000
		                                               : 0,
		    .locator = {.pack.bytes = {(uint8_t)entries[i].pack}, .offset = 64 * (i + 1), .stored_len = 9},
		};

		page_encoder_add(&e, &entry);
	}
	tell(&e);
	assert_string_equal(told, "a3-b5 ");
}

static void ends_are_told(void **state)
{
	struct page_encoder e = {0};
	struct stored_page stored = {0};
	struct locator first, last;
	struct page *page;

	(void)state;
	page_encoder_begin(&e, PAGE_LIST, 0);
	for (unsigned i = 0; i < 5; i++) {
		struct list_entry chunk = {.id = stored_page_id(i), .len = 65536, .count = 1};

		if (i != 0 && i != 4)
			chunk.locator = (struct locator){.pack.bytes = {'a'}, .offset = 64 * (i + 1), .stored_len = 9};
		page_encoder_add_list(&e, &chunk);
	}
	stored_page_finish(&e, &stored);
	assert_int_equal(stored_page_decode(stored.bytes.data, stored.bytes.len, stored.hashed_len, &page), 0);
	assert_true(page_ends(page, &first, &last));
	assert_int_equal(first.offset, 128);
	assert_int_equal(last.offset, 256);
	free(page);
	buffer_release(&stored.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_tell_where_they_go_on),
	    cmocka_unit_test(many_packs_tell_nothing),
	    cmocka_unit_test(folders_tell_of_chunks_alone),
	    cmocka_unit_test(ends_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
