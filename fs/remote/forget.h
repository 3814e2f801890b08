/*
 * Which roots are needed by some commits and their history alone, and by nothing that is kept.
 *
 * What is kept is some other commits and what leads to them, as far as it is no history of the former.  Belongs to one
 * thread.
 */
#ifndef FS_FORGET_H
#define FS_FORGET_H

#include "cache/id.h"
#include "fs/git/repo.h"

struct forget {
	struct repo *repo;      /* borrowed */
	const struct oid *tips; /* to be forgotten, with their history; borrowed */
	size_t tips_count;
	const struct oid *kept; /* kept even where they are in that history; borrowed */
	size_t kept_count;
	char *blamed; /* where it failed: the path that cannot be read; malloc'ed, the caller frees it */
};

/*
 * Find them: *ROOTS (*COUNT, each once) is malloc'ed, the caller frees it.  Returns 0; -ENOTSUP where a pointer is of a
 * later version; what the repository said; -ENOMEM.
 */
int forget_find(struct forget *f, struct id **roots, size_t *count);

#endif
