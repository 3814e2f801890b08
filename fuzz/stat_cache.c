/* A stat cache; the first byte says whether its checksums are made right, 16 more how it is walked. */
#include <errno.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/wire.h"
#include "fs/stat_cache.h"
#include "fuzz/support/fuzz.h"

#define STEPS 16
#define FILE_HEADER_SIZE 64
#define BLOCK_HEADER_SIZE 16

static void seal(uint8_t *data, size_t len)
{
	if (len < FILE_HEADER_SIZE)
		return;
	wire_put64(data + 16, len);
	fuzz_seal_header(data, len);
	for (size_t at = FILE_HEADER_SIZE; at + BLOCK_HEADER_SIZE <= len;) {
		size_t block_len = wire_get32(data + at);
		if (block_len > len - at - BLOCK_HEADER_SIZE)
			break;
		wire_put64(data + at + 8, checksum_two(data + at, 8, data + at + BLOCK_HEADER_SIZE, block_len));
		at += BLOCK_HEADER_SIZE + block_len;
	}
}

static void walk(struct stat_cache *cache, const uint8_t *steps)
{
	unsigned depth = 0;
	for (unsigned i = 0; i < STEPS; i++) {
		struct stat_cache_entry entry;
		char name[2] = {(char)('a' + steps[i] % 8), 'x'};
		size_t len = 1 + (steps[i] >> 3) % 2;
		switch (steps[i] >> 6) {
		case 0:
			stat_cache_enter(cache, name, len);
			depth++;
			break;
		case 1:
			if (depth > 0) {
				stat_cache_leave(cache);
				depth--;
			}
			break;
		case 2:
			stat_cache_differs(cache);
			break;
		default:
			if (stat_cache_find(cache, name, len, &entry) == 0)
				REQUIRE(entry.content.size == entry.stamp.size);
		}
	}
	for (; depth > 0; depth--)
		stat_cache_leave(cache);
	stat_cache_finish(cache);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1 + STEPS)
		return 0;
	const uint8_t control = *data;
	uint8_t *copy = fuzz_copy(data + 1 + STEPS, len -= 1 + STEPS);
	struct fuzz_file file = {.data = copy, .len = len};
	const struct io io = fuzz_file_io(&file);
	struct stat_cache *cache;
	struct id root;
	if (control & 1)
		seal(copy, len);
	int r = stat_cache_open(&io, -1, "cache", &cache, &root);
	REQUIRE(r == 0 || r == -ENOENT);
	if (r == 0) {
		walk(cache, data + 1);
		stat_cache_close(cache);
	}
	REQUIRE(file.open == 0);
	free(copy);
	return 0;
}
