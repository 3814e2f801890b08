/*
 * What has Git merge pointer files, and show them, by what they name: settings in the clone's config and a line in its
 * info/attributes, at its user's wish.
 */
#ifndef TOOLS_DRIVERS_H
#define TOOLS_DRIVERS_H

#include <stdbool.h>

#include "fs/git/repo.h"

/* Set them.  *CHANGED: something was not there.  *PATH (malloc'ed) is that of info/attributes.  A setting of that name
 * with another value is refused.  Prints its own errors; returns an exit status. */
int drivers_install(struct repo *repo, char **path, bool *changed);

/* Take them away; a setting with another value stays.  The same. */
int drivers_remove(struct repo *repo, char **path, bool *changed);

#endif
