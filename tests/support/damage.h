/*
 * Damage for decoders: every truncation, every flipped bit, every overwritten byte and a few bytes too many of an
 * example.
 */
#ifndef TESTS_SUPPORT_DAMAGE_H
#define TESTS_SUPPORT_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Call TRY with each damaged form of the LEN bytes at DATA, in a block of exactly its length, so that a sanitizer sees
 * a read behind its end.
 */
void damage_each(const uint8_t *data, size_t len, void (*try)(void *arg, const uint8_t *data, size_t len), void *arg);

/* Reproducible bytes that do not compress: the same for the same SEED everywhere. */
void damage_noise(uint64_t seed, uint8_t *data, size_t len);

#endif
