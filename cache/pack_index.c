#include "cache/pack_index.h"

#include <errno.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/record.h"
#include "cache/wire.h"

static const char magic[] = "revfsEND";
#define MAGIC_SIZE 8
#define AT_RESERVED 48
#define AT_CHECKSUM 56

int pack_entry_cmp(const struct pack_entry *a, const struct pack_entry *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return id_cmp(&a->id, &b->id);
}

void pack_entry_encode(const struct pack_entry *entry, uint8_t out[PACK_ENTRY_SIZE])
{
	out[0] = entry->kind;
	out[1] = entry->codec;
	wire_put16(out + 2, entry->dictionary);
	wire_put32(out + 4, entry->raw_len);
	wire_put32(out + 8, entry->stored_len);
	wire_put32(out + 12, entry->offset);
	memcpy(out + 16, entry->id.bytes, ID_SIZE);
}

/* Of a kind that this version does not know, only what holds for every record is asked. */
static bool lengths_fit(const struct pack_entry *e)
{
	if (e->kind == RECORD_CHUNK || e->kind == RECORD_PAGE)
		return record_lengths_fit(e->kind, e->codec, e->raw_len, e->stored_len);
	return e->kind != 0 && e->stored_len <= e->raw_len && e->stored_len <= RECORD_RAW_MAX;
}

int pack_entry_decode(const uint8_t data[PACK_ENTRY_SIZE], uint64_t index_offset, struct pack_entry *entry)
{
	struct pack_entry e = {
	    .kind = data[0],
	    .codec = data[1],
	    .dictionary = wire_get16(data + 2),
	    .raw_len = wire_get32(data + 4),
	    .stored_len = wire_get32(data + 8),
	    .offset = wire_get32(data + 12),
	};
	memcpy(e.id.bytes, data + 16, ID_SIZE);
	const uint64_t end = (uint64_t)e.offset + RECORD_HEADER_SIZE + e.stored_len;
	if (!lengths_fit(&e) || e.offset < PACK_HEADER_SIZE || end > index_offset)
		return -EBADMSG;
	*entry = e;
	return 0;
}

void pack_trailer_encode(const struct pack_trailer *trailer, uint8_t out[PACK_TRAILER_SIZE])
{
	memset(out, 0, PACK_TRAILER_SIZE);
	memcpy(out, magic, MAGIC_SIZE);
	wire_put64(out + 8, trailer->index_offset);
	wire_put32(out + 16, trailer->count);
	wire_put64(out + 24, trailer->index_checksum);
	memcpy(out + 32, trailer->pack.bytes, PACK_ID_SIZE);
	wire_put64(out + AT_CHECKSUM, checksum(out, AT_CHECKSUM));
}

int pack_trailer_decode(const uint8_t data[PACK_TRAILER_SIZE], uint64_t size, struct pack_trailer *trailer)
{
	if (memcmp(data, magic, MAGIC_SIZE) != 0 || wire_get64(data + AT_CHECKSUM) != checksum(data, AT_CHECKSUM))
		return -EBADMSG;
	if (wire_get32(data + 20) != 0 || wire_get64(data + AT_RESERVED) != 0)
		return -EBADMSG;
	struct pack_trailer t = {
	    .index_offset = wire_get64(data + 8),
	    .count = wire_get32(data + 16),
	    .index_checksum = wire_get64(data + 24),
	};
	memcpy(t.pack.bytes, data + 32, PACK_ID_SIZE);
	if (size > PACK_SIZE_MAX || size < PACK_HEADER_SIZE + PACK_TRAILER_SIZE)
		return -EBADMSG;
	if (t.index_offset < PACK_HEADER_SIZE || t.index_offset > size - PACK_TRAILER_SIZE)
		return -EBADMSG;
	if ((uint64_t)t.count * PACK_ENTRY_SIZE != size - PACK_TRAILER_SIZE - t.index_offset)
		return -EBADMSG;
	*trailer = t;
	return 0;
}
