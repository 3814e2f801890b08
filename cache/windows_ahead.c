#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/windows_inside.h"

/* So many ranges are under way for a reader, or wait for him. */
#define AHEAD_WINDOWS 3
#define CLOSING_NS UINT64_C(1000000000)

/* --- what follows a pack --- */

static struct window_follower *follower_of(struct windows *w, const struct pack_id *pack)
{
	return &w->followers[(pack->bytes[2] ^ pack->bytes[7]) % WINDOWS_FOLLOWED];
}

void windows_follow(struct windows *windows, const struct pack_id *pack, uint64_t end, const struct pack_id *next,
                    const char *path, uint64_t begin)
{
	struct window_follower *f = follower_of(windows, pack);

	pthread_mutex_lock(&windows->lock);
	/* Whoever says that the pack goes on further knows better. */
	if (!f->path[0] || !pack_id_equal(&f->pack, pack) || end >= f->end) {
		*f = (struct window_follower){.pack = *pack, .next = *next, .end = end, .begin = begin};
		strcpy(f->path, path);
	}
	pthread_mutex_unlock(&windows->lock);
}

/* There is no such pack here. */
static void forget_follower(struct windows *w, const struct pack_id *pack)
{
	for (unsigned i = 0; i < WINDOWS_FOLLOWED; i++) {
		if (pack_id_equal(&w->followers[i].next, pack))
			w->followers[i].path[0] = '\0';
	}
}

/* --- threads --- */

/* A thread, and what it is loading. */
struct loader {
	struct windows *windows;
	struct window *window;
};

static bool is_closing(const struct windows *w)
{
	return atomic_load(&w->closing);
}

/* At the end the block that bytes were given out of last is still waited for, a little: who had them counts on the
 * cache. */
static bool gives_up(void *arg)
{
	const struct loader *l = arg;
	const size_t given = atomic_load(&l->window->given), need = (given + PACK_BLOCK - 1) / PACK_BLOCK * PACK_BLOCK;

	return is_closing(l->windows) &&
	       (atomic_load(&l->window->arrived) >= need ||
	        io_monotonic_ns(io_system()) - atomic_load(&l->windows->closing_ns) > CLOSING_NS);
}

/* The one that was asked for first. */
static struct window *next_queued(struct windows *w)
{
	struct window *oldest = NULL;

	for (struct window *window = w->first; window; window = window->next) {
		if (window->state == WINDOW_QUEUED)
			oldest = window;
	}
	return oldest;
}

static void *load_queued(void *arg)
{
	struct windows *w = arg;
	struct loader loader = {.windows = w};

	pthread_mutex_lock(&w->lock);
	while (!is_closing(w)) {
		struct window *window = next_queued(w);

		if (!window) {
			w->idle++;
			pthread_cond_wait(&w->work, &w->lock);
			w->idle--;
			continue;
		}
		w->queued--;
		loader.window = window;
		interrupt_watch(gives_up, &loader);
		if (windows_load(w, window) == -ENOENT)
			forget_follower(w, &window->pack);
		windows_keep(w, window);
		windows_settle(w, window);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Whether there is a thread for one more, or can be. */
static bool may_hand_over(const struct windows *w)
{
	return w->queued < w->idle || w->threads_count < WINDOWS_THREADS;
}

bool windows_hand_over(struct windows *w, struct window *window)
{
	if (!may_hand_over(w))
		return false;
	if (w->queued >= w->idle) {
		if (pthread_create(&w->threads[w->threads_count], NULL, load_queued, w) != 0)
			return false;
		w->threads_count++;
	}
	window->state = WINDOW_QUEUED;
	w->queued++;
	pthread_cond_signal(&w->work);
	return true;
}

/* --- what comes next --- */

size_t windows_grow(struct reader *reader)
{
	reader->size = !reader->size                               ? WINDOW_FIRST
	               : reader->size < WINDOW_MAX / WINDOW_GROWTH ? WINDOW_GROWTH * reader->size
	                                                           : WINDOW_MAX;
	return reader->size;
}

/* Where a reader comes to: a block of a pack, and how many blocks from there on are his next. */
struct stretch {
	struct pack_id pack;
	char path[REMOTE_PATH_SIZE];
	uint64_t block;
	uint64_t left;
};

/* Go to the first block of STRETCH that is lacking, by way of the pack that follows where this one ends.  Lets go of
 * the lock. */
static bool find_lacking(struct windows *w, struct stretch *stretch)
{
	for (unsigned packs = 0; packs < 2; packs++) {
		const struct pack_blocks *blocks = windows_blocks(w, &stretch->pack);
		const struct window_follower *f = follower_of(w, &stretch->pack);
		const bool follows = f->path[0] && pack_id_equal(&f->pack, &stretch->pack);
		const uint64_t end = follows ? (f->end + PACK_BLOCK - 1) / PACK_BLOCK : UINT64_MAX;

		while (blocks && stretch->left && stretch->block < end && stretch->block < PACK_BLOCKS_MAX) {
			if (windows_lack(w, blocks, stretch->block))
				return true;
			stretch->block++;
			stretch->left--;
		}
		if (!blocks || !stretch->left || !follows)
			return false;
		stretch->pack = f->next;
		memcpy(stretch->path, f->path, sizeof(f->path));
		stretch->block = f->begin / PACK_BLOCK;
	}
	return false;
}

void windows_look_ahead(struct windows *w, struct reader *reader, const struct want *want)
{
	struct stretch stretch = {
	    .pack = *want->pack,
	    /* Without a cache ranges begin and end anywhere. */
	    .block = (want->offset + want->len + (w->cached ? 0 : PACK_BLOCK - 1)) / PACK_BLOCK,
	    .left = AHEAD_WINDOWS * reader->size / PACK_BLOCK,
	};
	const struct pack_blocks *blocks;
	struct window *window;
	uint64_t end;

	if (!reader->size || !reader_goes_on(reader) || want->offset < reader->look || w->failing || w->queued ||
	    w->loading >= WINDOWS_LOADING_MAX)
		return;
	strcpy(stretch.path, want->path);
	if (!find_lacking(w, &stretch)) {
		reader->look = (want->offset / PACK_BLOCK + 1) * PACK_BLOCK;
		return;
	}
	blocks = windows_blocks(w, &stretch.pack);
	if (!blocks || !may_hand_over(w))
		return;
	windows_grow(reader);
	if (!pack_id_equal(&stretch.pack, want->pack))
		readers_expect(&w->readers, reader, &stretch.pack, stretch.block * PACK_BLOCK);
	for (end = stretch.block + 1; end - stretch.block < reader->size / PACK_BLOCK && windows_lack(w, blocks, end);
	     end++)
		;
	window = windows_add(w, &stretch.pack, stretch.path, stretch.block * PACK_BLOCK,
	                     (size_t)(end - stretch.block) * PACK_BLOCK);
	if (window && !windows_hand_over(w, window))
		windows_drop(w, window);
}
