/*
 * XXH3-64 with seed 0 (xxHash 0.8): guards against accidents and hashes tables; never an identity.
 *
 * Thread-safe.
 */
#ifndef CACHE_CHECKSUM_H
#define CACHE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of LEN bytes. */
uint64_t checksum(const void *data, size_t len);

/* The checksum of two pieces as if they lay behind one another. */
uint64_t checksum_two(const void *a, size_t a_len, const void *b, size_t b_len);

#endif
