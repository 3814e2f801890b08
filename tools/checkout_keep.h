/*
 * What `revfs checkout -f` would destroy: stored before, under a root of its own, from which it can be brought back.
 */
#ifndef TOOLS_CHECKOUT_KEEP_H
#define TOOLS_CHECKOUT_KEEP_H

#include <stdio.h>

#include "cache/id.h"
#include "fs/git/worktree.h"
#include "tools/output.h"
#include "tools/session.h"

/* Failures of one dataset that are named; the others are counted. */
#define CHECKOUT_NAMED_MAX 300

/*
 * Store what stands at the dataset PATH of WT, with JOBS threads (0: one), and say at once where, unless JSON is
 * wanted. *KEPT: the root in hex, "" where there is no file.  Prints its own errors, the first CHECKOUT_NAMED_MAX of
 * entries that cannot be stored; returns an exit status, and then nothing may be destroyed.
 */
int checkout_keep(struct session *session, struct worktree *wt, const char *path, unsigned jobs,
                  char kept[ID_HEX_SIZE]);

/* Say on STREAM that what was in PATH, which is fit to be shown, is kept as ROOT. */
void checkout_keep_tell(FILE *stream, const char *path, const char *root);

/* The same on stderr for all ROWS of a document that is not printed, which have it as `path` and `kept`. */
void checkout_keep_tell_all(const json_t *rows);

#endif
