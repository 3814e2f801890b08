#include "cache/checksum.h"

/* For the size of the state of the streaming interface, so that it can lie on the stack. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

uint64_t checksum(const void *data, size_t len)
{
	return XXH3_64bits(data, len);
}

uint64_t checksum_two(const void *a, size_t a_len, const void *b, size_t b_len)
{
	XXH3_state_t state;
	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, a, a_len);
	XXH3_64bits_update(&state, b, b_len);
	return XXH3_64bits_digest(&state);
}
