/*
 * Adopting packs: copies of a remote's packs, byte for byte and under their ids, become packs of a store.
 *
 * A pack is copied into an unfinished file of the store, `tmp/<pack id>.adopt`, which whoever was interrupted leaves
 * behind and the next run goes on with.  It gets its final name once every record in it was checked against its id and
 * the disk has it.  Thread-safe; who adopts holds the store's lock, shared (cache/store.h).
 */
#ifndef CACHE_ADOPT_H
#define CACHE_ADOPT_H

#include "cache/cached.h"
#include "cache/remote_store.h"
#include "cache/store.h"

struct adopt {
	struct store *store;   /* borrowed */
	struct cached *cached; /* what is in it need not be read from the remote; borrowed, may be NULL */
	/* Told of bytes that were copied, by any thread; may be NULL. */
	void (*progress)(void *arg, uint64_t bytes);
	void *arg;
};

/*
 * Bring the pack ID from the store FROM; one that is there already is left as it is.  Returns 0; -ENOENT where the
 * remote does not have it; -EBADMSG where what it has is not that pack, or not all of it: nothing is kept then;
 * -ENOTSUP where a later version wrote it; -EINTR (cache/interrupt.h), errors of the remote and of the disk, after
 * which what came is gone on with.
 */
int adopt_pack(const struct adopt *adopt, struct remote_store *from, const struct pack_id *id);

#endif
