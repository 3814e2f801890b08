/*
 * Stored pages for the tests of fs/page*.c.  Everything here asserts that it works.
 */
#ifndef TESTS_SUPPORT_STORED_PAGE_H
#define TESTS_SUPPORT_STORED_PAGE_H

#include "fs/page.h"

/* A stored page and what the encoder said of it. */
struct stored_page {
	struct buffer bytes;
	uint32_t hashed_len;
	struct id id;
	struct totals totals;
};

/* Finish the page and release the encoder; free the bytes with buffer_release(). */
void stored_page_finish(struct page_encoder *e, struct stored_page *s);

/* Decode from memory of exact size, so that a sanitizer sees a byte read too many.  Returns what page_decode() does. */
int stored_page_decode(const uint8_t *bytes, size_t len, size_t hashed_len, struct page **page);

/* Finish, decode and drop the page: only whether it is refused. */
int stored_page_try(struct page_encoder *e);

/* An id that follows from N. */
struct id stored_page_id(unsigned n);

/* The next name "n%08u" from number FROM on that closes a page of LEVEL, or does not.  Returns the number behind it. */
unsigned stored_page_name(unsigned from, unsigned level, bool closes, char name[32]);

/* A reference to a page of that many entries, files and 100 bytes. */
struct reference stored_page_reference(const char *last, unsigned entries);

#endif
