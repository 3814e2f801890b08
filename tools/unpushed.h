/*
 * What is not known to be on a remote: commits of the work tree's history whose data only this repository may have.
 */
#ifndef TOOLS_UNPUSHED_H
#define TOOLS_UNPUSHED_H

#include <stdint.h>

#include "cache/store.h"
#include "fs/git/repo.h"
#include "tools/remotes.h"

/*
 * Count the commits of HEAD's history that changed a dataset and that the remote ITEM has not confirmed to a push from
 * here.  0; -ENOMEM; -EINTR; -EIO where git cannot tell.
 */
int unpushed_count(struct repo *repo, struct store *store, const struct remotes_item *item, uint64_t *count);

#endif
