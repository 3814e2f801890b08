/*
 * Decoding: the canonical part is checked whole, entry by entry, before anything of it can be asked for; the tail is
 * believed as far as it reads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/chunker.h"
#include "cache/pack.h"
#include "fs/name.h"
#include "fs/page_layout.h"

struct decoder {
	struct wire_reader in;
	struct page *page;
	uint64_t *sums; /* NULL: every entry counts one */
	uint32_t *offsets;
	const uint8_t *previous; /* the key before */
	size_t previous_len;
	uint32_t marks; /* OFFSET_*, of the entry being read */
};

/* Most numbers are one byte. */
static inline uint64_t read_varint(struct wire_reader *in)
{
	if (in->next < in->end && *in->next < 0x80 && !in->bad)
		return *in->next++;
	return wire_read_varint(in);
}

static int decode_header(const uint8_t *p, size_t len, struct page *page)
{
	if (len < PAGE_HEADER_SIZE || memcmp(p, PAGE_MAGIC, 4) != 0)
		return -EBADMSG;
	if (p[4] > PAGE_FORMAT || p[6] > PAGE_CHUNKER || p[7] > PAGE_HASH)
		return -ENOTSUP;
	if (p[4] != PAGE_FORMAT || p[6] != PAGE_CHUNKER || p[7] != PAGE_HASH || p[9] != 0 || wire_get32(p + 12) != 0)
		return -EBADMSG;
	page->kind = p[5];
	page->level = p[8];
	page->count = wire_get16(p + 10);
	if (page->kind < PAGE_DIRECTORY || page->kind > PAGE_LIST || page->level >= PAGE_LEVELS_MAX ||
	    page->count > PAGE_ENTRIES_MAX)
		return -EBADMSG;
	if (page->kind == PAGE_FILE && (page->level != 0 || page->count != 1))
		return -EBADMSG;
	/* Only an empty directory has an empty page. */
	if (page->count == 0 && (page->kind != PAGE_DIRECTORY || page->level != 0))
		return -EBADMSG;
	return 0;
}

static uint64_t read_number(struct wire_reader *in)
{
	uint64_t value = read_varint(in);

	in->bad |= value > INT64_MAX;
	return value;
}

static void read_totals(struct wire_reader *in, bool with_files, struct totals *totals)
{
	totals->entries = read_number(in);
	totals->files = with_files ? read_number(in) : 0;
	totals->bytes = read_number(in);
}

/* A directory's content: an id and three totals, and nothing behind them. */
static bool read_directory(struct entry *entry, const uint8_t *content, uint64_t len)
{
	struct wire_reader in;

	wire_reader_init(&in, content, len);
	wire_read_bytes(&in, ID_SIZE);
	read_totals(&in, true, &entry->totals);
	return !in.bad && wire_reader_left(&in) == 0;
}

/* The content of an entry of a known kind, as far as page_entry_fits() needs it. */
static bool read_content(struct entry *entry, const uint8_t *content, uint64_t len)
{
	switch (entry->kind) {
	case ENTRY_DIRECTORY:
		return read_directory(entry, content, len);
	case ENTRY_FOREIGN:
		entry->foreign = content;
		entry->foreign_len = (uint32_t)len;
		return len <= UINT32_MAX;
	default:
		entry->inline_data = content;
		return len == (entry->form == CONTENT_INLINE ? entry->size : ID_SIZE);
	}
}

/* Everything behind the name.  Sets what entry_totals() needs, and marks what only this entry is. */
static bool decode_entry_body(struct decoder *d, struct entry *entry)
{
	uint8_t bits = wire_read8(&d->in);
	uint64_t len;
	const uint8_t *content;

	entry->kind = bits & ENTRY_KIND_MASK;
	entry->executable = (bits & ENTRY_EXECUTABLE) != 0;
	entry->form = bits >> ENTRY_FORM_SHIFT & ENTRY_FORM_MASK;
	entry->size = read_number(&d->in);
	len = read_varint(&d->in);
	content = wire_read_bytes(&d->in, len);
	if (d->in.bad || entry->kind == 0 || (bits & ENTRY_RESERVED))
		return false;
	/* A kind of a later version: its length lets a reader pass over it. */
	if (entry->kind > ENTRY_FOREIGN) {
		d->marks |= OFFSET_BROKEN;
		return true;
	}
	if (!read_content(entry, content, len) || !page_entry_fits(entry))
		return false;
	if (entry->kind == ENTRY_FOREIGN && !page_foreign_is_known(entry))
		d->marks |= OFFSET_BROKEN;
	if (page_names_record(entry->kind, entry->form))
		d->marks |= OFFSET_NAMES_RECORD;
	return true;
}

/* A name or last name: what no page may hold fails, and names must increase. */
static bool decode_name(struct decoder *d, const uint8_t **key, size_t *key_len)
{
	uint64_t len = read_varint(&d->in);
	const uint8_t *name;

	if (d->page->kind == PAGE_FILE) {
		*key = d->in.next;
		*key_len = 0;
		return !d->in.bad && len == 0;
	}
	if (len > NAME_SIZE_MAX)
		return false;
	name = wire_read_bytes(&d->in, len);
	if (!name || !name_is_component((const char *)name, len))
		return false;
	if (d->previous && name_cmp((const char *)d->previous, d->previous_len, (const char *)name, len) >= 0)
		return false;
	*key = name;
	*key_len = len;
	return true;
}

static bool decode_entry(struct decoder *d, const uint8_t **key, size_t *key_len, struct totals *totals)
{
	struct entry entry; /* only what decode_entry_body() sets is looked at */

	if (!decode_name(d, key, key_len) || !decode_entry_body(d, &entry))
		return false;
	if (d->page->kind == PAGE_FILE && entry.kind != ENTRY_FILE)
		return false;
	if (name_is_dotgit((const char *)*key, *key_len))
		d->marks |= OFFSET_BROKEN;
	entry_totals(&entry, totals);
	return true;
}

static bool decode_list_entry(struct decoder *d, bool last, const uint8_t **key, struct totals *totals)
{
	uint64_t len = wire_read_varint(&d->in);
	uint64_t count;

	*key = wire_read_bytes(&d->in, ID_SIZE);
	count = wire_read_varint(&d->in);
	if (d->in.bad || len == 0 || len > CHUNK_MAX || count == 0)
		return false;
	if ((!last || count > 1) && len < CHUNK_FOLLOWED_MIN)
		return false;
	if (d->previous && memcmp(d->previous, *key, ID_SIZE) == 0)
		return false;
	totals->entries = 1;
	totals->files = 0;
	return !__builtin_mul_overflow(len, count, &totals->bytes);
}

/*
 * How many entries a page below may have, by what its reference shows.  One that another follows has closed: by its
 * key, and then each page in it but the last in the directory has at least PAGE_ENTRIES_MIN; or because it was full.
 */
static bool entries_fit(uint64_t entries, unsigned level, uint64_t hash, bool last)
{
	unsigned most_bits = 11 * level; /* PAGE_ENTRIES_MAX to the power of LEVEL */
	unsigned least_bits = 6 * level; /* PAGE_ENTRIES_MIN to the power of LEVEL */

	if (entries == 0 || (most_bits < 63 && entries > 1ull << most_bits))
		return false;
	if (last)
		return true;
	if (!page_hash_closes(hash, level - 1))
		least_bits += 5; /* full: PAGE_ENTRIES_MAX in place of one PAGE_ENTRIES_MIN */
	return entries >= 1ull << least_bits;
}

/* All chunks but the last of the file have a length that lets another follow. */
static bool bytes_fit(const struct totals *totals, bool last)
{
	uint64_t least;

	return !__builtin_mul_overflow(totals->entries - last, (uint64_t)CHUNK_FOLLOWED_MIN, &least) &&
	       !__builtin_add_overflow(least, (uint64_t)last, &least) && totals->bytes >= least;
}

static bool decode_reference(struct decoder *d, bool last, const uint8_t **key, size_t *key_len, uint64_t *hash,
                             struct totals *totals)
{
	bool list = d->page->kind == PAGE_LIST;

	if (list)
		*key = wire_read_bytes(&d->in, ID_SIZE);
	else if (!decode_name(d, key, key_len))
		return false;
	wire_read_bytes(&d->in, ID_SIZE);
	read_totals(&d->in, !list, totals);
	if (d->in.bad)
		return false;
	*hash = checksum(*key, *key_len);
	return entries_fit(totals->entries, d->page->level, *hash, last) && (!list || bytes_fit(totals, last));
}

/* One entry or reference, and that the page was not to be closed behind it unless it is the LAST. */
static bool decode_one(struct decoder *d, unsigned i, bool last)
{
	struct page *page = d->page;
	const uint8_t *key = NULL;
	size_t key_len = ID_SIZE;
	uint64_t hash = 0;
	struct totals totals;
	bool good;

	d->marks = 0;
	if (page->level > 0) {
		good = decode_reference(d, last, &key, &key_len, &hash, &totals);
	} else {
		good = page->kind == PAGE_LIST ? decode_list_entry(d, last, &key, &totals)
		                               : decode_entry(d, &key, &key_len, &totals);
		if (good && !last)
			hash = checksum(key, key_len);
	}
	if (!good || !totals_add(&page->totals, &totals))
		return false;
	if (!last && i + 1 >= PAGE_ENTRIES_MIN && page->level < PAGE_LEVELS_MAX - 1 &&
	    page_hash_closes(hash, page->level))
		return false;
	if (d->sums)
		d->sums[i + 1] = page->kind == PAGE_LIST ? page->totals.bytes : page->totals.entries;
	d->previous = key;
	d->previous_len = key_len;
	return true;
}

static int decode_canonical(struct decoder *d, const uint8_t *bytes, size_t len)
{
	struct page *page = d->page;

	wire_reader_init(&d->in, bytes, len);
	wire_read_bytes(&d->in, PAGE_HEADER_SIZE);
	if (d->sums)
		d->sums[0] = 0;
	for (unsigned i = 0; i < page->count; i++) {
		uint32_t offset = (uint32_t)(d->in.next - bytes);

		if (!decode_one(d, i, i + 1 == page->count))
			return -EBADMSG;
		d->offsets[i] = offset | d->marks;
	}
	return wire_reader_left(&d->in) == 0 ? 0 : -EBADMSG;
}

/* Go to the table of packs of the tail.  *PACKS is their number.  False where there is no tail that reads. */
static bool open_tail(struct wire_reader *in, const struct record *record, unsigned *packs)
{
	const uint8_t *magic;
	uint64_t count;

	wire_reader_init(in, record->data + record->hashed_len, record->len - record->hashed_len);
	magic = wire_read_bytes(in, 4);
	if (!magic || memcmp(magic, TAIL_MAGIC, 4) != 0 || wire_read8(in) != TAIL_FORMAT)
		return false;
	count = wire_read_varint(in);
	if (in->bad || count > PAGE_ENTRIES_MAX || wire_reader_left(in) < count * PACK_ID_SIZE)
		return false;
	*packs = (unsigned)count;
	return true;
}

static bool read_locator(struct wire_reader *in, unsigned packs, struct page_label *label)
{
	uint64_t pack = read_varint(in);
	uint64_t offset = 0, stored_len = 0;

	if (pack > 0) {
		offset = wire_read_varint(in);
		stored_len = wire_read_varint(in);
		if (offset < PACK_HEADER_SIZE || offset > UINT32_MAX || stored_len > RECORD_RAW_MAX)
			return false;
	}
	if (in->bad || pack > packs)
		return false;
	label->pack = (uint32_t)pack;
	label->offset = (uint32_t)offset;
	label->stored_len = (uint32_t)stored_len;
	return true;
}

static bool read_time(struct wire_reader *in, struct page_label *label)
{
	uint64_t nanoseconds = read_varint(in);

	if (nanoseconds > 1000000000)
		return false;
	if (nanoseconds > 0) {
		label->nanoseconds = (uint32_t)(nanoseconds - 1);
		label->seconds = wire_unzigzag(wire_read_varint(in));
	}
	return !in->bad;
}

static bool decode_tail(struct wire_reader *in, const struct page *page, unsigned packs, struct pack_id *ids,
                        struct page_label *labels)
{
	const uint32_t *offsets = (const uint32_t *)((const uint8_t *)page + page->offsets_at);
	bool entries = page->level == 0 && page->kind != PAGE_LIST;

	for (unsigned i = 0; i < packs; i++)
		memcpy(ids[i].bytes, wire_read_bytes(in, PACK_ID_SIZE), PACK_ID_SIZE);
	for (unsigned i = 0; i < page->count; i++) {
		labels[i] = (struct page_label){.nanoseconds = NANOSECONDS_UNKNOWN};
		if (entries && !(offsets[i] & OFFSET_NAMES_RECORD))
			continue;
		if (!read_locator(in, packs, &labels[i]))
			return false;
	}
	for (unsigned i = 0; entries && i < page->count; i++)
		if (!read_time(in, &labels[i]))
			return false;
	return wire_reader_left(in) == 0;
}

/* Where the parts lie in the piece: the tables that need alignment first. */
static void lay_out(struct page *page, bool has_tail, unsigned packs, size_t canonical_len)
{
	uint32_t at = sizeof(*page);

	if (page->level > 0 || page->kind == PAGE_LIST) {
		page->sums_at = at;
		at += (page->count + 1u) * (uint32_t)sizeof(uint64_t);
	}
	page->labels_at = at;
	if (has_tail)
		at += page->count * (uint32_t)sizeof(struct page_label);
	page->packs_at = at;
	at += packs * PACK_ID_SIZE;
	page->offsets_at = at;
	at += page->count * (uint32_t)sizeof(uint32_t);
	page->bytes_at = at;
	page->size = at + (uint32_t)canonical_len;
}

int page_decode(const struct id *id, const struct record *record, struct page **page, size_t *size)
{
	struct page header = {.id = *id};
	struct wire_reader tail;
	unsigned packs = 0;
	uint8_t *piece;
	struct page_label *labels;
	int r;

	if (record->len > RECORD_RAW_MAX || record->hashed_len > record->len)
		return -EBADMSG;
	r = decode_header(record->data, record->hashed_len, &header);
	if (r < 0)
		return r;
	bool has_tail = open_tail(&tail, record, &packs);
	lay_out(&header, has_tail, packs, record->hashed_len);
	piece = malloc(header.size);
	if (!piece)
		return -ENOMEM;

	struct decoder d = {
	    .page = (struct page *)piece,
	    .sums = header.sums_at ? (uint64_t *)(piece + header.sums_at) : NULL,
	    .offsets = (uint32_t *)(piece + header.offsets_at),
	};
	labels = (struct page_label *)(piece + header.labels_at);
	header.labels_at = 0;
	*d.page = header;
	memcpy(piece + header.bytes_at, record->data, record->hashed_len);
	r = decode_canonical(&d, piece + header.bytes_at, record->hashed_len);
	if (r < 0) {
		free(piece);
		return r;
	}
	if (has_tail && decode_tail(&tail, d.page, packs, (struct pack_id *)(piece + header.packs_at), labels))
		d.page->labels_at = (uint32_t)((uint8_t *)labels - piece);
	*page = d.page;
	*size = header.size;
	return 0;
}
