/*
 * The hidden folder in which a new folder (or file) is built, beside where it will stand, so that it appears all at
 * once.
 *
 * DIR is built as `tree` in `.DIR.revfs-export`, which is locked meanwhile and has a file that says what is being
 * built. An interrupted run leaves it; the next one that builds the same thing, on a machine that has not been started
 * again since (so that what was written is still as it was written), goes on there; any other begins anew.
 *
 * All functions print their own errors.
 */
#ifndef TOOLS_STAGING_H
#define TOOLS_STAGING_H

#include <stdbool.h>

#define STAGING_TREE "tree"

struct staging {
	int parent;      /* descriptor of the folder that will hold it */
	char *dir;       /* as the user named it */
	char *name;      /* its name in PARENT */
	char *hidden;    /* the name of the hidden folder */
	int fd;          /* of the hidden folder; -1: not open */
	bool existed;    /* an empty folder stands at DIR */
	long long since; /* when the first run began, seconds since 1970 */
};

/*
 * Begin to build DIR, which must be new or, where MAY_EXIST, an empty folder; folders above it are made.  WHAT says
 * what is built, one line.  Returns 0 or an exit status; then nothing is left to close.
 */
int staging_open(const char *dir, bool may_exist, const char *what, struct staging *s);

/* Write everything to the disk, give `tree` its name, and remove the hidden folder.  Returns 0 or an exit status. */
int staging_publish(struct staging *s);

/* Close; what was not published stays for the next run. */
void staging_close(struct staging *s);

#endif
