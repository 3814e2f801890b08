/*
 * The engine of snapshots: from the files of a dataset to the root of its tree, in a store.
 *
 * Three stages overlap: one thread walks (fs/feed.h), several read, hash and compress (fs/digest.h), and the caller's
 * writes records and pages in the order of the walk.  Memory does not grow with the number of files.  Nothing of Git is
 * touched, and nothing may be promised before store_writer_commit() and builder_put_root().
 */
#ifndef FS_SNAPSHOT_H
#define FS_SNAPSHOT_H

#include <stdatomic.h>

#include "fs/batch.h"
#include "fs/build.h"
#include "fs/exclude.h"
#include "fs/new_tree.h"
#include "fs/pointer.h"

/* What holds for all datasets of a run.  Everything is borrowed. */
struct snapshot_run {
	struct store_writer *writer;
	struct source *source;
	const struct io *io;
	unsigned jobs; /* workers; at least 1 */
	int level;     /* of compression */
	bool full;     /* read every file, whatever stat says */
	bool dry;      /* the writer is one of store_writer_open_dry(): no stat cache is written either */
	bool skip_special;
	bool outside_links;
	const struct exclude *exclude;
	struct timespec start;
	const atomic_bool *cancelled;
	/* Told of every entry that cannot be recorded, by its path below the dataset ("" is the dataset). */
	void (*problem)(void *arg, const char *path, enum problem problem, int error);
	/* Told now and then of what was done; may be NULL. */
	void (*progress)(void *arg, uint64_t files, uint64_t bytes, uint64_t saved_bytes);
	void *arg;
};

struct snapshot_dataset {
	int dirfd;        /* of the work tree */
	const char *path; /* from there */
	bool is_file;
	const struct pointer *old; /* of the parent revision; NULL: none */
	int folder;                /* of stat caches; negative: none is read or written */
	const char *stat_name;     /* the name of the cache in it */
};

struct snapshot_result {
	bool recorded;  /* there were no problems: ROOT and POINTER are valid */
	bool unchanged; /* POINTER is what OLD was */
	struct built root;
	struct pointer pointer;
	struct new_tree_counts counts;
	uint64_t problems;
	uint64_t linked; /* files that have other hard links */
	uint64_t read_bytes;
	uint64_t new_bytes;              /* of records that were added, expanded */
	uint64_t stored_bytes;           /* of those, in packs */
	struct stat_cache_writer *cache; /* to be ended with snapshot_keep_cache() or stat_cache_writer_abort() */
};

/*
 * Record the dataset.  Returns 0, also with problems; -EINTR where it was cancelled; errors of writing; errors of
 * opening the dataset (-ENOENT, -ENOTDIR); -ESTALE where the old tree or what the stat cache says of it cannot be read:
 * whoever wants the data nevertheless calls again with no OLD and with `full`.
 */
int snapshot_dataset(const struct snapshot_run *run, const struct snapshot_dataset *dataset,
                     struct snapshot_result *result);

/* Put the new stat cache in place, once the root is in the store; takes it over.  A failure costs only time. */
void snapshot_keep_cache(struct snapshot_result *result);

#endif
