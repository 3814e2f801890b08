/*
 * Git's part of a bundle: `git bundle` writes it, `git fetch` takes it in.
 */
#ifndef TOOLS_BUNDLE_GIT_H
#define TOOLS_BUNDLE_GIT_H

#include "tools/bundle_manifest.h"
#include "tools/session.h"

/* Where those refs of a bundle go. */
#define BUNDLE_GIT_REFS "refs/bundles/"

/*
 * Write the commits of the revisions in MANIFEST, each of which must be a branch, a tag or HEAD on a branch, to a file
 * in the store's tmp/.  *FILE: its path, malloc'ed, also after a failure; NULL: none.  Prints its own errors; returns
 * an exit status.
 */
int bundle_git_create(struct session *s, const struct bundle_manifest *manifest, char **file);

/* Fetch the commits and refs in FILE; its refs are put below refs/bundles/NAME/.  The same. */
int bundle_git_fetch(struct session *s, const char *file, const char *name);

/* A name for the refs of the bundle at PATH: that of the file without its last suffix, as far as refs allow.
 * malloc'ed. */
char *bundle_git_name(const char *path);

#endif
