/*
 * The pointer files of many commits: each Git tree and each pointer file is read once, however many commits share it.
 *
 * Belongs to one thread.  Zero-initialise but for the repository.
 */
#ifndef FS_HISTORY_H
#define FS_HISTORY_H

#include "fs/git/oid_set.h"
#include "fs/git/repo.h"
#include "fs/pointer.h"

struct history {
	struct repo *repo; /* borrowed */
	struct oid_set trees;
	struct oid_set blobs;
};

/*
 * Told of a pointer file not met before, by the path of its dataset (without the suffix) from the root of the tree; or,
 * with POINTER NULL, of the tree or file OID at PATH that cannot be read: ERROR is -ENOTSUP for a pointer of a later
 * version, else what the repository said.  Answers 0 to go on.
 */
typedef int (*history_each)(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer,
                            int error);

/* Go through TREE as far as it was not met before.  0, EACH's answer, or -ENOMEM. */
int history_walk(struct history *h, const struct oid *tree, history_each each, void *arg);

/* The same for one file that PATH.revfs is in an index. */
int history_file(struct history *h, const char *path, const struct oid *oid, history_each each, void *arg);

/* Free what it remembers. */
void history_release(struct history *h);

#endif
