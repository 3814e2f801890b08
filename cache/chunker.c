#include "cache/chunker.h"

#include <pthread.h>

#include "cache/id.h"
#include "cache/wire.h"

/*
 * Below CHUNK_AVERAGE a cut needs 18 zero bits, from there on 14: sizes gather around the average (section 3.3 of the
 * paper, "normalised chunking").  The highest bits depend on the last 64 bytes, and testing them is one comparison.
 */
#define HARD_LIMIT (UINT64_C(1) << (64 - 18))
#define EASY_LIMIT (UINT64_C(1) << (64 - 14))

static uint64_t gear[256];
static bool zeros_fill;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* How many bytes a hash depends on: what came before was shifted out. */
#define HASHED 64
/* Bytes of a lane, see below. */
#define LANE ((size_t)512)

/*
 * Roll on from *HASH over DATA[FROM] to DATA[TO - 1].  Returns the index behind which it fell below LIMIT, or TO.
 */
static inline size_t roll_one(const uint8_t *data, size_t from, size_t to, uint64_t limit, uint64_t *hash)
{
	uint64_t h = *hash;
	size_t i = from;
#pragma GCC unroll 8
	for (; i < to; i++) {
		h = (h << 1) + gear[data[i]];
		if (h < limit)
			break;
	}
	*hash = h;
	return i;
}

/*
 * The same, for every byte that is ever snapshotted.  Each step waits for the one before it, so two stretches behind
 * one another are gone through side by side: the hash with which the second begins follows from the last bytes of the
 * first.
 */
static size_t roll(const uint8_t *data, size_t from, size_t to, uint64_t limit, uint64_t *hash)
{
	uint64_t first = *hash;
	size_t i = from;
	while (to - i >= 2 * LANE) {
		const uint8_t *const a = data + i, *const b = a + LANE;
		uint64_t second = 0;
		size_t k = 0;
		for (size_t j = 0; j < HASHED; j++)
			second = (second << 1) + gear[(b - HASHED)[j]];
#pragma GCC unroll 8
		for (; k < LANE; k++) {
			first = (first << 1) + gear[a[k]];
			second = (second << 1) + gear[b[k]];
			if ((first < limit) | (second < limit))
				break;
		}
		if (k < LANE) {
			/* One of the first stretch comes before one of the second. */
			size_t at = first < limit ? i + k : roll_one(data, i + k + 1, i + LANE, limit, &first);
			if (at < i + LANE) {
				*hash = first;
				return at;
			}
			*hash = second;
			return i + LANE + k;
		}
		first = second;
		i += 2 * LANE;
	}
	*hash = first;
	return roll_one(data, i, to, limit, hash);
}

static size_t cut(const uint8_t *data, size_t len, bool last)
{
	if (len <= CHUNK_MIN)
		return last ? len : 0;
	const size_t end = len < CHUNK_MAX ? len : CHUNK_MAX;
	const size_t middle = end < CHUNK_AVERAGE ? end : CHUNK_AVERAGE;
	uint64_t h = 0;
	size_t i = roll(data, CHUNK_MIN, middle, HARD_LIMIT, &h);
	if (i < middle)
		return i + 1;
	i = roll(data, middle, end, EASY_LIMIT, &h);
	if (i < end)
		return i + 1;
	return last || end == CHUNK_MAX ? end : 0;
}

static void prepare(void)
{
	static uint8_t zeros[CHUNK_MAX];    /* not const: so it takes no room in the program */
	uint8_t seed[] = "revfs chunker 1"; /* the NUL byte makes room for the index */
	for (unsigned i = 0; i < 256; i++) {
		struct id hash;
		seed[sizeof(seed) - 1] = (uint8_t)i;
		id_of(seed, sizeof(seed), &hash);
		gear[i] = wire_get64(hash.bytes);
	}
	zeros_fill = cut(zeros, sizeof(zeros), false) == CHUNK_MAX;
}

size_t chunker_cut(const uint8_t *data, size_t len, bool last)
{
	pthread_once(&once, prepare);
	return cut(data, len, last);
}

bool chunker_zeros_fill(void)
{
	pthread_once(&once, prepare);
	return zeros_fill;
}

const uint64_t *chunker_gear(void)
{
	pthread_once(&once, prepare);
	return gear;
}
