/*
 * Marks of what is alive: all pages and chunks below roots, each page read once.
 *
 * Pages are remembered by their whole ids; chunks by 8 bytes each, so that a dead one may, once in a very long while,
 * be taken for alive.  Nothing is checked but that pages read: what contradicts its parent is read all the same.
 * Belongs to one thread.  Zero-initialise but for the store and what to fetch with.
 */
#ifndef FS_MARK_H
#define FS_MARK_H

#include "cache/fetch.h"
#include "cache/id_set.h"
#include "cache/store.h"
#include "fs/page.h"

struct mark {
	struct store *store; /* borrowed */
	struct fetch *fetch; /* where pages come from that the store does not have; borrowed, may be NULL */
	bool lenient;        /* pass over what cannot be read, and what is below it */
	struct id_set pages;
	struct key_set chunks;
	struct mark_todo *todo; /* private */
	struct id failed;       /* where it failed: the page */
};

/*
 * Take in the page ID (HINT may be NULL; IS_ROOT: it has a root file) and everything below it.
 * Returns 0; unless lenient, -ENODATA for a page that is in no store, -EBADMSG, -ENOTSUP (also for an entry of a later
 * version), -errno, with FAILED set, after which the sets hold a part; -ENOMEM.
 */
int mark_page(struct mark *m, const struct id *id, const struct locator *hint, bool is_root);

/* Whether the record was taken in. */
bool mark_has(const struct mark *m, unsigned kind, const struct id *id);

/* Free what it holds. */
void mark_release(struct mark *m);

#endif
