#include "tests/support/damage.h"

#include <stdlib.h>
#include <string.h>

static void try_copy(const uint8_t *data, size_t len, size_t copied, size_t at, uint8_t byte,
                     void (*try)(void *arg, const uint8_t *data, size_t len), void *arg)
{
	uint8_t *copy = calloc(1, len ? len : 1);
	if (!copy)
		abort();
	if (copied)
		memcpy(copy, data, copied);
	if (at < len)
		copy[at] = byte;
	try(arg, copy, len);
	free(copy);
}

void damage_each(const uint8_t *data, size_t len, void (*try)(void *arg, const uint8_t *data, size_t len), void *arg)
{
	static const uint8_t others[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	for (size_t i = 0; i < len; i++)
		try_copy(data, i, i, SIZE_MAX, 0, try, arg);
	for (size_t extra = 1; extra <= 9; extra += 4)
		try_copy(data, len + extra, len, SIZE_MAX, 0, try, arg);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 0; bit < 8; bit++)
			try_copy(data, len, len, i, (uint8_t)(data[i] ^ 1u << bit), try, arg);
		for (size_t k = 0; k < sizeof(others); k++)
			if (data[i] != others[k])
				try_copy(data, len, len, i, others[k], try, arg);
	}
}

/* splitmix64, of public domain constants. */
void damage_noise(uint64_t seed, uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));
		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		data[i] = (uint8_t)(z ^ z >> 31);
	}
}
