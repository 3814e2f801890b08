/*
 * Codecs: how the bytes of one record are stored.  One table, a row a codec; the numbers are part of the format.
 *
 * Thread-safe: compression and decompression contexts belong to the thread and are freed at its end.
 */
#ifndef CACHE_CODEC_H
#define CACHE_CODEC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum codec {
	CODEC_RAW = 0,
	CODEC_ZSTD = 1,
	CODEC_ZSTD_DICTIONARY = 2, /* reserved */
	CODEC_SHUFFLE_ZSTD = 3,    /* reserved */
};

#define CODEC_LEVEL_DEFAULT 3
#define CODEC_LEVEL_MIN 1
#define CODEC_LEVEL_MAX 19

/* The codec's name for people ("raw", "zstd"), or NULL where this version does not know it. */
const char *codec_name(unsigned codec);

/*
 * Compress LEN bytes (1 to 1 MiB) at LEVEL with the codec that makes them smallest; what does not shrink stays raw.
 * OUT must have room for codec_bound(LEN).  Sets *CODEC; for CODEC_RAW nothing is written to OUT and the caller stores
 * DATA itself.  Returns the stored length, or -ENOMEM.
 */
ssize_t codec_encode(const void *data, size_t len, int level, void *out, unsigned *codec);

/* The room codec_encode() needs for LEN bytes. */
size_t codec_bound(size_t len);

/*
 * Expand STORED_LEN bytes to exactly RAW_LEN at RAW.  Returns 0; -EBADMSG where they are not exactly one frame of that
 * length, -ENOTSUP for a codec this version does not know, -ENOMEM.
 */
int codec_decode(unsigned codec, const void *stored, size_t stored_len, void *raw, size_t raw_len);

#endif
