/* A moved file; the first byte says whether its checksums are made right. */
#include <errno.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/header.h"
#include "cache/moved.h"
#include "cache/wire.h"
#include "fuzz/support/fuzz.h"

static void seal(uint8_t *data, size_t len)
{
	fuzz_seal_header(data, len);
	if (len >= HEADER_SIZE + 8)
		wire_put64(data + len - 8, checksum(data + HEADER_SIZE, len - HEADER_SIZE - 8));
}

static void use(const struct moved *moved, const struct pack_id *pack, const uint8_t *data, size_t len)
{
	struct moved_entry *entries;
	struct locator now;
	size_t count;
	int r = moved_find(moved, wire_get32(data + 12), &now);
	REQUIRE(r == 0 || r == -ENOENT || r == -EBADMSG);
	r = moved_read(moved, &entries, &count);
	REQUIRE(r == 0 || r == -EBADMSG);
	if (r < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		REQUIRE(moved_find(moved, entries[i].old_offset, &now) == 0);
		REQUIRE(memcmp(&now, &entries[i].now, sizeof(now)) == 0);
	}
	struct buffer out = {0};
	REQUIRE(moved_encode(pack, entries, count, &out) == 0);
	REQUIRE(out.len == len && memcmp(out.data + HEADER_SIZE, data + HEADER_SIZE, len - HEADER_SIZE) == 0);
	buffer_release(&out);
	free(entries);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1 + HEADER_SIZE)
		return 0;
	const uint8_t control = *data;
	uint8_t *copy = fuzz_copy(data + 1, --len);
	struct fuzz_file file = {.data = copy, .len = len};
	const struct io io = fuzz_file_io(&file);
	struct moved *moved;
	struct pack_id id;
	if (control & 1)
		seal(copy, len);
	memcpy(id.bytes, copy + 16, PACK_ID_SIZE);
	int r = moved_open(&io, -1, "moved", &id, &moved);
	REQUIRE(r == 0 || r == -EBADMSG);
	if (r == 0) {
		use(moved, &id, copy, len);
		moved_close(moved);
	}
	REQUIRE(file.open == 0);
	free(copy);
	return 0;
}
