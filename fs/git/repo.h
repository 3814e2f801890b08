/*
 * Reading Git: refs, revision expressions, commits, trees and blobs of one local repository, and nothing that writes or
 * talks to a network.
 *
 * Two readers behind one table: libgit2 (fs/git/repo_libgit2.c), and `git cat-file --batch` (fs/git/repo_command.c) for
 * what libgit2 can't open: SHA-256, reftable, unknown extensions, and single blobs that a partial clone lacks.  Replace
 * refs are followed by neither.  Thread-safe: each thread gets a handle of its own inside.
 */
#ifndef FS_REPO_H
#define FS_REPO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fs/git/git.h"
#include "fs/git/oid.h"
#include "fs/object.h"

struct repo;

enum repo_reader {
	REPO_ANY, /* libgit2 where it can, else the command; REVFS_GIT_READER=command in the environment forces it */
	REPO_LIBGIT2,
	REPO_COMMAND,
};

/*
 * Find the repository as git does, from DIR upwards (GIT_DIR, GIT_WORK_TREE, GIT_COMMON_DIR and safe.directory are
 * honoured, once, here) and open it; DIR NULL is the current directory.  Returns 0; -ENOENT where there is none; -EPERM
 * where its owner is another (safe.directory); -ENOPKG where there is no git; -ENOTSUP; -errno.  *MESSAGE (MESSAGE may
 * be NULL) is then git's own text, malloc'ed, or NULL.
 */
int repo_open(const char *dir, enum repo_reader reader, struct repo **repo, char **message);

/*
 * What a partial clone lacks is from now on fetched by threads of REPO's own for threads that hold a ticket
 * (cache/aside.h): they get -EINPROGRESS, or after WAIT_MS (UINT64_MAX: never) -ETIMEDOUT, or -EAGAIN where
 * no process could be started.  Others wait for it
 * themselves.  Once, before there are any.  0 or -ENOMEM.
 */
int repo_fetch_aside(struct repo *repo, uint64_t wait_ms);

/* Close all handles and free.  No thread may be in a call.  NULL is ignored. */
void repo_close(struct repo *repo);

const char *repo_git_dir(const struct repo *repo);    /* absolute; of this worktree */
const char *repo_common_dir(const struct repo *repo); /* absolute; shared by all worktrees */
const char *repo_work_tree(const struct repo *repo);  /* absolute, or NULL: bare */
const char *repo_prefix(const struct repo *repo);     /* DIR below the work tree, "" or with a final `/` */

/* Where the user's git works for this repository: for git_run().  Borrowed. */
const struct git_where *repo_where(const struct repo *repo);

bool repo_is_shallow(const struct repo *repo);         /* when it was opened */
size_t repo_oid_len(const struct repo *repo);          /* 20 or 32 */
const char *repo_reader_name(const struct repo *repo); /* "libgit2" or "git" */

/* Bits that core.sharedRepository adds to folders (02070 for `group`, 02075 for `all`), 0 for none. */
mode_t repo_shared_mode(const struct repo *repo);

/* A ref: NAME is the full name (refs/heads/main).  A symbolic one has what it leads to. */
struct repo_ref {
	const char *name;
	struct oid target; /* as it stands: a tag object is not peeled */
	bool symbolic;
};

/* Call EACH for every ref below refs/ in the order of names, until it answers other than 0, which is returned.  Broken
 * refs are left out. */
int repo_each_ref(struct repo *repo, int (*each)(void *arg, const struct repo_ref *ref), void *arg);

/* The object that the ref of exactly that full name (or HEAD) leads to.  0, -ENOENT, -errno. */
int repo_ref(struct repo *repo, const char *name, struct oid *target);

/* A number that changes when any ref may have changed; cheap (stats of files), for polling once a second. */
uint64_t repo_refs_stamp(struct repo *repo);

/* Peel OID (a commit, or a tag that leads to one) to a commit.  0; -ENOENT missing; -EINVAL leads to no commit. */
int repo_peel(struct repo *repo, const struct oid *oid, struct oid *commit);

/* A commit; repo_commit_release() frees.  Parents beyond the border of a shallow clone are left out, as git does. */
int repo_commit(struct repo *repo, const struct oid *oid, struct repo_commit *commit);

/* Parent N (from 1) of a commit.  -ENOENT where there is none, or where the clone is shallow there. */
int repo_parent(struct repo *repo, const struct oid *commit, unsigned n, struct oid *parent);

/* Commits whose id begins with the 4 to 64 digits HEX.  0; -ENOENT none; -EEXIST ambiguous. */
int repo_abbreviated(struct repo *repo, const char *hex, size_t len, struct oid *commit);

/* A whole tree in Git's order; one malloc'ed piece, free() it. */
int repo_tree(struct repo *repo, const struct oid *oid, struct repo_tree **tree);

/* The entry of that name, or NULL.  Looks at entries one by one. */
const struct repo_entry *repo_tree_find(const struct repo_tree *tree, const char *name, size_t len);

/* The entry at PATH below TREE (components separated by `/`).  *OID and *MODE; -ENOENT, -ENOTDIR. */
int repo_tree_walk(struct repo *repo, const struct oid *tree, const char *path, struct oid *oid, uint32_t *mode);

/* The same below the commit that HEAD names; -ENOENT also where there is none. */
int repo_head_walk(struct repo *repo, const char *path, struct oid *oid, uint32_t *mode);

/* A blob's size; cheap. */
int repo_blob_size(struct repo *repo, const struct oid *oid, uint64_t *size);

/* A whole blob of at most LIMIT bytes: *DATA malloc'ed, a NUL byte behind it.  -EFBIG above the limit. */
int repo_blob(struct repo *repo, const struct oid *oid, size_t limit, void **data, size_t *len);

/* Write a blob of any size to FD from its current position, streamed. */
int repo_blob_to_fd(struct repo *repo, const struct oid *oid, int fd);

/* Call EACH for every commit reachable from the TIPS, newest first by commit time (parents after children); EACH
 * answers 0, or ends the walk. */
int repo_each_commit(struct repo *repo, const struct oid *tips, size_t count,
                     int (*each)(void *arg, const struct oid *oid, const struct repo_commit *commit), void *arg);

/* All commits named by reflogs (of all worktrees) and stashes, and every worktree's HEAD, for liveness. */
int repo_each_reflog_commit(struct repo *repo, int (*each)(void *arg, const struct oid *oid), void *arg);

/* All blobs at paths ending in .revfs in the index of every worktree. */
int repo_each_index_pointer(struct repo *repo, int (*each)(void *arg, const char *path, const struct oid *oid),
                            void *arg);

#endif
