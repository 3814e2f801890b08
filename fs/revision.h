/*
 * Revision expressions: a ref name, a full or abbreviated commit id, HEAD, with any ~n and ^n behind it.
 *
 * The mount's names are the same with `%2F` for `/` and `%25` for `%`; the command line takes them as they are.
 */
#ifndef FS_REVISION_H
#define FS_REVISION_H

#include <stdbool.h>

#include "fs/git/repo.h"

struct revision {
	struct oid commit;
	bool fixed;     /* never moves: a tag or a full commit id, and nothing behind it */
	bool is_prefix; /* only from revision_resolve_mount(): no revision, but refs of names NAME/... exist */
};

/*
 * Resolve TEXT: a tag, a branch, a remote-tracking branch of exactly that name win in this order (`refs/...` names one
 * in full), then HEAD, then commit ids.  n is below 10,000. Returns 0; -ENOENT where nothing answers to it (or history
 * ends, or a clone is shallow there); -EEXIST where an abbreviated id is ambiguous; -errno.
 */
int revision_resolve(struct repo *repo, const char *text, struct revision *revision);

/* The same for a name below the mount's root, without its `@`: decodes %2F and %25 first; anything else with a percent
 * sign is taken as it is. */
int revision_resolve_mount(struct repo *repo, const char *name, struct revision *revision);

#endif
