/*
 * Bringing the store what it lacks (fs/remote/lack.h): whole packs of remotes, and roots.
 *
 * A pack of which little is wanted comes whole as well: it keeps its id, so that no page that names it is rewritten.
 * Packs of chunks come before those of pages, then what says where packs went, and roots only by bring_root().  Who is
 * killed in the middle leaves whole packs, and unfinished ones that the next run goes on with.
 */
#ifndef FS_BRING_H
#define FS_BRING_H

#include "cache/cached.h"
#include "fs/remote/lack.h"

#define BRING_THREADS 4

struct bring_request {
	const struct lack *lack;
	struct cached *cached; /* what is in it need not come again; borrowed, may be NULL */
	/* Told of bytes that came, by any thread. */
	void (*progress)(void *arg, uint64_t packs, uint64_t bytes);
	/* Told, by one thread at a time, of a pack that the remote NAME did not give; LAST: nobody did. */
	void (*failed)(void *arg, const struct pack_id *pack, const char *name, int error, bool last);
	void *arg;
};

struct bring_result {
	uint64_t packs;
	uint64_t bytes; /* of these packs */
	uint64_t failed;
	int first; /* the error of the first that failed, else 0 */
};

/*
 * Bring the packs, and write the moved files of those that went.  Packs that nobody gives are told and counted, the
 * others come.  Returns 0; what ends everything: -EINTR, -ENOSPC, -EROFS and other errors of the disk, -ENOMEM.
 */
int bring_packs(const struct bring_request *request, struct bring_result *result);

/*
 * Write the root of PART, all of which the store has now.  One that was there counts as written now, so that garbage
 * collection spares for a while what nothing else keeps.  0 or -errno.
 */
int bring_root(struct store *store, const struct lack_part *part);

#endif
