/*
 * Reading decoded pages.  The bytes were checked by page_decode(), so nothing here checks again.
 */
#include "fs/page.h"

#include <assert.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/chunker.h"
#include "fs/name.h"
#include "fs/page_layout.h"

bool page_closes(const void *key, size_t len, unsigned level, unsigned count)
{
	if (count >= PAGE_ENTRIES_MAX)
		return true;
	if (count < PAGE_ENTRIES_MIN || level >= PAGE_LEVELS_MAX - 1)
		return false;
	return page_hash_closes(checksum(key, len), level);
}

static bool add_below_limit(uint64_t *a, uint64_t b)
{
	return !__builtin_add_overflow(*a, b, a) && *a <= INT64_MAX;
}

bool totals_add(struct totals *a, const struct totals *b)
{
	return add_below_limit(&a->entries, b->entries) && add_below_limit(&a->files, b->files) &&
	       add_below_limit(&a->bytes, b->bytes);
}

bool totals_equal(const struct totals *a, const struct totals *b)
{
	return a->entries == b->entries && a->files == b->files && a->bytes == b->bytes;
}

void entry_totals(const struct entry *entry, struct totals *totals)
{
	totals->entries = 1;
	totals->files = entry->kind == ENTRY_DIRECTORY ? entry->totals.files : 1;
	totals->bytes = entry->kind == ENTRY_DIRECTORY ? entry->totals.bytes
	                : entry->kind == ENTRY_SYMLINK ? 0
	                                               : entry->size;
}

/* The forms that the size of a file or symlink allows; which of chunk and list it is, only the bytes tell. */
static bool form_fits(unsigned form, uint64_t size)
{
	switch (form) {
	case CONTENT_INLINE:
		return size <= PAGE_INLINE_MAX;
	case CONTENT_CHUNK:
		return size > PAGE_INLINE_MAX && size <= CHUNK_MAX;
	case CONTENT_LIST:
		return size > CHUNK_FOLLOWED_MIN && size <= INT64_MAX;
	default:
		return false;
	}
}

static bool link_fits(const struct entry *entry)
{
	if (entry->size == 0 || entry->size > PAGE_SYMLINK_MAX || entry->executable)
		return false;
	return entry->form != CONTENT_INLINE || !memchr(entry->inline_data, '\0', entry->size);
}

bool page_entry_fits(const struct entry *entry)
{
	switch (entry->kind) {
	case ENTRY_FILE:
		return form_fits(entry->form, entry->size);
	case ENTRY_SYMLINK:
		return form_fits(entry->form, entry->size) && link_fits(entry);
	case ENTRY_DIRECTORY:
		if (entry->size != 0 || entry->form != 0 || entry->executable)
			return false;
		return entry->totals.entries > 0 || (entry->totals.files == 0 && entry->totals.bytes == 0);
	default:
		return entry->form == 0 && !entry->executable && entry->size <= INT64_MAX && entry->foreign_len >= 2 &&
		       entry->foreign_len <= 65;
	}
}

bool page_foreign_is_known(const struct entry *entry)
{
	return (entry->foreign[0] == FOREIGN_MD5 && entry->foreign_len == 1 + 16) ||
	       (entry->foreign[0] == FOREIGN_SHA256 && entry->foreign_len == 1 + 32);
}

static const void *at(const struct page *page, size_t offset)
{
	return (const uint8_t *)page + offset;
}

static uint32_t offset_of(const struct page *page, unsigned i)
{
	assert(i < page->count);
	return ((const uint32_t *)at(page, page->offsets_at))[i];
}

static const uint8_t *bytes_of(const struct page *page, unsigned i)
{
	return (const uint8_t *)at(page, page->bytes_at) + (offset_of(page, i) & OFFSET_MASK);
}

static uint64_t get_varint(const uint8_t **p)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = *(*p)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

static void get_id(const uint8_t **p, struct id *id)
{
	memcpy(id->bytes, *p, ID_SIZE);
	*p += ID_SIZE;
}

static const struct page_label *label_of(const struct page *page, unsigned i)
{
	return page->labels_at ? (const struct page_label *)at(page, page->labels_at) + i : NULL;
}

static void get_locator(const struct page *page, const struct page_label *label, struct locator *locator)
{
	memset(locator, 0, sizeof(*locator));
	if (!label || label->pack == 0)
		return;
	locator->pack = ((const struct pack_id *)at(page, page->packs_at))[label->pack - 1];
	locator->offset = label->offset;
	locator->stored_len = label->stored_len;
}

static void get_time(const struct page_label *label, struct label_time *time)
{
	if (!label || label->nanoseconds == NANOSECONDS_UNKNOWN)
		return;
	time->known = true;
	time->seconds = label->seconds;
	time->nanoseconds = label->nanoseconds;
}

static void get_content(const uint8_t *p, uint64_t len, struct entry *entry)
{
	switch (entry->kind) {
	case ENTRY_DIRECTORY:
		get_id(&p, &entry->id);
		entry->totals.entries = get_varint(&p);
		entry->totals.files = get_varint(&p);
		entry->totals.bytes = get_varint(&p);
		return;
	case ENTRY_FILE:
	case ENTRY_SYMLINK:
		if (entry->form == CONTENT_INLINE)
			entry->inline_data = p;
		else
			get_id(&p, &entry->id);
		return;
	default:
		entry->foreign = p;
		entry->foreign_len = (uint32_t)len;
	}
}

void page_entry(const struct page *page, unsigned i, struct entry *entry)
{
	const struct page_label *label = label_of(page, i);
	const uint8_t *p = bytes_of(page, i);
	uint8_t bits;

	assert(page->level == 0 && page->kind != PAGE_LIST);
	memset(entry, 0, sizeof(*entry));
	entry->name_len = (uint16_t)get_varint(&p);
	entry->name = (const char *)p;
	p += entry->name_len;
	bits = *p++;
	entry->kind = bits & ENTRY_KIND_MASK;
	entry->broken = (offset_of(page, i) & OFFSET_BROKEN) != 0;
	entry->size = get_varint(&p);
	if (entry->kind == ENTRY_FILE || entry->kind == ENTRY_SYMLINK) {
		entry->executable = (bits & ENTRY_EXECUTABLE) != 0;
		entry->form = bits >> ENTRY_FORM_SHIFT & ENTRY_FORM_MASK;
	}
	uint64_t len = get_varint(&p);
	get_content(p, len, entry);
	get_locator(page, label, &entry->locator);
	get_time(label, &entry->time);
}

void page_list_entry(const struct page *page, unsigned i, struct list_entry *entry)
{
	const uint8_t *p = bytes_of(page, i);

	assert(page->level == 0 && page->kind == PAGE_LIST);
	entry->len = (uint32_t)get_varint(&p);
	get_id(&p, &entry->id);
	entry->count = get_varint(&p);
	get_locator(page, label_of(page, i), &entry->locator);
}

void page_reference(const struct page *page, unsigned i, struct reference *reference)
{
	const uint8_t *p = bytes_of(page, i);

	assert(page->level > 0);
	memset(reference, 0, sizeof(*reference));
	reference->last_len = page->kind == PAGE_LIST ? ID_SIZE : (uint16_t)get_varint(&p);
	reference->last = (const char *)p;
	p += reference->last_len;
	get_id(&p, &reference->id);
	reference->totals.entries = get_varint(&p);
	if (page->kind != PAGE_LIST)
		reference->totals.files = get_varint(&p);
	reference->totals.bytes = get_varint(&p);
	get_locator(page, label_of(page, i), &reference->locator);
}

/* What a file, link or directory names. */
static void entry_named(const struct entry *entry, struct page_named *named)
{
	*named = (struct page_named){.broken = entry->broken, .id = entry->id, .locator = entry->locator};
	if (entry->kind == ENTRY_DIRECTORY) {
		named->what = NAMES_PAGE;
		named->kind = PAGE_DIRECTORY;
	} else if (entry->kind != ENTRY_FILE && entry->kind != ENTRY_SYMLINK) {
		named->what = entry->broken ? NAMES_UNKNOWN : NAMES_NOTHING;
	} else if (entry->form == CONTENT_LIST) {
		named->what = NAMES_PAGE;
		named->kind = PAGE_LIST;
	} else if (entry->form == CONTENT_CHUNK) {
		named->what = NAMES_CHUNK;
	}
}

void page_named(const struct page *page, unsigned i, struct page_named *named)
{
	struct reference reference;
	struct list_entry chunk;
	struct entry entry;

	if (page->level > 0) {
		page_reference(page, i, &reference);
		*named = (struct page_named){
		    .what = NAMES_PAGE, .kind = page->kind, .id = reference.id, .locator = reference.locator};
	} else if (page->kind == PAGE_LIST) {
		page_list_entry(page, i, &chunk);
		*named = (struct page_named){.what = NAMES_CHUNK, .id = chunk.id, .locator = chunk.locator};
	} else {
		page_entry(page, i, &entry);
		entry_named(&entry, named);
	}
}

const char *page_name(const struct page *page, unsigned i, size_t *len)
{
	const uint8_t *p = bytes_of(page, i);

	if (page->kind != PAGE_LIST) {
		*len = get_varint(&p);
		return (const char *)p;
	}
	if (page->level == 0)
		get_varint(&p);
	*len = ID_SIZE;
	return (const char *)p;
}

unsigned page_search(const struct page *page, const char *name, size_t len)
{
	unsigned low = 0, high = page->count;

	assert(page->kind != PAGE_LIST);
	while (low < high) {
		unsigned middle = (low + high) / 2;
		size_t middle_len;
		const char *middle_name = page_name(page, middle, &middle_len);

		if (name_cmp(middle_name, middle_len, name, len) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t page_before(const struct page *page, unsigned i)
{
	assert(i <= page->count);
	return page->sums_at ? ((const uint64_t *)at(page, page->sums_at))[i] : i;
}

unsigned page_search_position(const struct page *page, uint64_t position)
{
	unsigned low = 0, high = page->count;

	/* The first whose end lies beyond POSITION. */
	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (page_before(page, middle + 1) <= position)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
