/*
 * Carrying what was changed in an attached dataset over to another revision.
 *
 * What one sees is merged with what the revision has, as git merges: what both changed, each in its own way, are
 * conflicts.  Without one, the same upper folder goes above the other base, and must give just that merge.  What hides
 * there what the revision changed, though it is itself as it was recorded last (a file that was opened for writing
 * only), is taken out of it.
 */
#ifndef TOOLS_ATTACH_REBASE_H
#define TOOLS_ATTACH_REBASE_H

#include "tools/attach/attaching.h"

struct attach_rebase {
	const struct attachment *attachment;
	struct attachment *now; /* the same on the new base: becomes what is attached */
	const char *name;       /* of its commit, in messages */
	bool is_mounted;
};

/*
 * Carry it over as far as its record and its upper folder, after which nothing is mounted, and all else is the
 * caller's; with *TAKEN nothing is mounted any more also where that failed.  Conflicts are printed, and nothing is
 * changed: EXIT_FOUND.  Prints its own errors; returns 0 or an exit status.
 */
int attach_rebase(struct attaching *a, const struct attach_rebase *request, bool *taken);

#endif
