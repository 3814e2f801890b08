/*
 * The hook that pushes data before Git pushes commits, at its user's wish.
 */
#ifndef TOOLS_HOOK_H
#define TOOLS_HOOK_H

#include <stdbool.h>

#include "fs/git/repo.h"

/* Put the hook where Git looks for it.  *CHANGED: it was not there.  *PATH (malloc'ed) is where.  Prints its own
 * errors; returns an exit status. */
int hook_install(struct repo *repo, char **path, bool *changed);

/* Take it away; a hook that is not ours stays.  The same. */
int hook_remove(struct repo *repo, char **path, bool *changed);

#endif
