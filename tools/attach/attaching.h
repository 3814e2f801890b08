/*
 * What attach and detach work in: a work tree, its datasets, and the attachments of the repository, locked.
 *
 * Functions print their own errors and return 0 or an exit status.
 */
#ifndef TOOLS_ATTACHING_H
#define TOOLS_ATTACHING_H

#include <jansson.h>

#include "fs/attachment.h"
#include "fs/git/worktree.h"
#include "tools/attach/below.h"
#include "tools/config.h"
#include "tools/fail.h"
#include "tools/session.h"

struct attaching {
	struct session session;
	struct worktree wt;
	struct config *config;
	const char *git_dir;  /* the common one */
	const char *worktree; /* its root, absolute, without links */
	int lock;             /* of attachments */
	struct attachments known;
	struct work_dataset *datasets;
	size_t count;
	struct below below; /* once it was needed */
	bool has_below;
	struct outcome outcome;
	bool is_for_program; /* what is done is told with -v only, on stderr: the output is that of a program */
	json_t *rows;
};

/* Open for the current directory and take the locks, that of the work tree, too, so that no snapshot is at work. */
int attaching_open(struct attaching *a);
void attaching_close(struct attaching *a); /* allowed on a zeroed one */

/* The mount below, taken over or started once. */
int attaching_below(struct attaching *a);

/* Read the attachments anew: what was borrowed from `known` is gone. */
int attaching_reread(struct attaching *a);

/* The dataset at PATH of COMMIT; a single file cannot stand below an overlay.  Prints its errors: WHAT is the commit in
 * messages. */
int attaching_base(struct attaching *a, const struct oid *commit, const char *what, const char *path,
                   struct pointer *base);

/* The path TYPED, which may be that of a pointer file, from the root of the work tree; malloc'ed. */
int attaching_path(struct attaching *a, const char *typed, char **path);

/* Whether the dataset PATH is what NAMED ("": all) is, or lies below it. */
bool attaching_is_meant(const char *path, const char *named);

/* Tell of the dataset PATH what was done: TEXT, and STATE with --json. */
void attaching_tell(struct attaching *a, const char *path, const char *state, const char *text);

#endif
