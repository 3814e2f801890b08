/*
 * What the store lacks of parts of datasets, and in which packs of remotes that is.
 *
 * Goes downwards from roots, from page to page.  A page that is here is read here; one that is not comes from the
 * remotes, since what it names must be known.  A record counts as here where a pack of the store has it, wherever the
 * page that names it says that it lies.  Belongs to one thread.
 */
#ifndef FS_LACK_H
#define FS_LACK_H

#include "cache/fetch.h"
#include "cache/id_set.h"
#include "cache/store.h"
#include "fs/page.h"
#include "fs/pointer.h"

#define LACK_STORES_MAX 64 /* remotes that are asked, the first in their order */

/* A pack that has something of what is lacking; or, gone from all remotes, what they say of where it went. */
struct lack_pack {
	struct pack_id id;
	uint64_t bytes;        /* of all of it */
	uint64_t wanted_bytes; /* of what is lacking in it */
	uint64_t stores;       /* which of the remotes have it: a bit each */
	bool pages;            /* pages are lacking, and not chunks alone */
	struct moved_entry *moved;
	size_t moved_count;
	int error; /* why nobody knows where it is, else 0 */
};

/* What is asked for: a dataset, or what stands at a path in it. */
struct lack_part {
	struct pointer pointer;
	const char *path;     /* below the dataset, borrowed; "": all */
	struct record record; /* of the root's page, once it was read; data is NULL before */
	bool has_root;        /* the store has the root file */
};

struct lack {
	struct store *store;                /* borrowed; NULL: nothing is here */
	struct fetch *fetch;                /* borrowed; NULL: only look whether all is here */
	struct remote_store *const *stores; /* those that FETCH reads from, borrowed */
	size_t stores_count;
	struct lack_pack *packs; /* in the order in which they were met */
	size_t packs_count, packs_room;
	/* private */
	size_t *slots; /* a hash table of the packs: their numbers and 1, 0 for none */
	size_t slots_size;
	struct id_set pages;
	struct key_set chunks;
	struct lack_todo *todo;
};

/*
 * Take PART into LACK (zeroed but for the store and where to look).  What cannot be found is passed over: the rest is
 * taken in all the same.  Returns 0, or the first error: -ENODATA where something is neither here nor there, or with no
 * FETCH not here; -ENOENT where nothing stands at the path; -EBADMSG, -ENOTSUP; -EINTR; errors of the remotes; -ENOMEM.
 */
int lack_take(struct lack *lack, struct lack_part *part);

/* Free what it holds; the parts are the caller's. */
void lack_release(struct lack *lack);

/* Free what PART holds. */
void lack_part_release(struct lack_part *part);

#endif
