/*
 * Prefetching: having the cache take what files need, before anybody reads them.
 *
 * Files are collected in listing order and shared out to readers, each of which goes through its share in that order:
 * so the ranges that are read of packs widen (cache/windows.h).  A large file is shared by several.  Chunks that the
 * store has are not read.  Belongs to one thread, but for what it calls.
 */
#ifndef FS_PREFETCH_H
#define FS_PREFETCH_H

#include <stdatomic.h>

#include "cache/fetch.h"
#include "fs/place.h"

struct prefetch_setup {
	const struct place_world *world; /* borrowed, as all of it */
	struct fetch *fetch;
	unsigned jobs; /* readers */
	/* Told of files that were done and bytes that came, by any thread. */
	void (*progress)(void *arg, uint64_t files, uint64_t bytes);
	/* Told, by one thread at a time, of what cannot be read. */
	void (*failed)(void *arg, const char *name, int error);
	void *arg;
};

struct prefetch_result {
	uint64_t files;
	uint64_t bytes;      /* of chunks that came, expanded, or were in the cache */
	uint64_t here_bytes; /* of those that the store has */
	uint64_t failed;     /* files and folders */
};

struct prefetch;

/* 0 or -ENOMEM. */
int prefetch_open(const struct prefetch_setup *setup, struct prefetch **prefetch);

/*
 * Collect PLACE and all below it; NAME ("v1:data") stands in front of the paths that are told.  Reads the pages.  0;
 * -EINTR, -ENOMEM; folders that cannot be read are told.
 */
int prefetch_add(struct prefetch *prefetch, const struct place *place, const char *name);

/* How many files were collected, and their bytes. */
void prefetch_measure(const struct prefetch *prefetch, uint64_t *files, uint64_t *bytes);

/* Read it all.  0; -EINTR, -ENOMEM; what fails alone is told. */
int prefetch_run(struct prefetch *prefetch, struct prefetch_result *result);

/* Free.  NULL is ignored. */
void prefetch_close(struct prefetch *prefetch);

#endif
