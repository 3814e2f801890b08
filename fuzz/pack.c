/* A pack; the first byte says whether its checksums are made right. */
#include <errno.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/pack.h"
#include "cache/wire.h"
#include "fuzz/support/fuzz.h"

/* The checksums of the records that the lines name, of index, trailer and header. */
static void seal(uint8_t *data, size_t len)
{
	if (len < PACK_HEADER_SIZE + PACK_TRAILER_SIZE)
		return;
	uint8_t *trailer = data + len - PACK_TRAILER_SIZE;
	const uint64_t at = wire_get64(trailer + 8);
	const uint64_t index_len = (uint64_t)wire_get32(trailer + 16) * PACK_ENTRY_SIZE;
	if (at <= len - PACK_TRAILER_SIZE && index_len <= len - PACK_TRAILER_SIZE - at) {
		for (uint64_t line = 0; line < index_len; line += PACK_ENTRY_SIZE) {
			uint32_t offset = wire_get32(data + at + line + 12);
			if (offset < at)
				fuzz_seal_record(data + offset, at - offset);
		}
		wire_put64(trailer + 24, checksum(data + at, index_len));
	}
	wire_put64(trailer + 56, checksum(trailer, 56));
	fuzz_seal_header(data, len);
}

static void read_record(struct pack *pack, const struct pack_entry *entry)
{
	struct record record;
	uint8_t *stored = malloc(RECORD_HEADER_SIZE + (size_t)entry->stored_len);
	REQUIRE(stored);
	int r = pack_read_stored(pack, entry, stored);
	REQUIRE(r == 0 || r == -EBADMSG);
	free(stored);
	r = pack_read(pack, entry->offset, entry->stored_len, entry->kind, &entry->id, &record);
	REQUIRE(r == 0 || r == -EBADMSG || r == -ENOTSUP);
	if (r == 0)
		free(record.data);
}

static void use(struct pack *pack)
{
	struct pack_entry *entries = NULL;
	bool whole = pack_read_index(pack, &entries) == 0;
	for (uint32_t slot = 0; slot < pack_count(pack) && slot < 300; slot++) {
		struct pack_entry entry, found;
		int r = pack_entry_at(pack, slot, &entry);
		REQUIRE(r == 0 || (r == -EBADMSG && !whole));
		if (r < 0)
			continue;
		r = pack_find(pack, entry.kind, &entry.id, &found);
		REQUIRE(r == 0 || r == -EBADMSG || r == -ENOENT);
		REQUIRE(!whole || (r == 0 && memcmp(&found, &entry, sizeof(found)) == 0));
		read_record(pack, &entry);
		entry.id.bytes[31] ^= 1;
		r = pack_find(pack, entry.kind, &entry.id, &found);
		REQUIRE(r == 0 || r == -EBADMSG || r == -ENOENT);
	}
	free(entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1 + PACK_HEADER_SIZE)
		return 0;
	const uint8_t control = *data;
	uint8_t *copy = fuzz_copy(data + 1, --len);
	struct fuzz_file file = {.data = copy, .len = len};
	const struct io io = fuzz_file_io(&file);
	struct pack *pack;
	struct pack_id id;
	if (control & 1)
		seal(copy, len);
	memcpy(id.bytes, copy + 16, PACK_ID_SIZE);
	int r = pack_open(&io, -1, "pack", &id, &pack);
	REQUIRE(r == 0 || r == -EBADMSG);
	if (r == 0) {
		use(pack);
		pack_close(pack);
	}
	REQUIRE(file.open == 0);
	free(copy);
	return 0;
}
