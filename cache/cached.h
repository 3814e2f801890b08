/*
 * The cache: copies of records that came from remotes, in a folder that all repositories, mounts and commands of a user
 * share.
 *
 * The folder has the layout of a store (cache/store.h), but nothing in it is ever synced or needed: packs are segments
 * that go when there is too much, those used longest ago first.  Several processes use it at once, each writes packs of
 * its own.  Any file in it may be deleted, damaged or replaced at any time: what does not check is dropped, and was
 * never there.  A full, read-only or missing folder makes reads slower and nothing else.
 *
 * Thread-safe.  What is added is written by a thread of its own, in batches.
 */
#ifndef CACHE_CACHED_H
#define CACHE_CACHED_H

#include "cache/store.h"

struct cached;

#define CACHED_QUEUE_MAX ((size_t)64 << 20) /* bytes that wait to be written; what comes beyond is not kept */

struct cached_setup {
	const struct io *io;
	const char *path;
	uint64_t limit_bytes; /* of all packs together */
	uint64_t floor_bytes; /* of the disk that stay free */
};

/* Open the folder, made where it is missing (0700).  0 or -errno: then there is no cache. */
int cached_open(const struct cached_setup *setup, struct cached **cached);

/* Write what waits, and close.  NULL is ignored. */
void cached_close(struct cached *cached);

/*
 * Read a record, checked against its id.  Returns 0 (the caller frees record->data); -ENOENT for whatever else;
 * -ENOMEM.
 */
int cached_read(struct cached *cached, unsigned kind, const struct id *id, struct record *record);

/* Keep a record: the LEN bytes STORED, header and payload, which were checked against ID; copied.  May be dropped. */
void cached_add(struct cached *cached, unsigned kind, const struct id *id, const void *stored, size_t len);

struct cached_stats {
	uint64_t hits, misses;
	uint64_t added, dropped; /* records */
	uint64_t damaged;        /* copies that did not check */
	uint64_t evicted;        /* packs */
};

/* What this process saw so far. */
void cached_stats(struct cached *cached, struct cached_stats *stats);

/* Remove packs until there is no more than LIMIT_BYTES of them, those used longest ago first.  0 or -errno. */
int cached_trim(struct cached *cached, uint64_t limit_bytes);

/* Packs and bytes in the folder now.  0 or -errno. */
int cached_measure(struct cached *cached, struct store_size *size);

#endif
