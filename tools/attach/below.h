/*
 * The mount below attached datasets: all of the repository, as `revfs mount` shows it, at revfs/attached/mount of the
 * common Git directory.
 *
 * All overlays of the repository's worktrees lie above this one, so that they share what is read.  Whoever calls holds
 * the lock of attachments.
 */
#ifndef TOOLS_BELOW_H
#define TOOLS_BELOW_H

#include <stdbool.h>

#include "fs/attachment.h"
#include "fs/git/repo.h"

struct below {
	char *mountpoint; /* absolute, without links */
	unsigned minor;   /* of its st_dev: of this mount and no other, while anything uses it */
};

/*
 * Take over the mount of REPO, or start it.  Prints its own errors; returns 0 or an exit status.  below_release()
 * frees.
 */
int below_start(const struct repo *repo, struct below *below);
void below_release(struct below *below); /* allowed on a zeroed one */

/* The path of the dataset of ATTACHMENT in the mount, malloc'ed. */
char *below_path(const struct below *below, const struct attachment *attachment);

/* The minor number of the mount of REPO, which stands, served or not; or 0. */
unsigned below_minor(const struct repo *repo);

/* End the mount, which nothing is above any more, and wait for its process.  Warns where that does not succeed. */
void below_end(const struct repo *repo);

#endif
