/*
 * Look-up files: which pack of the local store holds a record.  Derived and disposable: rebuilt from the pack indexes.
 *
 * A set of sorted, immutable files under hints/, merged when they become many, read with pread: opening costs the same
 * at ten thousand records and at ten million.  An entry names a pack and a line of its index; it is a hint, so the
 * caller confirms it there.  What does not check is dropped and built again.
 *
 * Thread-safe for look-ups; hint_add() and hint_write() by one thread at a time.
 */
#ifndef CACHE_HINT_H
#define CACHE_HINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"
#include "cache/io.h"
#include "cache/pack.h"

struct hint;

/* Open what hints/ below DIRFD (borrowed) holds; an absent or damaged file counts as empty.  0, -ENOMEM or -errno. */
int hint_open(const struct io *io, int dirfd, struct hint **hint);

/* Free; what was not written is lost.  NULL is ignored. */
void hint_close(struct hint *hint);

/* Whether the records of PACK are covered. */
bool hint_covers(struct hint *hint, const struct pack_id *pack);

/*
 * Call EACH with every candidate for ID (the same 8 first bytes), of any kind, until it answers other than -ENOENT;
 * that answer is returned.  -ENOENT where there is none; -ESTALE where a file turned out damaged and was dropped: the
 * packs it covered are not covered any more.
 */
int hint_find(struct hint *hint, const struct id *id, int (*each)(void *arg, const struct pack_id *pack, uint32_t slot),
              void *arg);

/* Cover a pack whose index is ENTRIES (in index order).  Kept in memory until hint_write().  0 or -ENOMEM. */
int hint_add(struct hint *hint, const struct pack_id *pack, const struct pack_entry *entries, size_t count);

/*
 * Write what was added as a new file and merge files so that there are at most about log2(records) of them; packs that
 * KEEP refuses are left out of what is written.  Failure (a full disk, a read-only store) loses nothing but time.
 * Returns 0 (also where there is nothing to do) or -errno.
 */
int hint_write(struct hint *hint, bool (*keep)(void *arg, const struct pack_id *pack), void *arg);

/* Cover nothing any more; the files are removed by the next hint_write().  0 or -ENOMEM. */
int hint_forget(struct hint *hint);

struct hint_size {
	size_t files;
	uint64_t records; /* in files */
	uint64_t pending; /* records in memory, not yet written */
	size_t pending_packs;
};

/* How much is covered, in files and in memory. */
void hint_measure(struct hint *hint, struct hint_size *size);

#endif
