/*
 * The stages of a snapshot: one thread walks (fs/feed.h), several read, hash and compress (fs/digest.h), and the
 * caller's takes what comes out, in the order of the walk, and hands it on.
 *
 * Here chunks go to the store, contents are put together, the new stat cache is written, problems are told; what a tree
 * is made of is the caller's.  Memory does not grow with the number of files.
 */
#ifndef FS_STAGES_H
#define FS_STAGES_H

#include "fs/digest.h"
#include "fs/feed.h"
#include "fs/snapshot.h"

/*
 * Who is told what was met, on the thread that runs the stages; nothing more once there was a problem.  Each answers 0
 * or -errno, which ends the run.
 */
struct stages_hooks {
	/* Before what is told next, the stat cache has something that is gone.  May be NULL. */
	int (*gone)(void *arg);
	/* A file or link with its content; its chunks and lists are in the writer, or in the stat cache (`same`). */
	int (*entry)(void *arg, const struct batch *batch, const struct step *step);
	/* Into a directory; BARE: what an upper folder lies above does not show through. */
	int (*enter)(void *arg, const char *name, size_t len, bool bare);
	/* Out of it; not told at the end of the dataset. */
	int (*leave)(void *arg);
	/* An upper folder hides what is below NAME.  May be NULL where there is none. */
	int (*hidden)(void *arg, const char *name, size_t len);
};

struct stages {
	/* Set by the caller; all borrowed. */
	const struct snapshot_run *run;
	struct snapshot_result *result; /* problems, linked and read_bytes are counted in it */
	const struct stages_hooks *hooks;
	void *arg;
	struct stat_cache_writer *new_cache; /* or NULL */
	/* Where from: dirfd, name, path, is_file, cache, cache_trusted, dialect; the rest is set here. */
	struct feed feed;
	struct old_chunks *old_chunks; /* NULL: what the store lacks is stored */
	bool elsewhere;                /* what is in the old tree need not be in the store */
	/* Private. */
	bool dirty; /* the new stat cache says something that the old one does not: to be read at the end */
	struct pipeline *pipeline;
	struct batch_pool *pool;
	struct digest *digest;
	int feed_error;
	struct content_builder large;
	struct buffer path; /* of the present directory, each name with a slash behind it */
};

/* Run them all, and release what they used.  Returns 0, also with problems; -EINTR; an answer of a hook; errors of
 * writing and of feed_run(). */
int stages_run(struct stages *stages);

/* Whether STEP is what the stat cache had: a file that was touched, or read again to be sure. */
bool stages_same_as_cached(const struct step *step);

/* The entry that STEP is; its name and inline bytes are borrowed. */
void stages_entry(const struct batch *batch, const struct step *step, struct entry *entry);

#endif
