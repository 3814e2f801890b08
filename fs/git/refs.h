/*
 * The names below the mount's root: refs as they are listed there, without the `@`.
 *
 * A list is a picture of one moment, at most REFS_AGE_MS old when it is pinned; it is read from the repository only
 * when its refs may have changed.  Tags, then branches, then remote-tracking branches win a name that several have;
 * HEAD stands beside them where it leads to a commit.  Tags that lead to no commit are left out, and what no directory
 * can hold: names of more than 255 bytes between two slashes.
 *
 * Thread-safe.  No lock is held while Git is read.
 */
#ifndef FS_REFS_H
#define FS_REFS_H

#include <time.h>

#include "fs/git/repo.h"

#define REFS_AGE_MS 100
#define REFS_NAME_MAX 1024 /* bytes; longer names of refs are not listed */

struct refs;

/* One name directly below a folder of refs. */
struct refs_item {
	char *name; /* as the mount shows it: `%2F` and `%25` of a ref's own name are written `%252F` and `%2525` */
	uint64_t cookie; /* the same for a name for ever; 3 to 2^62 */
	enum { REFS_FOLDER, REFS_FIXED, REFS_MOVING } type;
};

struct refs_items {
	size_t count;
	struct refs_item *items; /* by cookie */
};

/* Refs of REPO (borrowed).  0 or -ENOMEM. */
int refs_open(struct repo *repo, struct refs **refs);

/* Free.  NULL is ignored. */
void refs_close(struct refs *refs);

/*
 * What stands below PREFIX ("" or "feature/", as in the mount: decoded here), with cookies above AFTER.  *CHANGED is
 * when the names last changed; it moves with every change.  Returns 0 or -errno; refs_items_release() frees.
 */
int refs_items(struct refs *refs, const char *prefix, uint64_t after, struct refs_items *items,
               struct timespec *changed);

/* Free what refs_items() gave; allowed on zeroed ones. */
void refs_items_release(struct refs_items *items);

/* Only when the names last changed. */
int refs_changed(struct refs *refs, struct timespec *changed);

/* Decode `%2F` and `%25` of TEXT into OUT, of strlen(TEXT) + 1 bytes. */
void refs_decode(const char *text, char *out);

#endif
