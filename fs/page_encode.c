#include <errno.h>
#include <string.h>

#include "fs/page_layout.h"

void page_encoder_begin(struct page_encoder *e, enum page_kind kind, unsigned level)
{
	uint8_t header[PAGE_HEADER_SIZE] = {0};

	buffer_clear(&e->canonical);
	buffer_clear(&e->packs);
	buffer_clear(&e->locators);
	buffer_clear(&e->times);
	e->labelled = false;
	e->overflow = false;
	memset(&e->totals, 0, sizeof(e->totals));
	e->kind = (uint8_t)kind;
	e->level = (uint8_t)level;
	e->count = 0;
	memcpy(header, PAGE_MAGIC, 4);
	header[4] = PAGE_FORMAT;
	header[5] = (uint8_t)kind;
	header[6] = PAGE_CHUNKER;
	header[7] = PAGE_HASH;
	header[8] = (uint8_t)level;
	buffer_append(&e->canonical, header, sizeof(header));
}

/* The place of PACK in the table, from 1, added where it is new.  Neighbours mostly lie in the same pack. */
static uint64_t pack_number(struct page_encoder *e, const struct pack_id *pack)
{
	for (size_t end = e->packs.len; end >= PACK_ID_SIZE; end -= PACK_ID_SIZE)
		if (memcmp(e->packs.data + end - PACK_ID_SIZE, pack->bytes, PACK_ID_SIZE) == 0)
			return end / PACK_ID_SIZE;
	buffer_append(&e->packs, pack->bytes, PACK_ID_SIZE);
	return e->packs.len / PACK_ID_SIZE;
}

static void add_locator(struct page_encoder *e, const struct locator *locator)
{
	if (locator->offset == 0) {
		buffer_put_varint(&e->locators, 0);
		return;
	}
	e->labelled = true;
	buffer_put_varint(&e->locators, pack_number(e, &locator->pack));
	buffer_put_varint(&e->locators, locator->offset);
	buffer_put_varint(&e->locators, locator->stored_len);
}

static void add_time(struct page_encoder *e, const struct label_time *time)
{
	if (!time->known) {
		buffer_put_varint(&e->times, 0);
		return;
	}
	e->labelled = true;
	buffer_put_varint(&e->times, (uint64_t)time->nanoseconds + 1);
	buffer_put_varint(&e->times, wire_zigzag(time->seconds));
}

static void count(struct page_encoder *e, const struct totals *totals)
{
	e->overflow |= !totals_add(&e->totals, totals);
	e->count++;
}

static void put_content(struct buffer *b, const struct entry *entry)
{
	switch (entry->kind) {
	case ENTRY_DIRECTORY:
		buffer_put_varint(b, ID_SIZE + wire_varint_size(entry->totals.entries) +
		                         wire_varint_size(entry->totals.files) + wire_varint_size(entry->totals.bytes));
		buffer_append(b, entry->id.bytes, ID_SIZE);
		buffer_put_varint(b, entry->totals.entries);
		buffer_put_varint(b, entry->totals.files);
		buffer_put_varint(b, entry->totals.bytes);
		return;
	case ENTRY_FOREIGN:
		buffer_put_varint(b, entry->foreign_len);
		buffer_append(b, entry->foreign, entry->foreign_len);
		return;
	default:
		if (entry->form == CONTENT_INLINE) {
			buffer_put_varint(b, entry->size);
			buffer_append(b, entry->inline_data, entry->size);
		} else {
			buffer_put_varint(b, ID_SIZE);
			buffer_append(b, entry->id.bytes, ID_SIZE);
		}
	}
}

void page_encoder_add(struct page_encoder *e, const struct entry *entry)
{
	unsigned bits = entry->kind | (unsigned)entry->form << ENTRY_FORM_SHIFT;
	struct totals totals;

	if (entry->executable)
		bits |= ENTRY_EXECUTABLE;
	buffer_put_varint(&e->canonical, entry->name_len);
	buffer_append(&e->canonical, entry->name, entry->name_len);
	buffer_put8(&e->canonical, (uint8_t)bits);
	buffer_put_varint(&e->canonical, entry->size);
	put_content(&e->canonical, entry);
	if (page_names_record(entry->kind, entry->form))
		add_locator(e, &entry->locator);
	add_time(e, &entry->time);
	entry_totals(entry, &totals);
	count(e, &totals);
}

void page_encoder_add_list(struct page_encoder *e, const struct list_entry *entry)
{
	struct totals totals = {.entries = 1};

	e->overflow |= __builtin_mul_overflow((uint64_t)entry->len, entry->count, &totals.bytes);
	buffer_put_varint(&e->canonical, entry->len);
	buffer_append(&e->canonical, entry->id.bytes, ID_SIZE);
	buffer_put_varint(&e->canonical, entry->count);
	add_locator(e, &entry->locator);
	count(e, &totals);
}

void page_encoder_add_reference(struct page_encoder *e, const struct reference *reference)
{
	if (e->kind != PAGE_LIST)
		buffer_put_varint(&e->canonical, reference->last_len);
	buffer_append(&e->canonical, reference->last, reference->last_len);
	buffer_append(&e->canonical, reference->id.bytes, ID_SIZE);
	buffer_put_varint(&e->canonical, reference->totals.entries);
	if (e->kind != PAGE_LIST)
		buffer_put_varint(&e->canonical, reference->totals.files);
	buffer_put_varint(&e->canonical, reference->totals.bytes);
	add_locator(e, &reference->locator);
	count(e, &reference->totals);
}

static void put_tail(const struct page_encoder *e, struct buffer *out)
{
	buffer_append(out, TAIL_MAGIC, 4);
	buffer_put8(out, TAIL_FORMAT);
	buffer_put_varint(out, e->packs.len / PACK_ID_SIZE);
	buffer_append(out, e->packs.data, e->packs.len);
	buffer_append(out, e->locators.data, e->locators.len);
	buffer_append(out, e->times.data, e->times.len);
}

int page_encoder_finish(struct page_encoder *e, struct buffer *out, uint32_t *hashed_len, struct id *id,
                        struct totals *totals)
{
	if (e->canonical.failed || e->packs.failed || e->locators.failed || e->times.failed)
		return -ENOMEM;
	if (e->overflow)
		return -EOVERFLOW;
	wire_put16(e->canonical.data + 10, e->count);
	buffer_clear(out);
	buffer_append(out, e->canonical.data, e->canonical.len);
	if (e->labelled)
		put_tail(e, out);
	if (out->failed)
		return -ENOMEM;
	id_of(e->canonical.data, e->canonical.len, id);
	*hashed_len = (uint32_t)e->canonical.len;
	*totals = e->totals;
	return 0;
}

void page_encoder_release(struct page_encoder *e)
{
	buffer_release(&e->canonical);
	buffer_release(&e->packs);
	buffer_release(&e->locators);
	buffer_release(&e->times);
}
