/*
 * Repacking: the records of some packs that are to be kept go to new packs, and moved files say where.
 *
 * Records are copied as they are stored, in the order of the calls.  Nothing refers to the new packs before
 * repack_finish(), which makes packs first and moved files then durable; condemning the old packs is the caller's.
 * Belongs to one thread.
 */
#ifndef CACHE_REPACK_H
#define CACHE_REPACK_H

#include "cache/store.h"

struct repack;

struct repack_stats {
	uint64_t records; /* copied */
	uint64_t bytes;   /* of the new packs */
	uint64_t packs;   /* new ones */
};

/* For STORE (borrowed), whose lock the caller holds.  0 or -errno. */
int repack_open(struct store *store, struct repack **repack);

/*
 * Copy the COUNT records KEEP of the pack ID, which is to have a moved file.  Every record is read and checked against
 * its id. Returns 0; -EBADMSG, -ENOENT, -ENOTSUP, -EIO where it cannot be read: nothing of it counts then, and others
 * may follow; else the -errno of writing, after which only close is allowed.
 */
int repack_pack(struct repack *r, const struct pack_id *id, const struct pack_entry *keep, size_t count);

/* Note that the record at OLD_OFFSET of the pack last given is found at NOW already. */
int repack_note(struct repack *r, uint32_t old_offset, const struct locator *now);

/* Begin with the pack ID, which is to have a moved file and of which nothing can be copied.  0, -ENOMEM. */
int repack_lost_pack(struct repack *r, const struct pack_id *id);

/* Add the record (KIND, ID), which was checked, in place of the one at OLD_OFFSET of the pack last given.  0, or the
 * -errno of writing. */
int repack_put(struct repack *r, uint32_t old_offset, unsigned kind, const struct id *id, const struct record *record);

/* Whether the last failure was one of writing. */
bool repack_is_broken(const struct repack *r);

/* Finish the new packs, data before pages, then write the moved files.  0 or -errno. */
int repack_finish(struct repack *r, struct repack_stats *stats);

/* Free; what was not finished is dropped.  NULL is ignored. */
void repack_close(struct repack *r);

#endif
