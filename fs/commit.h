/*
 * Staging and committing what a snapshot wrote, by the user's git: hooks, signing, identity and locks are git's own.
 *
 * Paths go to git in a file, as they are, never as patterns.  Belongs to the thread that holds the worktree's lock.
 */
#ifndef FS_COMMIT_H
#define FS_COMMIT_H

#include <stdbool.h>

#include "fs/git/worktree.h"

/*
 * Add PATHS (NULL-terminated) to the index, even where a pattern ignores them.  Returns 0; -ECANCELED where git
 * refused, with *MESSAGE git's own words (malloc'ed); -EINTR; -errno.
 */
int commit_stage(const struct worktree *wt, const char *const *paths, char **message);

struct commit_request {
	const char *const *paths; /* NULL-terminated; only these are committed */
	const char *message;      /* the whole message; with EDIT what the editor opens on */
	bool edit;
};

/*
 * Commit; git's words, questions and its editor go to the terminal (stdout to stderr).  *COMMIT is what HEAD then
 * names. Returns 0; -ECANCELED where git refused, after it said why; -EINTR; -errno.
 */
int commit_make(const struct worktree *wt, const struct commit_request *request, struct oid *commit);

/*
 * Note that git is about to write what the disk does not have before commit_sync(): who is killed in between leaves the
 * note to the next run, which finds the commit made and would have nothing to do.  Returns 0 or -errno.
 */
int commit_begin(const struct worktree *wt);

/* Have the disk take all that git wrote, and remove the note.  Returns 0 or -errno; the note then stays. */
int commit_sync(const struct worktree *wt);

/* What commit_sync() does, where an earlier run left its note; before anything is called done. */
int commit_settle(const struct worktree *wt);

#endif
