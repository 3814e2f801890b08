/*
 * Batches: a stretch of the walk of a dataset, as it goes from the thread that walks through one that reads and
 * compresses to the one that writes.
 *
 * A batch belongs to one thread at a time.  Memory is kept and used again: a pool hands out what came back.
 */
#ifndef FS_BATCH_H
#define FS_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "cache/wire.h"
#include "fs/scan.h"
#include "fs/stat_cache.h"

#define BATCH_STEPS 128
#define BATCH_BYTES (1u << 20) /* a batch is full when it has this much to read */

enum step_kind {
	STEP_ENTRY = 1,    /* a file or symlink, whole */
	STEP_ENTER,        /* into a directory */
	STEP_LEAVE,        /* out of it; at the end also out of the dataset itself */
	STEP_LARGE_BEGIN,  /* a large file begins, or begins anew because it changed */
	STEP_LARGE_CHUNKS, /* chunks of it */
	STEP_LARGE_END,    /* its end: now it is like an entry */
	STEP_HIDDEN,       /* an upper folder hides what is below this name */
	STEP_PROBLEM,      /* what cannot be recorded */
};

/* Why something cannot be recorded. */
enum problem {
	PROBLEM_UNREADABLE = 1, /* with an error */
	PROBLEM_CHANGING,
	PROBLEM_SPECIAL,
	PROBLEM_DOTGIT,
	PROBLEM_OUTSIDE_LINK,
	PROBLEM_TOO_DEEP,
	PROBLEM_ELSEWHERE, /* the content is not in the upper folder, nor where it lies in the one below */
};

struct step {
	uint8_t kind;       /* enum step_kind */
	uint8_t entry_kind; /* ENTRY_FILE or ENTRY_SYMLINK */
	bool differs;       /* the stat cache has something between the step before and this one that is gone */
	bool same;          /* looks the same as in the stat cache: CONTENT is its content, there is nothing to do */
	bool cached;        /* the stat cache has it: CACHED is what it was */
	bool cached_executable;
	bool bare;       /* STEP_ENTER: what an upper folder lies above does not show through */
	bool linked;     /* has other hard links */
	uint8_t problem; /* enum problem */
	int error;
	uint16_t depth;    /* directories above it in the dataset */
	uint16_t name_len; /* 0 for the one file of a dataset */
	size_t name_at;    /* in NAMES; NUL-terminated, also where name_len is 0 */
	size_t path_at;    /* in NAMES, of the whole path below the dataset; 0: not told */
	struct file_stamp stamp;
	struct content content;
	struct content cached_content;
	struct scan_dir *dir; /* pinned where there is something to read */
	uint32_t chunk;       /* its first one */
	uint32_t chunks;      /* 0: inline, or nothing to do */
};

struct batch_chunk {
	struct id id;
	uint32_t len;
	uint64_t count;
	size_t raw_at; /* in RAW, of a large file */
	bool known;    /* needs no writing: LOCATOR says where it is */
	struct locator locator;
	struct record_header header;
	size_t stored_at; /* in STORED */
};

struct batch {
	struct batch *next; /* in the pool */
	unsigned steps_count;
	unsigned dirs; /* how many different directories are pinned, about */
	struct scan_dir *last_dir;
	uint64_t weight; /* bytes to be read, or held in RAW */
	struct buffer names;
	struct buffer raw;
	struct buffer stored;
	struct batch_chunk *chunks;
	uint32_t chunks_count, chunks_capacity;
	bool failed; /* memory ran out: the batch is not whole */
	struct step steps[BATCH_STEPS];
};

struct batch_pool;

/* An empty pool.  0 or -ENOMEM. */
int batch_pool_new(struct batch_pool **pool);

/* Free the pool, to which all batches must have come back. */
void batch_pool_free(struct batch_pool *pool);

/* An empty batch, or NULL.  Thread-safe. */
struct batch *batch_take(struct batch_pool *pool);

/* Unpin what is pinned, empty it, give it back.  NULL is ignored.  Thread-safe. */
void batch_give(struct batch_pool *pool, struct batch *batch);

/* A new zeroed step named NAME; NULL where the batch is full or memory ran out (BATCH->failed). */
struct step *batch_step(struct batch *batch, enum step_kind kind, const char *name, size_t len);

/* Pin DIR for STEP, whose file has SIZE bytes to be read. */
void batch_pin(struct batch *batch, struct step *step, struct scan_dir *dir, uint64_t size);

/* One more chunk of the last step that got one; NULL where memory ran out. */
struct batch_chunk *batch_chunk(struct batch *batch, struct step *step);

/* Tell the whole path of STEP below the dataset.  Memory that runs out marks the batch as failed. */
void batch_set_path(struct batch *batch, struct step *step, const char *path);

/* That path, NUL-terminated; NULL where it was not told. */
const char *batch_path(const struct batch *batch, const struct step *step);

/* The name of STEP; NUL-terminated. */
const char *batch_name(const struct batch *batch, const struct step *step);

#endif
