/*
 * A remote that an argument names: by its name in the settings, by a URL, or by the path of a folder.
 *
 * A URL that the settings name comes with what else they say of it; another gets the user's credentials for its kind.
 */
#ifndef TOOLS_REMOTE_ARGUMENT_H
#define TOOLS_REMOTE_ARGUMENT_H

#include "cache/remote_store.h"
#include "tools/remotes.h"

struct remote_argument {
	struct remotes_item *items; /* all of the settings */
	size_t count;
	struct remotes_item own; /* of a URL that the settings do not name */
	const struct remotes_item *item;
	struct remote *remote;
	struct remote_store *store; /* on it; keeps nothing in the cache */
};

/* Open what TEXT names into *ARGUMENT (zeroed).  Prints its own errors; returns an exit status. */
int remote_argument_open(struct repo *repo, const char *text, struct remote_argument *argument);

/* Refuse one whose URL only the shared file names: nothing is brought where the user of this clone did not say so.
 * Prints; returns an exit status. */
int remote_argument_check_writing(const struct remote_argument *argument);

/* Print that WHAT ("list", "use") failed with ERROR, and what the remote said.  Returns the exit status. */
int remote_argument_fail(const struct remote_argument *argument, const char *what, int error);

/* Close; allowed on a zeroed one. */
void remote_argument_release(struct remote_argument *argument);

#endif
