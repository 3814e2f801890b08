/*
 * What commands say of attached datasets.
 *
 * Functions print their own errors and return an exit status, but where they say that they return -errno.
 */
#ifndef TOOLS_ATTACHED_H
#define TOOLS_ATTACHED_H

#include "fs/attached.h"
#include "fs/drift.h"
#include "fs/git/worktree.h"
#include "tools/session.h"

/* Refuse ATTACHMENT where its overlay is not mounted, or died: what was changed is not to be seen. */
int attached_check_mounted(const struct attachment *attachment);

/* Refuse to check it out, unless nobody NAMED it and it is in step with its pointer, so that there is nothing to do. */
int attached_refuse_checkout(const struct worktree *wt, const struct attachment *attachment, bool named);

/* ERROR met its upper folder, or what lies beside its record. */
int attached_unreadable(const struct attachment *attachment, int error);

/* Have the kernel hand what it has of ATTACHED, in the work tree WT, to its upper folder, where it would keep it back:
 * so does that of fuse-overlayfs.  0 or -errno. */
int attached_flush(const struct worktree *wt, const struct attached *attached);

/* Tell EACH how what is seen of ATTACHED differs from TREE (NULL: nothing).  0 or -errno, as upper_drift() says. */
int attached_compare(const struct session *session, const struct worktree *wt, const struct exclude *exclude,
                     const struct attached *attached, const struct pointer *tree, drift_each each, void *arg);

#endif
