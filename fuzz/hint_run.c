/* A look-up file; the first byte says whether its checksums are made right. */
#include <errno.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/hint_run.h"
#include "cache/wire.h"
#include "fuzz/support/fuzz.h"

static void seal(uint8_t *data, size_t len)
{
	if (len < HINT_HEADER_SIZE)
		return;
	const unsigned fan_bits = wire_get32(data + 24) % (HINT_FAN_BITS_MAX + 1);
	const uint64_t packs_len = (uint64_t)wire_get32(data + 12) * PACK_ID_SIZE;
	const uint64_t fan_at = HINT_HEADER_SIZE + packs_len;
	const uint64_t entries_at = fan_at + ((uint64_t)HINT_FAN_SIZE << fan_bits);
	if (entries_at <= len) {
		uint64_t begin = 0;
		for (uint64_t line = fan_at; line < entries_at; line += HINT_FAN_SIZE) {
			uint64_t end = wire_get32(data + line);
			if (end >= begin && entries_at + end * HINT_ENTRY_SIZE <= len)
				wire_put32(data + line + 4,
				           (uint32_t)checksum(data + entries_at + begin * HINT_ENTRY_SIZE,
				                              (end - begin) * HINT_ENTRY_SIZE));
			begin = end;
		}
		wire_put64(data + 48, checksum(data + HINT_HEADER_SIZE, entries_at - HINT_HEADER_SIZE));
	}
	fuzz_seal_header(data, len);
}

static int count_candidate(void *arg, const struct pack_id *pack, uint32_t slot)
{
	unsigned *count = arg;
	(void)pack, (void)slot;
	++*count;
	return -ENOENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1)
		return 0;
	const uint8_t control = *data;
	uint8_t *copy = fuzz_copy(data + 1, --len);
	struct fuzz_file file = {.data = copy, .len = len};
	const struct io io = fuzz_file_io(&file);
	struct hint_run *run;
	if (control & 1)
		seal(copy, len);
	int r = hint_run_open(&io, -1, "00112233445566778899aabbccddeeff", &run);
	REQUIRE(r == 0 || r == -EBADMSG || r == -ENOTSUP);
	for (size_t at = 0; r == 0 && at + 8 <= len && at < 2048; at += 16) {
		struct id id = {{0}};
		unsigned count = 0;
		memcpy(id.bytes, copy + len - 8 - at, 8);
		int found = hint_run_find(run, &id, count_candidate, &count);
		REQUIRE(found == -ENOENT || found == -ESTALE);
	}
	if (r == 0)
		hint_run_unref(run);
	REQUIRE(file.open == 0);
	free(copy);
	return 0;
}
