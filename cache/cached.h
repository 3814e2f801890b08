/*
 * The cache: copies of what remotes hold, in a folder that all repositories, mounts and commands of a user share.
 *
 * A file for each pack that something was read from, of the pack's size, with holes where nothing was read yet; roots
 * beside them.  Packs never change and their names are random, so that a copy is good for every store that has the
 * pack.  Nothing in the folder is ever synced or needed, and nothing in it is believed: a record is checked against its
 * id each time.  Several processes use the folder at once.  Any file in it may be deleted, damaged or replaced at any
 * time.  A full, read-only or missing folder makes reads slower and nothing else.  Of too much, the packs used longest
 * ago go first, but for those that are pinned (cache/pins.h).
 *
 * A folder that its group may write to is shared by the users of the group: then all that is in it may be written to by
 * them.  Thread-safe.
 */
#ifndef CACHE_CACHED_H
#define CACHE_CACHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"
#include "cache/io.h"

struct cached;

struct cached_setup {
	const struct io *io;
	const char *path;
	uint64_t limit_bytes; /* of the disk that it may take */
	uint64_t floor_bytes; /* of the disk that stay free */
};

/* Open the folder, made where it is missing (0700).  0 or -errno: then there is no cache. */
int cached_open(const struct cached_setup *setup, struct cached **cached);

/* Make room, and close.  NULL is ignored. */
void cached_close(struct cached *cached);

/* Read LEN bytes at OFFSET of PACK, unchecked; holes are zeros.  0; -ENOENT for whatever else. */
int cached_read(struct cached *cached, const struct pack_id *pack, uint64_t offset, void *data, size_t len);

/* Keep LEN bytes at OFFSET of PACK.  Whether they are kept. */
bool cached_write(struct cached *cached, const struct pack_id *pack, uint64_t offset, const void *data, size_t len);

/* Call EACH for the parts of PACK that are there.  Tells more where the disk can't say what is a hole. */
void cached_each_part(struct cached *cached, const struct pack_id *pack,
                      void (*each)(void *arg, uint64_t begin, uint64_t end), void *arg);

/*
 * The root file of ID as the store named STORE (a hash of where it lies) has it.  *DATA is malloc'ed, the caller frees
 * it, unchecked.  0; -ENOENT for whatever else; -ENOMEM.
 */
int cached_read_root(struct cached *cached, uint64_t store, const struct id *id, void **data, size_t *len);

/* Keep it. */
void cached_write_root(struct cached *cached, uint64_t store, const struct id *id, const void *data, size_t len);

struct cached_stats {
	uint64_t hits, misses; /* reads of packs */
	uint64_t written;      /* bytes */
	uint64_t evicted;      /* files */
	uint64_t evicted_bytes;
	uint64_t failures; /* of writing */
};

/* What this process saw so far. */
void cached_stats(struct cached *cached, struct cached_stats *stats);

struct cached_size {
	uint64_t packs; /* of which something is there */
	uint64_t bytes; /* that all takes of the disk */
	uint64_t pins;
	uint64_t pinned_bytes; /* of those, what pins keep (cache/pins.h) */
};

/* What is in the folder now.  0 or -errno. */
int cached_measure(struct cached *cached, struct cached_size *size);

/* How many bytes of the disk it may take, as given to cached_open(). */
uint64_t cached_limit(const struct cached *cached);

/*
 * Whether it is known how many bytes of the disk all takes: *BYTES, as of a look CACHED_LOOK_S ago or somewhat longer,
 * and what this process changed since.  Waits for nothing: a thread looks, begun where it is time for another look.
 */
bool cached_known_bytes(struct cached *cached, uint64_t *bytes);

#define CACHED_LOOK_S 30

/* Remove files until they take no more than LIMIT_BYTES, those used longest ago first; what is pinned stays.  0 or
 * -errno. */
int cached_trim(struct cached *cached, uint64_t limit_bytes);

/* Remove everything, what is pinned as well; the pins stay.  0 or -errno. */
int cached_clear(struct cached *cached);

#endif
