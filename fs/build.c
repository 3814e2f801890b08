#include "fs/build.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/name.h"
#include "fs/page_layout.h"

#define PAGE_COMPRESSION 3

/* One level: the page that is open, and what became of those before it. */
struct level {
	struct page_encoder encoder;
	uint64_t closed;     /* pages of this level so far, the open one not counted */
	struct built newest; /* of those, the last one, where it was closed or added at this level */
};

struct builder {
	struct store_writer *writer;
	enum page_kind kind;
	unsigned used; /* levels begun */
	struct level levels[PAGE_LEVELS_MAX];
	struct buffer stored;      /* the page being written */
	struct list_entry pending; /* of a list, may still be repeated; count 0: none */
	uint16_t last_len;
	char last[NAME_SIZE_MAX]; /* the last key added */
};

int builder_open(struct store_writer *writer, enum page_kind kind, struct builder **builder)
{
	struct builder *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->writer = writer;
	b->kind = kind;
	*builder = b;
	return 0;
}

void builder_close(struct builder *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < PAGE_LEVELS_MAX; i++)
		page_encoder_release(&b->levels[i].encoder);
	buffer_release(&b->stored);
	free(b);
}

/* The level's open page, begun where it is the first. */
static struct page_encoder *open_page(struct builder *b, unsigned level)
{
	while (b->used <= level) {
		page_encoder_begin(&b->levels[b->used].encoder, b->kind, b->used);
		b->used++;
	}
	return &b->levels[level].encoder;
}

static unsigned open_count(const struct builder *b, unsigned level)
{
	return level < b->used ? b->levels[level].encoder.count : 0;
}

static void set_last(struct builder *b, const void *key, size_t len)
{
	memcpy(b->last, key, len);
	b->last_len = (uint16_t)len;
}

static int write_page(struct store_writer *writer, struct page_encoder *e, struct buffer *stored, struct built *built)
{
	uint32_t hashed_len;
	int r = page_encoder_finish(e, stored, &hashed_len, &built->id, &built->totals);

	if (r < 0)
		return r;
	return store_writer_put(writer, RECORD_PAGE, &built->id, stored->data, (uint32_t)stored->len, hashed_len,
	                        PAGE_COMPRESSION, &built->locator);
}

/* Write the open page of LEVEL and begin the next. */
static int close_page(struct builder *b, unsigned level)
{
	struct level *l = &b->levels[level];
	int r = write_page(b->writer, &l->encoder, &b->stored, &l->newest);

	if (r < 0)
		return r;
	l->closed++;
	page_encoder_begin(&l->encoder, b->kind, level);
	return 0;
}

/*
 * Name the newest page of LEVEL, whose last key is the last key added, in the page above; and so on upwards while pages
 * close by it.
 */
static int refer(struct builder *b, unsigned level)
{
	for (;; level++) {
		const struct built *child = &b->levels[level].newest;
		struct reference reference = {.last = b->last,
		                              .last_len = b->last_len,
		                              .id = child->id,
		                              .totals = child->totals,
		                              .locator = child->locator};
		struct page_encoder *above;
		int r;

		if (level + 1 == PAGE_LEVELS_MAX)
			return -EFBIG;
		above = open_page(b, level + 1);
		page_encoder_add_reference(above, &reference);
		if (!page_closes(b->last, b->last_len, level + 1, above->count))
			return 0;
		r = close_page(b, level + 1);
		if (r < 0)
			return r;
	}
}

/* After an entry of key b->last was added to the open leaf: close it where the cut says so. */
static int cut(struct builder *b)
{
	int r;

	if (!page_closes(b->last, b->last_len, 0, b->levels[0].encoder.count))
		return 0;
	r = close_page(b, 0);
	return r < 0 ? r : refer(b, 0);
}

int builder_add(struct builder *b, const struct entry *entry)
{
	assert(b->kind == PAGE_DIRECTORY);
	if (entry->name_len > NAME_SIZE_MAX)
		return -ENAMETOOLONG;
	if (entry->broken || entry->kind < ENTRY_FILE || entry->kind > ENTRY_FOREIGN || !page_entry_fits(entry) ||
	    (entry->kind == ENTRY_FOREIGN && !page_foreign_is_known(entry)) ||
	    !name_is_valid(entry->name, entry->name_len))
		return -EINVAL;
	if (b->last_len > 0 && name_cmp(b->last, b->last_len, entry->name, entry->name_len) >= 0)
		return -EINVAL;
	page_encoder_add(open_page(b, 0), entry);
	set_last(b, entry->name, entry->name_len);
	return cut(b);
}

/* Add the chunk that can no longer be repeated. */
static int add_pending(struct builder *b, bool followed)
{
	const struct list_entry *p = &b->pending;

	if (p->len < 1 || p->len > CHUNK_MAX || ((followed || p->count > 1) && p->len < CHUNK_FOLLOWED_MIN))
		return -EINVAL;
	page_encoder_add_list(open_page(b, 0), p);
	set_last(b, p->id.bytes, ID_SIZE);
	return cut(b);
}

int builder_add_chunk(struct builder *b, const struct list_entry *entry)
{
	int r = 0;

	assert(b->kind == PAGE_LIST);
	if (entry->count == 0)
		return -EINVAL;
	if (b->pending.count > 0 && id_equal(&b->pending.id, &entry->id)) {
		if (entry->len != b->pending.len)
			return -EINVAL;
		return __builtin_add_overflow(b->pending.count, entry->count, &b->pending.count) ? -EOVERFLOW : 0;
	}
	if (b->pending.count > 0)
		r = add_pending(b, true);
	b->pending = *entry;
	return r;
}

bool builder_at_boundary(const struct builder *b, unsigned level)
{
	for (unsigned i = 0; i <= level; i++)
		if (open_count(b, i) > 0)
			return false;
	return true;
}

int builder_add_page(struct builder *b, unsigned level, const struct reference *page)
{
	assert(b->kind == PAGE_DIRECTORY && level + 1 < PAGE_LEVELS_MAX && builder_at_boundary(b, level));
	if (b->last_len > 0 && name_cmp(b->last, b->last_len, page->last, page->last_len) >= 0)
		return -EINVAL;
	open_page(b, level);
	for (unsigned i = 0; i <= level; i++)
		b->levels[i].closed++;
	b->levels[level].newest = (struct built){.id = page->id, .locator = page->locator, .totals = page->totals};
	set_last(b, page->last, page->last_len);
	return refer(b, level);
}

/*
 * Upwards from the leaves: the first level that has one page is the root.  Where a level's open page would hold only
 * one reference and is the first of its level, the page it refers to was already alone.
 */
static int finish_pages(struct builder *b, struct built *built)
{
	open_page(b, 0);
	for (unsigned level = 0;; level++) {
		struct level *l = &b->levels[level];
		int r;

		if (l->closed == 0 && level > 0 && l->encoder.count == 1) {
			*built = b->levels[level - 1].newest;
			return 0;
		}
		if (l->closed == 0)
			return write_page(b->writer, &l->encoder, &b->stored, built);
		if (l->encoder.count == 0)
			continue;
		r = close_page(b, level);
		if (r == 0)
			r = refer(b, level);
		if (r < 0)
			return r;
	}
}

int builder_finish(struct builder *b, struct built *built)
{
	int r = 0;

	if (b->kind == PAGE_LIST) {
		bool first = b->used == 0;

		if (b->pending.count == 0 || (first && b->pending.count == 1))
			return -EINVAL;
		r = add_pending(b, false);
	}
	if (r == 0)
		r = finish_pages(b, built);
	for (unsigned i = 0; i < b->used; i++)
		b->levels[i].closed = 0;
	b->used = 0;
	b->last_len = 0;
	b->pending.count = 0;
	return r;
}

void content_builder_init(struct content_builder *b, struct store_writer *writer)
{
	memset(b, 0, sizeof(*b));
	b->writer = writer;
}

static int begin_list(struct content_builder *b)
{
	int r = b->list ? 0 : builder_open(b->writer, PAGE_LIST, &b->list);

	if (r < 0)
		return r;
	b->in_list = true;
	return builder_add_chunk(b->list, &b->first);
}

int content_builder_add(struct content_builder *b, const struct list_entry *chunk)
{
	uint64_t bytes;
	int r = 0;

	if (__builtin_mul_overflow((uint64_t)chunk->len, chunk->count, &bytes) ||
	    __builtin_add_overflow(b->size, bytes, &b->size) || b->size > INT64_MAX)
		return -EFBIG;
	if (b->first.count == 0) {
		b->first = *chunk;
		return 0;
	}
	if (!b->in_list)
		r = begin_list(b);
	return r < 0 ? r : builder_add_chunk(b->list, chunk);
}

static int finish_list(struct content_builder *b, struct content *content)
{
	struct built built;
	int r = b->in_list ? 0 : begin_list(b); /* one chunk, repeated */

	if (r == 0)
		r = builder_finish(b->list, &built);
	if (r < 0)
		return r;
	content->form = CONTENT_LIST;
	content->id = built.id;
	content->locator = built.locator;
	return 0;
}

int content_builder_finish(struct content_builder *b, struct content *content)
{
	int r = 0;

	if (b->size <= PAGE_INLINE_MAX)
		return -EINVAL;
	memset(content, 0, sizeof(*content));
	content->size = b->size;
	if (b->first.count > 1 || b->in_list) {
		r = finish_list(b, content);
	} else {
		content->form = CONTENT_CHUNK;
		content->id = b->first.id;
		content->locator = b->first.locator;
	}
	b->first.count = 0;
	b->in_list = false;
	b->size = 0;
	return r;
}

void content_builder_release(struct content_builder *b)
{
	builder_close(b->list);
	b->list = NULL;
}

int builder_file_root(struct store_writer *writer, const struct entry *entry, struct built *built)
{
	struct page_encoder e = {0};
	struct buffer stored = {0};
	struct entry file = *entry;
	int r;

	file.name = "";
	file.name_len = 0;
	if (file.broken || file.kind != ENTRY_FILE || !page_entry_fits(&file))
		return -EINVAL;
	page_encoder_begin(&e, PAGE_FILE, 0);
	page_encoder_add(&e, &file);
	r = write_page(writer, &e, &stored, built);
	page_encoder_release(&e);
	buffer_release(&stored);
	return r;
}

int builder_put_root(struct store *store, struct store_writer *writer, const struct built *built)
{
	struct record record;
	int r = store_writer_read(writer, RECORD_PAGE, &built->id, &built->locator, &record);

	if (r < 0)
		return r;
	r = store_put_root(store, &built->id, record.data, record.len, record.hashed_len);
	free(record.data);
	return r;
}
