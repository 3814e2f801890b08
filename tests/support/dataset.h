/*
 * A store in the scratch folder and snapshots of folders in it, without git: what the tests of snapshot, drift and
 * checkout begin with.  Everything asserts that it works.
 */
#ifndef TESTS_SUPPORT_DATASET_H
#define TESTS_SUPPORT_DATASET_H

#include <stdatomic.h>

#include "fs/snapshot.h"

struct dataset_world {
	const struct io *io;
	int top;    /* descriptor of the scratch folder: the work tree */
	int folder; /* of stat caches */
	struct store *store;
	struct memory *memory;
	struct store_writer *writer;
	struct source *source;
	struct snapshot_run run; /* the next one's settings; problems are collected in PROBLEMS */
	atomic_bool cancelled;
	char problems[4096]; /* a line each: "NUMBER path" */
};

/* scratch_open(), a store in its folder `store`, stat caches in `caches`. */
void dataset_world_open(struct dataset_world *w);
void dataset_world_close(struct dataset_world *w); /* and scratch_close() */

/* Snapshot PATH after OLD (NULL: none): the whole result; a stat cache is kept, the writer committed, the root put. */
int dataset_world_snapshot(struct dataset_world *w, const char *path, const struct pointer *old,
                           struct snapshot_result *result);

/* The same where nothing goes wrong: the pointer. */
struct pointer dataset_world_record(struct dataset_world *w, const char *path, const struct pointer *old);

/* A line "kind path size" for all that a tree has, malloc'ed. */
char *dataset_world_listing(struct dataset_world *w, const struct pointer *pointer);

#endif
