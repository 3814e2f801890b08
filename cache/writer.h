/*
 * Adding records to a store: deduplication, one open pack of data and one of pages, durability.
 *
 * store_writer_known() may be called by any thread at any time; everything else by one thread.  Nothing is visible to
 * other processes before a pack is finished, and nothing may be promised to a user before store_writer_commit().
 */
#ifndef CACHE_WRITER_H
#define CACHE_WRITER_H

#include <stdint.h>

#include "cache/store.h"

struct store_writer;

struct store_writer_stats {
	uint64_t records;      /* added */
	uint64_t raw_bytes;    /* of those, expanded */
	uint64_t stored_bytes; /* of those, in packs (headers and index lines included) */
	uint64_t reused;       /* additions that found their record there */
};

/* Begin to write to STORE (borrowed).  Takes the store's lock, shared, until close.  0, -EBUSY, -errno. */
int store_writer_open(struct store *store, struct store_writer **writer);

/*
 * Begin a dry run: what is added is known from then on and counted, but nothing is written, and it cannot be read back.
 * STORE may be NULL: then nothing is there yet.  Takes no lock.  0, -ENOMEM.
 */
int store_writer_open_dry(struct store *store, struct store_writer **writer);

/* Whether (KIND, ID) needs no writing: it is in the store or was added before.  0 (*LOCATOR set), -ENOENT, -errno. */
int store_writer_known(struct store_writer *w, unsigned kind, const struct id *id, struct locator *locator);

/*
 * Add a record; where it is known already, nothing is written and *LOCATOR is where it lies.  HEADER gives kind, codec
 * and lengths.  A pack that has reached PACK_TARGET_SIZE is finished and a new one begun. Returns 0 or -errno (-ENOSPC,
 * -EDQUOT, -EFBIG, -EIO...): afterwards only close is allowed.
 */
int store_writer_add(struct store_writer *w, const struct id *id, const struct record_header *header,
                     const void *stored, struct locator *locator);

/* Compress RAW at LEVEL and add it: the one-call form, for pages. */
int store_writer_put(struct store_writer *w, unsigned kind, const struct id *id, const void *raw, uint32_t len,
                     uint32_t hashed_len, int level, struct locator *locator);

/* Read a record wherever it is, packs being written included. */
int store_writer_read(struct store_writer *w, unsigned kind, const struct id *id, const struct locator *hint,
                      struct record *record);

/* Finish both packs, data before pages, durably.  More may be added afterwards.  Returns 0 or -errno. */
int store_writer_commit(struct store_writer *w);

/* What was added since the opening. */
void store_writer_stats(const struct store_writer *w, struct store_writer_stats *stats);

/* End; what was not committed is dropped, except finished packs, which a later run reuses.  NULL is ignored. */
void store_writer_close(struct store_writer *w);

#endif
