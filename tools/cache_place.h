/*
 * Where the cache is, and how much it may hold: the settings cacheDir and cacheSize.
 */
#ifndef TOOLS_CACHE_PLACE_H
#define TOOLS_CACHE_PLACE_H

#include "cache/cached.h"
#include "tools/config.h"

struct cache_place {
	char *path;
	uint64_t limit_bytes; /* a tenth of the disk where nothing is set */
	uint64_t floor_bytes; /* a twentieth of the disk */
};

/* Find it; the folders that lead there are made.  Prints its own errors.  Returns 0 or an exit status;
 * cache_place_release() frees. */
int cache_place_find(struct config *config, struct cache_place *place);

/* Free what it holds; allowed on a zeroed one. */
void cache_place_release(struct cache_place *place);

/* Open the cache there.  0 or -errno. */
int cache_place_open(const struct cache_place *place, struct cached **cached);

/* Find and open that of the current folder's repository, or of the user where there is none.  Prints its own errors.
 * Returns 0 or an exit status. */
int cache_place_open_here(struct cached **cached);

#endif
