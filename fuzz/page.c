/* A stored page; the first two bytes say how many of the others are its canonical part (from the end). */
#include <errno.h>
#include <string.h>

#include "fs/page.h"
#include "fuzz/support/fuzz.h"

static bool same_label(const struct locator *a, const struct locator *b)
{
	return a->offset == b->offset && a->stored_len == b->stored_len &&
	       (!a->offset || pack_id_equal(&a->pack, &b->pack));
}

/* Hand item I on to the encoder.  False where it is one that is never encoded. */
static bool encode_item(struct page_encoder *e, const struct page *page, unsigned i)
{
	struct reference reference;
	struct list_entry chunk;
	struct entry entry;
	if (page->level > 0) {
		page_reference(page, i, &reference);
		page_encoder_add_reference(e, &reference);
	} else if (page->kind == PAGE_LIST) {
		page_list_entry(page, i, &chunk);
		REQUIRE(chunk.len >= 1 && chunk.count >= 1);
		page_encoder_add_list(e, &chunk);
	} else {
		page_entry(page, i, &entry);
		if (entry.broken)
			return false;
		page_encoder_add(e, &entry);
	}
	return true;
}

static void look_up(const struct page *page)
{
	uint64_t before = 0;
	for (unsigned i = 0; i < page->count; i++) {
		size_t len;
		const char *name = page_name(page, i, &len);
		REQUIRE(page->kind != PAGE_DIRECTORY || page_search(page, name, len) == i);
		REQUIRE(page_before(page, i) >= before);
		before = page_before(page, i);
		unsigned at = page_search_position(page, before);
		REQUIRE(at <= page->count);
		REQUIRE(page_before(page, i + 1) == before || at == i);
	}
}

static void compare(const struct page *a, const struct page *b)
{
	REQUIRE(a->count == b->count && totals_equal(&a->totals, &b->totals));
	for (unsigned i = 0; i < a->count && a->level == 0 && a->kind != PAGE_LIST; i++) {
		struct entry x, y;
		page_entry(a, i, &x);
		page_entry(b, i, &y);
		REQUIRE(x.time.known == y.time.known && same_label(&x.locator, &y.locator));
		REQUIRE(!x.time.known ||
		        (x.time.seconds == y.time.seconds && x.time.nanoseconds == y.time.nanoseconds));
	}
}

/* What is decoded is encoded to the same bytes again: no two forms of one page. */
static void encode_again(const struct page *page, const struct record *record)
{
	struct page_encoder e = {0};
	struct buffer out = {0};
	struct totals totals;
	struct page *again;
	uint32_t hashed_len;
	struct id id;
	size_t size;
	bool all = true;
	page_encoder_begin(&e, page->kind, page->level);
	for (unsigned i = 0; i < page->count && all; i++)
		all = encode_item(&e, page, i);
	if (all) {
		REQUIRE(page_encoder_finish(&e, &out, &hashed_len, &id, &totals) == 0);
		REQUIRE(hashed_len == record->hashed_len && memcmp(out.data, record->data, hashed_len) == 0);
		REQUIRE(id_equal(&id, &page->id) && totals_equal(&totals, &page->totals));
		const struct record second = {.data = out.data, .len = (uint32_t)out.len, .hashed_len = hashed_len};
		if (out.len <= RECORD_RAW_MAX) {
			REQUIRE(page_decode(&id, &second, &again, &size) == 0);
			compare(page, again);
			free(again);
		}
	}
	buffer_release(&out);
	page_encoder_release(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 3)
		return 0;
	const size_t tail_len = (data[0] | (size_t)data[1] << 8) % (len - 2);
	uint8_t *copy = fuzz_copy(data + 2, len -= 2);
	const struct record record = {.data = copy, .len = (uint32_t)len, .hashed_len = (uint32_t)(len - tail_len)};
	struct page *page;
	struct id id;
	size_t size;
	id_of(copy, record.hashed_len, &id);
	int r = page_decode(&id, &record, &page, &size);
	REQUIRE(r == 0 || r == -EBADMSG || r == -ENOTSUP);
	if (r == 0) {
		/* One piece without pointers: it works wherever it lies. */
		struct page *moved = (struct page *)(void *)fuzz_copy((uint8_t *)page, size);
		free(page);
		look_up(moved);
		encode_again(moved, &record);
		free(moved);
	}
	free(copy);
	return 0;
}
