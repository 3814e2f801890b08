/*
 * What a remote has confirmed: the commits whose data, with all their history's, it was seen to have.
 *
 * A small text file for each remote in the store's folder pushed/ (revfs-format(5)), good for one URL; replaced all at
 * once.  Losing it costs a longer push.  Belongs to one thread.
 */
#ifndef FS_PUSHED_H
#define FS_PUSHED_H

#include "cache/store.h"
#include "fs/git/oid_set.h"

struct pushed {
	struct oid_set commits;
};

#define PUSHED_COMMITS_MAX 1000 /* that are kept: the latest */

/* Read what the remote NAME at URL has confirmed; what is damaged, or of another URL, counts as nothing.  0, -ENOMEM.
 */
int pushed_read(struct store *store, const char *name, const char *url, struct pushed *pushed);

/* Free what it holds. */
void pushed_release(struct pushed *pushed);

/* Add the COUNT commits TIPS.  0 or -errno. */
int pushed_add(struct store *store, const char *name, const char *url, const struct oid *tips, size_t count);

#endif
