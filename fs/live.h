/*
 * What is alive: every root that something in this repository may still need.
 *
 * That is what the commits name that refs, reflogs, stashes and the HEADs of all worktrees lead to; what the indexes of
 * all worktrees hold, and the pointer files that lie in them; what files there were last in step with; what attached
 * datasets lie above, and what was recorded of them; and what running mounts have registered.
 */
#ifndef FS_LIVE_H
#define FS_LIVE_H

#include "cache/store.h"
#include "fs/git/repo.h"

/* Told of a root, and where it was met first ("the dataset 'data/x' of the commit 1234..."), borrowed.  0 to go on. */
typedef int (*live_each)(void *arg, const struct id *root, const char *where);

/*
 * Call EACH for every live root; one may be told several times.  What cannot be read, or is of a later version, ends
 * it: *BLAMED (malloc'ed) then says what, for people, and is NULL where EACH ended it.  AGE_S is that of
 * registration_each(). Returns 0, EACH's answer, -EBADMSG, -ENOTSUP, -ENOMEM, -errno.
 */
int live_each_root(struct repo *repo, struct store *store, unsigned age_s, live_each each, void *arg, char **blamed);

#endif
