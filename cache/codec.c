#include "cache/codec.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "cache/wire.h"

#define ENCODE_MAX (1u << 20)

/* A frame that asks for more than RFC 8878 recommends every decoder to have is refused (section 3.1.1.1.2). */
#define WINDOW_MAX (UINT64_C(8) << 20)
#define FRAME_DESCRIPTOR 4 /* its place behind the magic */
#define FRAME_SINGLE_SEGMENT 0x20

/*
 * What is long and does not shrink at all in a quick look at pieces of it is stored raw without a full trial.
 * Eight pieces of 1 KiB miss little (a saving of less than 1/64 is not worth the time to expand it on every read) and
 * cost a tenth of the trial.
 */
#define SAMPLE_PIECES 8
#define SAMPLE_PIECE 1024
#define SAMPLE_SIZE (SAMPLE_PIECES * SAMPLE_PIECE)
#define SAMPLE_FROM (4 * SAMPLE_SIZE) /* shorter inputs are tried whole */
#define SAMPLE_LEVEL 1

/*
 * Where next to nothing repeats (numbers that were measured, say) zstd saves by coding symbols alone, and its plainest
 * way of searching finds as much as a level's own, in two thirds of the time of level 3.  Both are tried now and then,
 * and the one that did better serves for what follows, as long as a quick look at it saves about as much.
 */
#define TRIAL_HOLDS 16
#define TRIAL_LIKE (SAMPLE_SIZE / 32) /* bytes by which looks may differ */

struct verdict {
	int level;
	size_t look; /* bytes that the quick look took */
	unsigned left;
	bool plain;
};

/* What a thread keeps from one call to the next; making these anew would cost more than a small record. */
struct contexts {
	ZSTD_CCtx *compress;
	ZSTD_CCtx *look; /* of their own: a context that changes its level clears its tables */
	ZSTD_CCtx *plain;
	ZSTD_DCtx *expand;
	struct verdict verdict;
	uint8_t *second; /* the other frame of a trial, ENCODE_MAX bytes at most */
	uint8_t sample[SAMPLE_SIZE];
	uint8_t trial[ZSTD_COMPRESSBOUND(SAMPLE_SIZE)];
};

static pthread_key_t contexts_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_contexts(void *arg)
{
	struct contexts *c = arg;
	ZSTD_freeCCtx(c->compress);
	ZSTD_freeCCtx(c->look);
	ZSTD_freeCCtx(c->plain);
	ZSTD_freeDCtx(c->expand);
	free(c->second);
	free(c);
}

static void prepare(void)
{
	if (pthread_key_create(&contexts_key, free_contexts) != 0)
		abort(); /* at most once in a process, at its start */
}

static struct contexts *thread_contexts(void)
{
	pthread_once(&once, prepare);
	struct contexts *c = pthread_getspecific(contexts_key);
	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (c && pthread_setspecific(contexts_key, c) != 0) {
		free(c);
		c = NULL;
	}
	return c;
}

static int zstd_error(size_t answer)
{
	return ZSTD_getErrorCode(answer) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
}

/*
 * One frame of LEN bytes, its content size stated; makes *CONTEXT where it is NULL.  STRATEGY: of zstd, or 0 for the
 * level's own.  Returns its length or -errno.
 */
static ssize_t compress_frame(ZSTD_CCtx **context, int level, int strategy, const void *data, size_t len, void *out,
                              size_t room)
{
	if (!*context)
		*context = ZSTD_createCCtx();
	if (!*context)
		return -ENOMEM;
	size_t r = ZSTD_CCtx_setParameter(*context, ZSTD_c_compressionLevel, level);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(*context, ZSTD_c_strategy, strategy);
	if (!ZSTD_isError(r))
		r = ZSTD_CCtx_setParameter(*context, ZSTD_c_contentSizeFlag, 1);
	if (!ZSTD_isError(r))
		r = ZSTD_compress2(*context, out, room, data, len);
	return ZSTD_isError(r) ? zstd_error(r) : (ssize_t)r;
}

/* The bytes that a quick look at LEN bytes takes, of SAMPLE_SIZE; or -errno. */
static ssize_t look_at(struct contexts *c, const uint8_t *data, size_t len)
{
	const size_t stride = (len - SAMPLE_PIECE) / (SAMPLE_PIECES - 1);
	for (size_t i = 0; i < SAMPLE_PIECES; i++)
		memcpy(c->sample + i * SAMPLE_PIECE, data + i * stride, SAMPLE_PIECE);
	return compress_frame(&c->look, SAMPLE_LEVEL, 0, c->sample, SAMPLE_SIZE, c->trial, sizeof(c->trial));
}

/* Compress both ways, keep the smaller frame in OUT, and remember which way that was. */
static ssize_t try_both(struct contexts *c, const void *data, size_t len, int level, size_t look, void *out)
{
	const size_t room = codec_bound(len);
	if (!c->second)
		c->second = malloc(codec_bound(ENCODE_MAX));
	if (!c->second)
		return -ENOMEM;
	ssize_t own = compress_frame(&c->compress, level, 0, data, len, out, room);
	if (own < 0)
		return own;
	ssize_t plain = compress_frame(&c->plain, level, ZSTD_fast, data, len, c->second, room);
	if (plain < 0)
		return plain;
	c->verdict = (struct verdict){.level = level, .look = look, .left = TRIAL_HOLDS, .plain = plain <= own};
	if (plain < own)
		memcpy(out, c->second, (size_t)plain);
	return plain < own ? plain : own;
}

static bool holds(const struct verdict *v, int level, size_t look)
{
	return v->left && v->level == level && look + TRIAL_LIKE >= v->look && look <= v->look + TRIAL_LIKE;
}

/* Compress LEN bytes, of which a look took LOOK, the way that did best lately. */
static ssize_t compress_best(struct contexts *c, const void *data, size_t len, int level, size_t look, void *out)
{
	struct verdict *v = &c->verdict;
	if (!holds(v, level, look))
		return try_both(c, data, len, level, look, out);
	v->left--;
	return compress_frame(v->plain ? &c->plain : &c->compress, level, v->plain ? ZSTD_fast : 0, data, len, out,
	                      codec_bound(len));
}

ssize_t codec_encode(const void *data, size_t len, int level, void *out, unsigned *codec)
{
	assert(len > 0 && len <= ENCODE_MAX && level >= CODEC_LEVEL_MIN && level <= CODEC_LEVEL_MAX);
	struct contexts *c = thread_contexts();
	if (!c)
		return -ENOMEM;
	const bool looked = level > SAMPLE_LEVEL && len >= SAMPLE_FROM;
	const ssize_t look = looked ? look_at(c, data, len) : 0;
	ssize_t n;
	if (look < 0)
		return look;
	if (!looked)
		n = compress_frame(&c->compress, level, 0, data, len, out, codec_bound(len));
	else if ((size_t)look < SAMPLE_SIZE - SAMPLE_SIZE / 64)
		n = compress_best(c, data, len, level, (size_t)look, out);
	else
		n = (ssize_t)len;
	if (n < 0)
		return n;
	*codec = (size_t)n < len ? CODEC_ZSTD : CODEC_RAW;
	return (size_t)n < len ? n : (ssize_t)len;
}

size_t codec_bound(size_t len)
{
	return ZSTD_compressBound(len);
}

static int decode_raw(const uint8_t *stored, size_t stored_len, uint8_t *raw, size_t raw_len)
{
	if (stored_len != raw_len)
		return -EBADMSG;
	memcpy(raw, stored, raw_len);
	return 0;
}

/* Whether STORED is one whole zstd frame, nothing before or behind, that states RAW_LEN and asks for a sane window. */
static bool is_one_frame(const uint8_t *stored, size_t stored_len, size_t raw_len)
{
	if (stored_len < FRAME_DESCRIPTOR + 2 || wire_get32(stored) != ZSTD_MAGICNUMBER)
		return false;
	if (!(stored[FRAME_DESCRIPTOR] & FRAME_SINGLE_SEGMENT)) {
		const uint8_t window = stored[FRAME_DESCRIPTOR + 1];
		const uint64_t base = UINT64_C(1) << (10 + (window >> 3));
		if (base + base / 8 * (window & 7) > WINDOW_MAX)
			return false;
	}
	/* The two answers for "unknown" and "error" are numbers no length reaches. */
	if (ZSTD_getFrameContentSize(stored, stored_len) != raw_len)
		return false;
	return ZSTD_findFrameCompressedSize(stored, stored_len) == stored_len;
}

static int decode_zstd(const uint8_t *stored, size_t stored_len, uint8_t *raw, size_t raw_len)
{
	if (!is_one_frame(stored, stored_len, raw_len))
		return -EBADMSG;
	struct contexts *c = thread_contexts();
	if (c && !c->expand)
		c->expand = ZSTD_createDCtx();
	if (!c || !c->expand)
		return -ENOMEM;
	size_t n = ZSTD_decompressDCtx(c->expand, raw, raw_len, stored, stored_len);
	if (ZSTD_isError(n))
		return zstd_error(n);
	return n == raw_len ? 0 : -EBADMSG;
}

/* A row a codec that this version knows. */
static const struct {
	const char *name;
	int (*decode)(const uint8_t *stored, size_t stored_len, uint8_t *raw, size_t raw_len);
} codecs[] = {
    [CODEC_RAW] = {"raw", decode_raw},
    [CODEC_ZSTD] = {"zstd", decode_zstd},
};

const char *codec_name(unsigned codec)
{
	return codec < sizeof(codecs) / sizeof(codecs[0]) ? codecs[codec].name : NULL;
}

int codec_decode(unsigned codec, const void *stored, size_t stored_len, void *raw, size_t raw_len)
{
	if (!codec_name(codec))
		return -ENOTSUP;
	return codecs[codec].decode(stored, stored_len, raw, raw_len);
}
