/*
 * The mounts that `revfs top` watches: all of the registry, or those that are named; each is asked for its metrics, and
 * one that does not answer holds nobody up.
 *
 * For the main thread.
 */
#ifndef TOOLS_TOP_MOUNTS_H
#define TOOLS_TOP_MOUNTS_H

#include <stddef.h>

#include "tools/asker.h"
#include "tools/top_sample.h"

enum top_state {
	TOP_ANSWERS,
	TOP_SILENT, /* it did not in time */
	TOP_DEAD,
};

struct top_mount {
	char *mountpoint;
	char *repository;
	enum top_state state;
	struct top_sample between; /* what happened since the report before, where it answers */
	/* private: */
	struct top_sample last;
	struct asker asker;
	bool listed;
};

struct top_mounts {
	char *const *only; /* absolute paths, borrowed; NULL: all */
	size_t only_count;
	struct top_mount *items; /* by mountpoint */
	size_t count;
};

/* See what is mounted now and ask it all, at most TIMEOUT_MS long.  0 or -errno. */
int top_mounts_look(struct top_mounts *mounts, int timeout_ms);

/* Free. */
void top_mounts_release(struct top_mounts *mounts);

#endif
