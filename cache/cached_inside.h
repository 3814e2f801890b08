/*
 * What the files of the cache share: cached.c reads and writes, cached_room.c measures and makes room, cached_check.c
 * checks, pins.c says what stays.
 */
#ifndef CACHE_CACHED_INSIDE_H
#define CACHE_CACHED_INSIDE_H

#include <pthread.h>
#include <time.h>

#include "cache/cached.h"

#define CACHED_PACKS "packs"
#define CACHED_ROOTS "roots"
#define CACHED_NAME_SIZE 96
#define CACHED_TOUCHED 256 /* packs of which it is known when they were used; a power of two */

/* Where a file lies: TOP/SUB/NAME.  Folders are entered one by one and never through a link: others may have put it
 * there. */
struct cached_place {
	const char *top;
	char sub[3];
	char name[CACHED_NAME_SIZE];
};

struct cached_touched {
	struct pack_id pack;
	time_t when;
};

struct cached {
	const struct io *io;
	int dirfd;
	mode_t shared; /* what the group may do */
	uint64_t limit, floor;
	pthread_mutex_t lock; /* of all below; held for memory work only */
	struct cached_stats stats;
	uint64_t untrimmed; /* bytes written since the last look */
	time_t rests_until;
	struct cached_touched touched[CACHED_TOUCHED];
};

/* Open the folder NAME in that of the descriptor ABOVE, made where it is missing and MAKE is set.  Its descriptor or
 * -errno. */
int cached_enter(struct cached *cached, int above, const char *name, bool make);

/* The same for the folder of PLACE. */
int cached_open_folder(struct cached *cached, const struct cached_place *place, bool make);

/* Call EACH for all files of packs and roots, with what they take of the disk, until it answers other than 0, which is
 * returned.  0, -ENOMEM. */
int cached_each_file(struct cached *cached, int (*each)(void *arg, const struct cached_place *place, uint64_t bytes),
                     void *arg);

/* Remove the file of PLACE.  0, -ENOENT, -errno. */
int cached_remove_file(struct cached *cached, const struct cached_place *place);

/* Add to one of the stats. */
void cached_count(struct cached *cached, uint64_t *counter, uint64_t by);

#endif
