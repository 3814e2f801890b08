#include "tests/support/stored_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void stored_page_finish(struct page_encoder *e, struct stored_page *s)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(page_encoder_finish(e, &s->bytes, &s->hashed_len, &s->id, &s->totals), 0);
	page_encoder_release(e);
}

int stored_page_decode(const uint8_t *bytes, size_t len, size_t hashed_len, struct page **page)
{
	struct record record = {
	    .data = malloc(len > 0 ? len : 1), .len = (uint32_t)len, .hashed_len = (uint32_t)hashed_len};
	struct id id = {{7}};
	size_t size;
	int r;

	assert_non_null(record.data);
	if (len > 0)
		memcpy(record.data, bytes, len);
	r = page_decode(&id, &record, page, &size);
	free(record.data);
	return r;
}

int stored_page_try(struct page_encoder *e)
{
	struct stored_page s;
	struct page *page = NULL;
	int r;

	stored_page_finish(e, &s);
	r = stored_page_decode(s.bytes.data, s.bytes.len, s.hashed_len, &page);
	free(page);
	buffer_release(&s.bytes);
	return r;
}

struct id stored_page_id(unsigned n)
{
	struct id id = {{0}};

	wire_put32(id.bytes, n);
	id.bytes[31] = 1;
	return id;
}

unsigned stored_page_name(unsigned from, unsigned level, bool closes, char name[32])
{
	for (unsigned n = from;; n++) {
		size_t len = (size_t)snprintf(name, 32, "n%08u", n);

		if (page_closes(name, len, level, PAGE_ENTRIES_MIN) == closes)
			return n + 1;
	}
}

struct reference stored_page_reference(const char *last, unsigned entries)
{
	struct reference r = {.last = last,
	                      .last_len = (uint16_t)strlen(last),
	                      .id = stored_page_id(entries),
	                      .totals = {entries, entries, 100},
	                      .locator = {.offset = 64 + entries, .stored_len = 10}};

	return r;
}
