/* A stored form; the first three bytes are the length it promises. */
#include <errno.h>
#include <string.h>

#include "cache/codec.h"
#include "fuzz/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 3)
		return 0;
	const size_t raw_len = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % (1 << 20) + 1;
	uint8_t *stored = fuzz_copy(data + 3, len -= 3);
	uint8_t *raw = malloc(raw_len);
	uint8_t *again = malloc(raw_len);
	uint8_t *out = malloc(codec_bound(raw_len));
	REQUIRE(raw && again && out);
	int r = codec_decode(CODEC_ZSTD, stored, len, raw, raw_len);
	REQUIRE(r == 0 || r == -EBADMSG);
	if (r == 0) {
		unsigned codec;
		ssize_t n = codec_encode(raw, raw_len, 1 + len % 3, out, &codec);
		REQUIRE(n > 0 && (size_t)n <= raw_len);
		REQUIRE(codec_decode(codec, codec == CODEC_RAW ? raw : out, (size_t)n, again, raw_len) == 0);
		REQUIRE(memcmp(raw, again, raw_len) == 0);
	}
	free(out);
	free(again);
	free(raw);
	free(stored);
	return 0;
}
