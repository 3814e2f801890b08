/*
 * What the files of the cache share: cached.c reads and writes, cached_files.c finds files and keeps them open,
 * cached_room.c measures and makes room, cached_look.c remembers that, cached_check.c checks, pins.c says what stays.
 */
#ifndef CACHE_CACHED_INSIDE_H
#define CACHE_CACHED_INSIDE_H

#include <pthread.h>
#include <time.h>

#include "cache/cached.h"

#define CACHED_PACKS "packs"
#define CACHED_ROOTS "roots"
#define CACHED_NAME_SIZE 96
#define CACHED_FILES 16 /* of packs that stay open */

/* Where a file lies: TOP/SUB/NAME.  Folders are entered one by one and never through a link: others may have put it
 * there. */
struct cached_place {
	const char *top;
	char sub[3];
	char name[CACHED_NAME_SIZE];
};

/* A pack's file that is open for reading. */
struct cached_file {
	struct pack_id pack;
	int fd; /* -1: none */
	unsigned users;
	uint64_t used_ns, checked_ns, touched_ns;
};

/* One that is held. */
struct cached_held {
	int fd;
	struct cached_file *file; /* NULL: it is closed afterwards */
};

/* What is known of how much there is (cached_look.c). */
struct cached_look {
	bool known;
	uint64_t bytes;   /* at the last look */
	uint64_t written; /* by then, of the stats */
	uint64_t looked_ns;
	pthread_t thread;
	bool has_thread; /* to be joined */
	bool looks;      /* it is at work */
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
	struct cached_look look;
	struct cached_file files[CACHED_FILES];
};

/* Open the folder NAME in that of the descriptor ABOVE, made where it is missing and MAKE is set.  Its descriptor or
 * -errno. */
int cached_enter(struct cached *cached, int above, const char *name, bool make);

/* The same for the folder of PLACE. */
int cached_open_folder(struct cached *cached, const struct cached_place *place, bool make);

/* Where the file of PACK lies. */
void cached_place_of_pack(const struct pack_id *pack, struct cached_place *place);

/* Open the file of PACK, or take it where it is open.  0 or -errno; cached_let_go() gives it back. */
int cached_hold(struct cached *cached, const struct pack_id *pack, struct cached_held *held);

/* Give back. */
void cached_let_go(struct cached *cached, struct cached_held *held);

/* Close all that is not held, since it may be gone. */
void cached_close_files(struct cached *cached);

/* Call EACH for all files of packs and roots, with what they take of the disk, until it answers other than 0, which is
 * returned.  0, -ENOMEM. */
int cached_each_file(struct cached *cached, int (*each)(void *arg, const struct cached_place *place, uint64_t bytes),
                     void *arg);

/* Remove the file of PLACE.  0, -ENOENT, -errno. */
int cached_remove_file(struct cached *cached, const struct cached_place *place);

/* Note that all takes BYTES of the disk. */
void cached_note_bytes(struct cached *cached, uint64_t bytes);

/* Wait for the thread that looks. */
void cached_end_look(struct cached *cached);

/* Add to one of the stats. */
void cached_count(struct cached *cached, uint64_t *counter, uint64_t by);

#endif
