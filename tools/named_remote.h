/*
 * The one remote that a command was told to work on, by its name.
 */
#ifndef TOOLS_NAMED_REMOTE_H
#define TOOLS_NAMED_REMOTE_H

#include "tools/remotes.h"

struct named_remote {
	struct remotes_item *items; /* all remotes there are */
	size_t count;
	const struct remotes_item *item; /* this one */
	struct remote *remote;
	struct remote_store *store; /* that keeps nothing on this machine */
};

/* Open the remote NAME of REPO (borrowed), of which nothing is asked yet.  Prints its own errors; returns an exit
 * status.  named_remote_close() in any case. */
int named_remote_open(struct repo *repo, const char *name, struct named_remote *named);

/* Free; allowed on a zeroed one. */
void named_remote_close(struct named_remote *named);

/* See whether a store that this program knows is there.  Prints its own errors; returns an exit status. */
int named_remote_check(const struct named_remote *named);

/* Print that what was to be done ("collect garbage at") failed with ERROR; returns the exit status. */
int named_remote_fail(const struct named_remote *named, const char *what, int error);

#endif
