/*
 * The first stage of a snapshot: walks a dataset of the work tree beside its stat cache and feeds batches to a
 * pipeline.
 *
 * What looks as it did costs one lstat(2) and goes on as `same`; what does not is left to a worker, but large files are
 * read and cut here, so that all workers share one of them.  Runs in a thread of its own.
 */
#ifndef FS_FEED_H
#define FS_FEED_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cache/pipeline.h"
#include "cache/writer.h"
#include "fs/batch.h"
#include "fs/chunk_file.h"
#include "fs/exclude.h"
#include "fs/marks.h"
#include "fs/stat_cache.h"

/* Files above this are read by the feed. */
#define FEED_LARGE BATCH_BYTES

/* How often a file that changes while it is read is tried. */
#define FEED_TRIES 3

struct feed {
	/* Set by the caller; all borrowed. */
	struct pipeline *pipeline;
	struct batch_pool *pool;
	struct store_writer *writer;
	int dirfd; /* the dataset is NAME below it */
	const char *name;
	const char *path;           /* from the root of the work tree, for excludes */
	bool is_file;               /* the dataset is a file */
	enum layer_dialect dialect; /* of the upper folder that it is */
	struct stat_cache *cache;   /* NULL: everything is read */
	bool cache_trusted;         /* the content the cache names is in the store; else that is looked up */
	bool full;                  /* read everything, whatever the cache says */
	bool skip_special;
	bool paths;                    /* workers are told the whole paths of what they read */
	const struct exclude *exclude; /* NULL: nothing */
	const atomic_bool *cancelled;
	unsigned dirs_max; /* directories that one batch may keep open */
	/* Private. */
	struct batch *batch;
	struct chunk_file *reader;
	const char *file_path; /* of the present file, below the dataset */
	uint64_t file_size;    /* and its bytes, when it was met */
	uint16_t depth;
	struct marks marks;
	struct buffer full_path;
};

/* What a file is that could not be read because of ERROR. */
enum problem feed_problem_of(int error);

/*
 * Walk it all, submit every batch, and end the pipeline.  Returns 0; -EINTR where it was cancelled; -ENOMEM; an error
 * of opening the dataset itself.  What goes wrong with a single entry is a step of its own.
 */
int feed_run(struct feed *feed);

#endif
