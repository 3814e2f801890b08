/*
 * What the files of the store share: its state, its folders, writing small files.
 */
#ifndef CACHE_STORE_INSIDE_H
#define CACHE_STORE_INSIDE_H

#include <pthread.h>

#include "cache/hint.h"
#include "cache/shelf.h"
#include "cache/store.h"

enum store_tree {
	STORE_PACKS = 0,
	STORE_ROOTS = 1,
	STORE_MOVED = 2, /* the moved files in packs/: ids of the packs */
};

/* A pack whose index could not be read, and why. */
struct store_blank {
	struct pack_id pack;
	int error;
};

/*
 * The lock guards what stands below it and is held for memory work only.  Whoever reads the folder, or adds to or
 * writes the look-up files, does so alone, holding `busy` (store_begin(), store_end()); `hint` is set once.
 */
struct store {
	const struct io *io;
	char *path;
	int dirfd;
	bool read_only;
	mode_t dir_mode;
	mode_t file_mode;
	struct shelf *shelf;
	pthread_mutex_t lock;
	pthread_cond_t idle; /* busy became false */
	bool busy;
	bool listed;           /* the rest is known */
	uint64_t listed_ns;    /* when, by the monotonic clock */
	struct hint *hint;     /* opened at the first listing */
	struct pack_id *packs; /* present, sorted */
	size_t packs_count;
	struct condemned *condemned; /* sorted */
	size_t condemned_count;
	struct store_blank *blanks; /* not covered, and why */
	size_t blanks_count;
	bool forget_blanks;   /* try them again */
	uint8_t made[2][256]; /* folders AA known to be durable */
};

#define STORE_PATH_SIZE 96

/* "packs/AA" or "roots/AA" for the first byte of an id. */
char *store_shard_path(enum store_tree tree, uint8_t first, char path[STORE_PATH_SIZE]);

/* "roots/AA/<id>". */
char *store_root_path(const struct id *id, char path[STORE_PATH_SIZE]);

/* Make the store's top folders where they are missing.  0 or -errno. */
int store_make_folders(struct store *store);

/* Make the folder that names beginning with the byte FIRST go to, durably; once a process. */
int store_make_shard(struct store *store, enum store_tree tree, uint8_t first);

/*
 * Write LEN bytes as the new file PATH in FOLDER: complete and synced before it has its name, the name synced
 * afterwards. Where there is such a file: REPLACE it, or -EEXIST.  On failure nothing is left behind.  0 or -errno.
 */
int store_write_file(struct store *store, const char *folder, const char *path, const void *data, size_t len,
                     bool replace);

/* Call EACH for the ids of the files of TREE as the disk has them, sorted, until it answers other than 0. */
int store_each_name(struct store *store, enum store_tree tree, int (*each)(void *arg, const uint8_t *id), void *arg);

/* Become the one who changes what is known of the folder; waits.  No lock is held in between. */
void store_begin(struct store *store);

/* The other end of store_begin(). */
void store_end(struct store *store);

/* For store_know(): whatever is known will do. */
#define STORE_ANY_AGE UINT64_MAX

/* See to it that the folder was listed, all readable packs are covered, and the condemned are known; anew where that is
 * longer ago than MAX_AGE_MS.  *ANEW (may be NULL): whether anything was read.  0 or -errno. */
int store_know(struct store *store, uint64_t max_age_ms, bool *anew);

/* A pack that this process has just finished: know it, cover it.  0 or -errno; a failure costs deduplication only. */
int store_add_pack(struct store *store, const struct pack_id *id);

/* Write the look-up files where there is something to write; failures cost time only. */
void store_write_hints(struct store *store);

#endif
