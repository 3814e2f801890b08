/*
 * The remote that a push goes to: chosen, agreed to by the user, and opened.
 */
#ifndef TOOLS_PUSH_REMOTE_H
#define TOOLS_PUSH_REMOTE_H

#include "tools/remotes.h"

#define PUSH_REMOTE_MORE_SIZE (REMOTE_WHY_SIZE + 2)

struct push_remote {
	struct remotes_item *items; /* all remotes there are */
	size_t count;
	struct remotes_item *item; /* this one */
	struct remote *remote;
	struct remote_store *store; /* on it; nothing is asked of it yet */
};

/*
 * Open the remote NAME of REPO (borrowed) into *TO (zeroed), or the first there is where none has that name, or that is
 * NULL; *NAMED says which.  Where only the shared file names its URL the user must have said YES, or says so now,
 * unless it is a DRY run.  Prints its own errors; returns an exit status.  push_remote_close() in any case.
 */
int push_remote_open(struct repo *repo, const char *name, bool yes, bool dry, struct push_remote *to, bool *named);

/* Free; allowed on a zeroed one. */
void push_remote_close(struct push_remote *to);

/* What stands behind an error, where the remote said more: ": " and that, or nothing.  Returns TEXT. */
const char *push_remote_more(const struct push_remote *to, char text[PUSH_REMOTE_MORE_SIZE]);

/* Print that what was to be done ("use") to the remote failed with ERROR; returns the exit status. */
int push_remote_fail(const struct push_remote *to, const char *what, int error);

#endif
