/*
 * What a remote lacks of some roots: packs, in the order in which they must come, and the roots.
 *
 * Goes downwards from the roots, from page to page and pack to pack, and no further than to packs that the remote has:
 * whoever put one there put first what its pages name.  Records are told apart by where they lie, since two copies of a
 * page may say differently where its parts are.
 *
 * Packs never change: one whose size there is not what it is here was cut off there, and is put again.  One that is not
 * here, and ends before what pages say lies in it, is named.
 *
 * What a collection there has condemned counts as absent: a pack of ours goes again, as parts of it under a new name,
 * and what only is there cannot be relied on.  Belongs to one thread.
 */
#ifndef FS_PUSH_PLAN_H
#define FS_PUSH_PLAN_H

#include "cache/id_set.h"
#include "cache/remote_condemned.h"
#include "cache/remote_store.h"
#include "cache/store.h"
#include "fs/pointer.h"

enum push_how {
	PUSH_THERE, /* nothing is to be done */
	PUSH_WHOLE, /* the pack goes as it is: everything in it is reachable */
	PUSH_PART,  /* what is reachable goes into a new pack, and a moved file says where */
	PUSH_MOVED, /* it is gone, repacked or lost: where its records are is to be said */
};

struct push_pack {
	struct pack_id id;
	enum push_how how;
	bool condemned;          /* there: what is needed of it goes into a new pack */
	bool replaces;           /* of WHOLE: what has its name there is of another size, and no copy of it */
	uint64_t there_bytes;    /* of THERE: its size, UINT64_MAX where it is not that pack itself that is there */
	uint64_t bytes;          /* of WHOLE and PART, about */
	struct pack_entry *keep; /* of PART, by offset */
	size_t keep_count;
	struct moved_entry *moved; /* of PART what the remote's moved file says already, of MOVED what is known */
	size_t moved_count;
	bool is_said;   /* of MOVED: the remote says that already, but for what is to be said */
	bool *followed; /* of MOVED: which of these are needed, and are to be said there */
	size_t *below;  /* packs that must be there before it, by number */
	size_t below_count;
};

struct push_root {
	struct id id;
	void *file; /* its bytes; NULL: the remote has it */
	size_t len;
};

/* What is known of a pack there. */
struct push_asked {
	struct pack_id id;
	uint64_t bytes; /* 0: it is not there, or no copy of what is here */
	int error;      /* of asking; 1: not asked yet */
};

struct push_plan {
	struct store *store;                      /* borrowed; NULL: none */
	struct remote_store *to;                  /* borrowed */
	bool to_nothing;                          /* there is no store there yet: nothing is asked */
	const struct remote_condemned *condemned; /* there, as of the beginning; borrowed, may be NULL */
	/* What this other plan reached is there, in whatever packs: it is not followed.  Borrowed, exact; may be NULL.
	 */
	const struct push_plan *have;
	bool exact;              /* chunks are remembered by their whole ids, too */
	struct push_pack *packs; /* in the order in which they were met */
	size_t packs_count, packs_room;
	size_t *order; /* their numbers, as they must come */
	struct push_root *roots;
	size_t roots_count, roots_room;
	struct pack_id missing; /* with -ENODATA: a pack that is neither here nor there */
	bool has_missing;
	struct pack_id cut; /* with -ENODATA: a pack that ends there before what is needed of it, and is not here */
	bool has_cut;
	struct condemned needed; /* with -EBUSY: what is condemned, and is only there, or is a root */
	/* private */
	size_t *slots; /* a hash table of the packs: their numbers and 1, 0 for none */
	size_t slots_size;
	struct push_asked *asked; /* packs that moved files there lead to */
	size_t asked_count, asked_room;
	struct id_set present; /* packs there that are relied on beside those of the plan */
	struct id_set seen, pages, known_roots;
	struct key_set chunks;
	struct id_set exact_chunks;
	struct push_todo *todo;
};

/*
 * Take the root that POINTER names, and everything below it, into the plan (zeroed but for store and remote).
 * Returns 0; -ENODATA where something is neither here nor there; -EBUSY where it needs what is condemned; -EBADMSG,
 * -ENOTSUP of what is here; errors of the remote; -ENOMEM.
 */
int push_plan_root(struct push_plan *plan, const struct pointer *pointer);

/* Once all roots are in: decide of each pack how it goes, and the order.  Errors as above. */
int push_plan_finish(struct push_plan *plan);

/* Note that the pack ID was put there in place of others: the plan relies on it from now on.  0 or -ENOMEM. */
int push_plan_made(struct push_plan *plan, const struct pack_id *id);

/* Whether FRESH, what is condemned there by now, names something that the plan relies on and that was not before. */
bool push_plan_is_hit(const struct push_plan *plan, const struct remote_condemned *fresh);

/* What the moved file of PACK at the remote says: *ENTRIES malloc'ed, none where there is no file, or a damaged one,
 * which is to be written anew.  0, errors of the remote. */
int push_read_moved(struct remote_store *to, const struct pack_id *pack, struct moved_entry **entries, size_t *count);

/* Free what it holds. */
void push_plan_release(struct push_plan *plan);

#endif
