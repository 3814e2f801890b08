/*
 * What the files of the windows share: what they are made of and how they are loaded (windows_load.c), what is read
 * before it is asked for (windows_ahead.c), and taking bytes out (windows.c).
 */
#ifndef CACHE_WINDOWS_INSIDE_H
#define CACHE_WINDOWS_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/pack_blocks.h"
#include "cache/readers.h"
#include "cache/windows.h"

#define WINDOWS_PACKS 256   /* of which it is remembered what the cache has; a power of two */
#define WINDOWS_REACHES 16  /* reads of several records that are known */
#define WINDOWS_FOLLOWED 64 /* packs of which it is known what comes after them; the same */
#define WINDOWS_CREDIT_MAX ((size_t)64 << 20)
#define WINDOWS_LOADING_MAX                                                                                            \
	((size_t)64 << 20)  /* bytes asked for at once, above which nothing more than is needed is                     \
	                     */
#define WINDOWS_IN_MEMORY 8 /* that stay there where the cache has not taken them */
#define WINDOWS_THREADS 8
#define WINDOWS_SPARE 4
#define WINDOWS_OWN ((size_t)512 << 10) /* whoever needs a larger range does not load it himself */

enum window_state {
	WINDOW_QUEUED, /* for a thread */
	WINDOW_LOADING,
	WINDOW_LOADED,
	WINDOW_FAILED,
};

/* A range that is being read, or is in memory. */
struct window {
	struct windows *all;
	struct window *next;
	struct pack_id pack;
	char path[REMOTE_PATH_SIZE];
	uint64_t begin;
	size_t len;  /* asked for, then what came */
	size_t room; /* in DATA */
	uint8_t *data;
	enum window_state state;
	int error;             /* of one that failed */
	bool forgotten;        /* something of it was wrong: nobody takes from it any more */
	bool kept;             /* the cache has it */
	unsigned users;        /* that take from it, or wait for it */
	uint64_t used;         /* when it was, by the clock of all */
	atomic_size_t arrived; /* bytes of it that may be taken; of one that failed, those that came before */
	atomic_size_t given;   /* up to where it was taken from */
	atomic_size_t wake_at; /* so many are waited for; SIZE_MAX: nobody waits */
	struct arrival arrival;
};

/* Behind the bytes up to END of a pack its reader goes on at BEGIN of another. */
struct window_follower {
	struct pack_id pack, next;
	uint64_t end, begin;
	char path[REMOTE_PATH_SIZE]; /* of the next; "": nothing is known */
};

/* One read takes all from BEGIN to END of a pack; zeroed there is none. */
struct window_reach {
	struct pack_id pack;
	uint64_t begin, end;
};

struct windows {
	struct remote *remote;
	struct cached *cached;
	pthread_mutex_t lock; /* of all below, but not of the bytes of windows */
	pthread_cond_t loaded;
	pthread_cond_t work;
	uint64_t clock; /* counts uses */
	struct readers readers;
	struct pack_blocks *blocks[WINDOWS_PACKS]; /* of some packs */
	struct window_follower followers[WINDOWS_FOLLOWED];
	struct window_reach reaches[WINDOWS_REACHES];
	unsigned reach_next; /* is replaced by the next */
	struct window *first;
	size_t loading; /* bytes that are being read */
	bool failing;   /* what was asked for last: nothing is read ahead */
	uint8_t
	    *spare[WINDOWS_SPARE]; /* of WINDOW_MAX bytes, used before: fresh memory costs as much as copying to it */
	unsigned spare_count;
	unsigned queued, idle; /* windows for threads; threads without one */
	unsigned threads_count;
	pthread_t threads[WINDOWS_THREADS];
	atomic_bool closing;
	atomic_uint_fast64_t closing_ns; /* since when, by the monotonic clock */
};

/* A range that is asked for. */
struct want {
	const struct pack_id *pack;
	const char *path;
	uint64_t offset;
	size_t len;
};

/* All below: with the lock held.  Those that let go of it meanwhile say so. */

/* What is known of PACK; lets go of the lock while the cache is looked at the first time.  NULL without memory. */
struct pack_blocks *windows_blocks(struct windows *w, const struct pack_id *pack);

/* Whether a block is worth asking for: it is not in the cache, nor in a window, nor behind the end. */
bool windows_lack(const struct windows *w, const struct pack_blocks *blocks, uint64_t block);

/* Whether WINDOW has some of the bytes from BEGIN to END of PACK. */
bool windows_overlap(const struct window *window, const struct pack_id *pack, uint64_t begin, uint64_t end);

/* The window that has, or will have, the byte at OFFSET; NULL. */
struct window *windows_find(const struct windows *w, const struct pack_id *pack, uint64_t offset);

/* A new one, to be loaded.  NULL without memory. */
struct window *windows_add(struct windows *w, const struct pack_id *pack, const char *path, uint64_t begin, size_t len);

/* Take back windows_add(). */
void windows_drop(struct windows *w, struct window *window);

/* Read the bytes of WINDOW; lets go of the lock.  0 or the error, which the window has, too. */
int windows_load(struct windows *w, struct window *window);

/* Have the cache keep what WINDOW has, of one that failed the whole blocks that came; lets go of the lock. */
void windows_keep(struct windows *w, struct window *window);

/* Free WINDOW, or the one used longest ago, unless it is still of use. */
void windows_settle(struct windows *w, struct window *window);

/* Have a thread load WINDOW and keep it.  False where there is none. */
bool windows_hand_over(struct windows *w, struct window *window);

/* Make READER's next range larger.  What it is. */
size_t windows_grow(struct reader *reader);

/* See to it that what READER, who is at WANT, comes to next is read by then; lets go of the lock. */
void windows_look_ahead(struct windows *w, struct reader *reader, const struct want *want);

#endif
