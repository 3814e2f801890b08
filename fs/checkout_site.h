/*
 * The site of a checkout: a dataset's folder in the work tree, one path after the other, in the order of a walk.
 *
 * Looks at what stands at a path, decides by what is known, and writes, removes or leaves it.  Files are written by
 * other threads (fs/materialise.h); everything else is done by the one that owns the site.
 */
#ifndef FS_CHECKOUT_SITE_H
#define FS_CHECKOUT_SITE_H

#include "fs/checkout.h"

struct checkout_site;

/* The base, and unfinished checkouts. */
#define SITE_OTHERS_MAX (INSTEP_BEFORE_MAX + 2)

/* What is known of a path: NULL is nothing. */
struct site_states {
	const struct entry *wanted;                  /* what shall stand there */
	const struct entry *own;                     /* what may be replaced */
	const struct entry *others[SITE_OTHERS_MAX]; /* what may be replaced, too */
	size_t others_count;
	bool cached;               /* the stat cache tells of OWN */
	bool keep_others;          /* what is neither is the user's, and no conflict */
	bool replaced;             /* nothing is wanted now, but something of another kind is told next: */
	const struct entry *later; /* this; NULL where it is not looked at */
	bool blocked;              /* what may be replaced has no directory above it: that is taken later */
};

/*
 * FRESH: nothing stands there yet.  BASE: the root of the stat cache that may be used, NULL for none.  REQUEST and
 * RESULT are borrowed.
 */
int site_open(const struct checkout_request *request, struct checkout_result *result, bool fresh, const struct id *base,
              struct checkout_site **site);
void site_close(struct checkout_site *site); /* NULL is ignored */

/*
 * Bring PATH to what is wanted.  Paths come in the order of a walk, what is gone from a path before what is new there.
 * Returns 0; 1 where a directory cannot be or need not be looked into; -errno for what ends everything.
 */
int site_take(struct checkout_site *site, const char *path, const struct site_states *states);

/* PATH is not ENTRY, though it was: write it where nothing stands there, and with force in any case. */
int site_restore(struct checkout_site *site, const char *path, const struct entry *entry);

/* Remove directories that are left behind empty. */
int site_settle(struct checkout_site *site);

/*
 * Wait for all writing.  Where the checkout is whole so far and TARGET is not NULL, write the stat cache of the new
 * state, from the old one (of the tree BASE; NULL: none) and what was written.
 */
int site_finish(struct checkout_site *site, const struct directory *base, const struct directory *target);

#endif
