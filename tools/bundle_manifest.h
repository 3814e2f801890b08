/*
 * The text in front of a bundle: the line `revfs-bundle 1`, then lines `wants COMMIT NAME` for the revisions that it
 * has, and `since COMMIT NAME` for those that it goes on from; commits in hex, names as they were typed.
 */
#ifndef TOOLS_BUNDLE_MANIFEST_H
#define TOOLS_BUNDLE_MANIFEST_H

#include "fs/git/oid.h"

struct bundle_revision {
	struct oid commit;
	char *name;
	bool is_since;
};

struct bundle_manifest {
	struct bundle_revision *revisions;
	size_t count;
};

/* Add a revision; the name is copied.  0 or -ENOMEM. */
int bundle_manifest_add(struct bundle_manifest *manifest, const char *name, const struct oid *commit, bool is_since);

/* The text, malloc'ed; NULL where there is no memory. */
char *bundle_manifest_format(const struct bundle_manifest *manifest);

/* Parse TEXT of LEN bytes into MANIFEST (zeroed).  0; -EBADMSG; -ENOTSUP for a later version; -ENOMEM. */
int bundle_manifest_parse(struct bundle_manifest *manifest, const char *text, size_t len);

/* Free what it holds. */
void bundle_manifest_release(struct bundle_manifest *manifest);

#endif
