/*
 * Making a repository one that revfs is used in: the tracked file .revfs/config.
 */
#ifndef TOOLS_SETUP_H
#define TOOLS_SETUP_H

#include <stdbool.h>

#include "fs/git/worktree.h"

#define SETUP_PATH ".revfs/config" /* from the root of the work tree */

/*
 * Write .revfs/config, all comments, where it is missing; *MADE says whether.  Does not stage it.  The lock of the work
 * tree is held.  Prints its own errors.  Returns 0 or an exit status.
 */
int setup_write_config(const struct worktree *wt, bool *made);

/*
 * The same, taking the lock: for commands that write nothing else.  Refused where HEAD has it and the work tree does
 * not.
 */
int setup_config(struct repo *repo, bool *made);

/* Add .revfs/config to the index, also where a pattern ignores it.  Prints its own errors.  Returns an exit status. */
int setup_stage(const struct repo *repo);

/* Whether HEAD's commit has .revfs/config; not where that cannot be read. */
bool setup_is_committed(struct repo *repo);

#endif
