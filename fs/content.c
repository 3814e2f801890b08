#include "fs/content.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/chunker.h"
#include "fs/descent.h"

int content_of(const struct entry *entry, struct content *content)
{
	if (entry->broken || entry->kind == ENTRY_FOREIGN)
		return -EIO;
	if (entry->kind == ENTRY_DIRECTORY)
		return -EISDIR;
	memset(content, 0, sizeof(*content));
	content->form = entry->form;
	content->size = entry->size;
	if (entry->form == CONTENT_INLINE) {
		if (entry->size > 0)
			memcpy(content->inline_data, entry->inline_data, entry->size);
		return 0;
	}
	content->id = entry->id;
	content->locator = entry->locator;
	return 0;
}

void content_set_entry(const struct content *content, struct entry *entry)
{
	entry->form = content->form;
	entry->size = content->size;
	entry->inline_data = content->form == CONTENT_INLINE ? content->inline_data : NULL;
	entry->id = content->id;
	entry->locator = content->locator;
}

bool content_equal(const struct content *a, const struct content *b)
{
	if (a->form != b->form || a->size != b->size)
		return false;
	if (a->form == CONTENT_INLINE)
		return memcmp(a->inline_data, b->inline_data, a->size) == 0;
	return id_equal(&a->id, &b->id);
}

void content_id(const struct content *content, struct id *id)
{
	if (content->form == CONTENT_INLINE)
		id_of(content->inline_data, content->size, id);
	else
		*id = content->id;
}

static pthread_once_t hole_once = PTHREAD_ONCE_INIT;
static struct id hole_id;

static void make_hole_id(void)
{
	static const uint8_t zeros[4096];
	struct id_hasher hasher;

	id_hasher_init(&hasher);
	for (size_t done = 0; done < CHUNK_MAX; done += sizeof(zeros))
		id_hasher_update(&hasher, zeros, sizeof(zeros));
	id_hasher_final(&hasher, &hole_id);
}

bool content_is_hole(const struct id *id)
{
	pthread_once(&hole_once, make_hole_id);
	return id_equal(id, &hole_id);
}

/* Open the list of chunks, which must have as many bytes as the entry said. */
static int open_list(struct source *s, const struct content *content, struct descent *d)
{
	int r = descent_open(d, s, PAGE_LIST, &content->id, &content->locator, false);

	if (r < 0)
		return r;
	if (descent_root(d)->totals.bytes != content->size) {
		descent_close(d);
		return -EBADMSG;
	}
	return 0;
}

/* Copy LEN bytes, SKIP bytes behind its beginning, of the CHUNK_LEN bytes at CHUNK repeated again and again. */
static void copy_repeated(const uint8_t *chunk, size_t chunk_len, uint8_t *data, size_t len, uint64_t skip)
{
	size_t done = 0;

	while (done < len) {
		size_t offset = (size_t)((skip + done) % chunk_len);
		size_t part = chunk_len - offset;

		if (part > len - done)
			part = len - done;
		memcpy(data + done, chunk + offset, part);
		done += part;
	}
}

/* Copy from one entry of a list, SKIP bytes behind its beginning; returns how much. */
static ssize_t copy_entry(struct source *s, const struct list_entry *entry, uint8_t *data, size_t len, uint64_t skip)
{
	const uint64_t left = (uint64_t)entry->len * entry->count - skip;
	struct memory_value value;
	int r;

	if (len > left)
		len = (size_t)left;
	if (entry->len == CHUNK_MAX && content_is_hole(&entry->id)) {
		memset(data, 0, len);
		return (ssize_t)len;
	}
	r = source_pin_chunk(s, &entry->id, entry->len, &entry->locator, &value);
	if (r < 0)
		return r;
	copy_repeated(value.data, entry->len, data, len, skip);
	source_unpin_chunk(s, &value, len == left);
	return (ssize_t)len;
}

/* Say what lies behind the entry where D stands and is read together with it, LEN bytes in all; whether anything does.
 */
static bool tell_reach(struct source *s, const struct descent *d, uint64_t len)
{
	const struct page *page = descent_page(d);
	struct fetch *fetch = source_fetch(s);
	struct list_entry first, last, entry;
	uint64_t bytes;

	if (!fetch)
		return false;
	page_list_entry(page, descent_next(d), &first);
	last = first;
	bytes = (uint64_t)first.len * first.count;
	for (unsigned i = descent_next(d) + 1; i < page->count && bytes < len; i++) {
		page_list_entry(page, i, &entry);
		if (!pack_id_equal(&entry.locator.pack, &first.locator.pack) ||
		    entry.locator.offset != locator_end(&last.locator))
			break;
		last = entry;
		bytes += (uint64_t)entry.len * entry.count;
	}
	if (last.locator.offset == first.locator.offset)
		return false;
	fetch_reach(fetch, &first.locator, &last.locator);
	return true;
}

static ssize_t read_list(struct source *s, const struct content *content, uint8_t *data, size_t len, uint64_t offset)
{
	struct descent d;
	size_t done = 0;
	ssize_t r = open_list(s, content, &d);

	if (r < 0)
		return r;
	r = descent_seek_position(&d, offset);
	/* Who reads several chunks may well read all of them. */
	if (r >= 0 && tell_reach(s, &d, offset - descent_position(&d) + len))
		descent_prepare_next(&d);
	while (r >= 0 && done < len) {
		struct list_entry entry;

		r = descent_to_leaf(&d);
		if (r < 0)
			break;
		page_list_entry(descent_page(&d), descent_next(&d), &entry);
		r = copy_entry(s, &entry, data + done, len - done, offset + done - descent_position(&d));
		if (r > 0)
			done += (size_t)r;
		descent_pass(&d);
	}
	descent_close(&d);
	/* The caller asked for no byte beyond the size, which is what the list sums up to. */
	assert(r != -ENOENT);
	return r < 0 ? r : (ssize_t)done;
}

/* The one chunk of a content of that form. */
static struct list_entry only_chunk(const struct content *content)
{
	struct list_entry chunk = {
	    .id = content->id, .len = (uint32_t)content->size, .count = 1, .locator = content->locator};

	return chunk;
}

ssize_t content_read(struct source *s, const struct content *content, void *data, size_t len, uint64_t offset)
{
	if (offset >= content->size)
		return 0;
	if (len > content->size - offset)
		len = (size_t)(content->size - offset);
	if (content->form == CONTENT_LIST)
		return read_list(s, content, data, len, offset);
	if (content->form == CONTENT_CHUNK) {
		struct list_entry chunk = only_chunk(content);

		return copy_entry(s, &chunk, data, len, offset);
	}
	memcpy(data, content->inline_data + offset, len);
	return (ssize_t)len;
}

struct pieces {
	struct source *source;
	int (*each)(void *arg, const void *data, uint64_t len);
	void *arg;
};

static int tell_pieces(void *arg, const struct list_entry *chunk)
{
	const struct pieces *p = arg;
	struct memory_value value;
	int r;

	if (chunk->len == CHUNK_MAX && content_is_hole(&chunk->id))
		return p->each(p->arg, NULL, chunk->len * chunk->count);
	r = source_pin_chunk(p->source, &chunk->id, chunk->len, &chunk->locator, &value);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < chunk->count && r == 0; i++)
		r = p->each(p->arg, value.data, chunk->len);
	source_unpin_chunk(p->source, &value, true);
	return r;
}

int content_each_piece(struct source *s, const struct content *content,
                       int (*each)(void *arg, const void *data, uint64_t len), void *arg)
{
	struct pieces pieces = {.source = s, .each = each, .arg = arg};

	if (content->form == CONTENT_INLINE)
		return content->size > 0 ? each(arg, content->inline_data, content->size) : 0;
	return content_each_chunk(s, content, tell_pieces, &pieces);
}

int content_each_chunk(struct source *s, const struct content *content,
                       int (*each)(void *arg, const struct list_entry *chunk), void *arg)
{
	struct descent d;
	struct list_entry chunk;
	int r, answer = 0;

	if (content->form == CONTENT_INLINE)
		return 0;
	if (content->form == CONTENT_CHUNK) {
		chunk = only_chunk(content);
		return each(arg, &chunk);
	}
	r = open_list(s, content, &d);
	if (r < 0)
		return r;
	while (answer == 0 && (r = descent_to_leaf(&d)) == 0) {
		page_list_entry(descent_page(&d), descent_next(&d), &chunk);
		answer = each(arg, &chunk);
		descent_pass(&d);
	}
	descent_close(&d);
	return answer != 0 ? answer : r == -ENOENT ? 0 : r;
}

struct expansion {
	struct source *source;
	uint64_t limit;
	uint64_t done;
};

static int expand_chunk(void *arg, const struct list_entry *chunk)
{
	struct expansion *e = arg;
	struct memory_value value;
	int r;

	if (e->done >= e->limit)
		return 1;
	if (chunk->len != CHUNK_MAX || !content_is_hole(&chunk->id)) {
		r = source_pin_chunk(e->source, &chunk->id, chunk->len, &chunk->locator, &value);
		if (r < 0)
			return r;
		source_unpin_chunk(e->source, &value, false);
	}
	e->done += chunk->len * chunk->count;
	return 0;
}

int content_expand(struct source *s, const struct content *content, uint64_t limit, uint64_t *done)
{
	struct expansion e = {.source = s, .limit = limit};
	int r = content_each_chunk(s, content, expand_chunk, &e);

	*done = e.done;
	return r < 0 ? r : 0;
}
