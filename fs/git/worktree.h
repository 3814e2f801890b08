/*
 * The work tree: which datasets it has, what their pointer files say there, and what stands in the way of recording
 * them.
 *
 * Nothing is followed through a symlink.  Paths are those from the root of the work tree, components separated by one
 * slash. Belongs to one thread.
 */
#ifndef FS_WORKTREE_H
#define FS_WORKTREE_H

#include <stdbool.h>

#include "fs/git/repo.h"
#include "fs/instep.h"
#include "fs/pointer.h"

/* The longest name a dataset can have, so that `NAME.revfs` is a name. */
#define WORKTREE_NAME_MAX 249

struct worktree {
	const struct io *io;
	struct repo *repo; /* borrowed */
	int root;          /* descriptor of the work tree */
	int folder;        /* of in-step records; -1 where there is none yet */
	int lock;          /* -1: not held */
};

/* Open the work tree of REPO, which is not bare; CREATE makes the folder of in-step records.  Returns 0 or -errno. */
int worktree_open(const struct io *io, struct repo *repo, bool create, struct worktree *wt);
void worktree_close(struct worktree *wt); /* gives the lock back; allowed on a zeroed one whose descriptors are -1 */

/* Take the lock that snapshots and checkouts of this worktree hold.  Returns 0, -EBUSY after TIMEOUT_MS, or -errno. */
int worktree_lock(struct worktree *wt, unsigned timeout_ms);

/* The operation of git that is in progress and wants to commit itself ("merge", "rebase", "am"...), or NULL. */
const char *worktree_in_progress(const struct worktree *wt);

/*
 * Open the directory that holds PATH, no component of which may be a symlink; CREATE makes what is missing.  *NAME
 * points into PATH.  Returns a descriptor; -ENOENT; -ENOTDIR; -ELOOP; -errno.
 */
int worktree_open_parent(const struct worktree *wt, const char *path, bool create, const char **name);

/* What stands at PATH. */
enum work_kind {
	WORK_ABSENT,
	WORK_FILE,
	WORK_DIRECTORY,
	WORK_LINK, /* a symlink there or on the way */
	WORK_OTHER,
};

/* What stands at PATH, no symlink followed.  0 or -errno. */
int worktree_kind(const struct worktree *wt, const char *path, enum work_kind *kind);

/* Whether the directory PATH has no entry. */
bool worktree_is_empty(const struct worktree *wt, const char *path);

/*
 * Read the pointer file of the dataset PATH as it is in the work tree.  Errors as pointer_parse()'s, and -ENOENT;
 * -ELOOP where a symlink stands there; -errno.
 */
int worktree_pointer(const struct worktree *wt, const char *path, struct pointer *pointer, unsigned *line,
                     const char **why);

/* Replace it, durably and all at once. */
int worktree_write_pointer(const struct worktree *wt, const char *path, const struct pointer *pointer);

/* The same for any small file; folders above it are made.  For who holds the lock. */
int worktree_write_file(const struct worktree *wt, const char *path, const void *data, size_t len);

/* The same for NAME in the folder DIRFD: what a kill leaves unfinished is in nobody's way, and used by the next. */
int worktree_replace_file(const struct worktree *wt, int dirfd, const char *name, const void *data, size_t len);

/* Whether git's index, or the commit HEAD names (TREE; NULL: none), has PATH or something below it.  Returns 0 or
 * -errno. */
int worktree_tracked(const struct worktree *wt, const struct oid *tree, const char *path, bool *in_index,
                     bool *in_head);

/* A path of git's index. */
struct index_entry {
	char *path;
	struct oid oid;
	uint32_t mode;
	bool unmerged;  /* has stages; OID is that of one of them */
	unsigned stage; /* that one; 0 where it has none */
};

/*
 * What git's index has at PATHS (literal, NULL-terminated; directories stand for all in them).  *ENTRIES, sorted by
 * path, is to be freed.  Returns 0, -EIO where git failed, or -errno.
 */
int worktree_index(const struct worktree *wt, const char *const *paths, struct index_entry **entries, size_t *count);

/* What the index has at PATH (literal) for a side of a conflict: STAGE 1 what both came from, 2 ours, 3 theirs.  0;
 * -ENOENT where there is no conflict, or that side has nothing; -EIO where git failed, or -errno. */
int worktree_stage(const struct worktree *wt, const char *path, unsigned stage, struct oid *oid, uint32_t *mode);

/* Free what worktree_index() gave. */
void worktree_index_free(struct index_entry *entries, size_t count);

/* A dataset that the worktree has, or had. */
struct work_dataset {
	char *path;
	bool indexed;        /* its pointer is in git's index */
	bool unmerged;       /* and in conflict there */
	bool has_record;     /* RECORD is its in-step record */
	bool damaged_record; /* there is one, but it does not read */
	struct instep record;
};

/*
 * All datasets: those whose pointer is in the index or in the work tree and has an in-step record, sorted by path.
 * Returns 0 or -errno.
 */
int worktree_datasets(const struct worktree *wt, struct work_dataset **datasets, size_t *count);

/* Free what worktree_datasets() gave. */
void worktree_datasets_free(struct work_dataset *datasets, size_t count);

#endif
