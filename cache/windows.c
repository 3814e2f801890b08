#include "cache/windows.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/pack_blocks.h"
#include "cache/readers.h"

#define PACKS 256 /* of which it is remembered what the cache has; a power of two */
#define CREDIT_MAX ((size_t)64 << 20)
#define LOADING_MAX ((size_t)64 << 20) /* bytes asked for at once, above which nothing more than is needed is */
#define KEPT_WINDOWS 8                 /* in memory, where there is no cache */
#define AHEAD_THREADS 3

/* A range that is being read, or is in memory. */
struct window {
	struct window *next;
	struct pack_id pack;
	char path[REMOTE_PATH_SIZE];
	uint64_t begin;
	size_t len; /* asked for, then what came */
	uint8_t *data;
	bool loading;
	bool ahead;     /* nobody waits for it yet */
	unsigned users; /* that copy from it */
	uint64_t used;
};

struct windows {
	struct remote *remote;
	struct cached *cached;
	pthread_mutex_t lock; /* of all below, but not of the bytes of a window that is loading, or that has users */
	pthread_cond_t loaded;
	pthread_cond_t work;
	uint64_t clock; /* counts uses */
	struct readers readers;
	struct pack_blocks *blocks[PACKS]; /* of some packs */
	struct window *first;
	size_t loading;             /* bytes that are being read */
	unsigned ahead_count, idle; /* windows to be read ahead and not taken yet; threads that wait for some */
	unsigned threads_count;
	pthread_t threads[AHEAD_THREADS];
	atomic_bool closing;
};

/* A range that is asked for. */
struct want {
	const struct pack_id *pack;
	const char *path;
	uint64_t offset;
	size_t len;
};

int windows_open(struct remote *remote, struct cached *cached, struct windows **windows)
{
	struct windows *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->remote = remote;
	w->cached = cached;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->loaded, NULL);
	pthread_cond_init(&w->work, NULL);
	*windows = w;
	return 0;
}

static void free_window(struct windows *w, struct window *window)
{
	struct window **at = &w->first;

	while (*at != window)
		at = &(*at)->next;
	*at = window->next;
	free(window->data);
	free(window);
}

void windows_close(struct windows *windows)
{
	if (!windows)
		return;
	pthread_mutex_lock(&windows->lock);
	atomic_store(&windows->closing, true);
	pthread_cond_broadcast(&windows->work);
	pthread_mutex_unlock(&windows->lock);
	for (unsigned i = 0; i < windows->threads_count; i++)
		pthread_join(windows->threads[i], NULL);
	while (windows->first)
		free_window(windows, windows->first);
	for (unsigned i = 0; i < PACKS; i++)
		free(windows->blocks[i]);
	pthread_cond_destroy(&windows->work);
	pthread_cond_destroy(&windows->loaded);
	pthread_mutex_destroy(&windows->lock);
	free(windows);
}

/* --- what the cache has --- */

/* With the lock held, which is let go of while the cache is looked at the first time.  NULL without memory. */
static struct pack_blocks *blocks_of(struct windows *w, const struct pack_id *pack)
{
	struct pack_blocks **slot = &w->blocks[(pack->bytes[1] ^ pack->bytes[6] << 1) % PACKS], *scan;

	if (*slot && pack_id_equal(&(*slot)->pack, pack))
		return *slot;
	scan = calloc(1, sizeof(*scan));
	if (!scan)
		return NULL;
	pthread_mutex_unlock(&w->lock);
	if (w->cached)
		cached_each_part(w->cached, pack, pack_blocks_take_part, scan);
	pthread_mutex_lock(&w->lock);
	/* Another may have been faster; what it knows is newer. */
	if (*slot && pack_id_equal(&(*slot)->pack, pack)) {
		free(scan);
		return *slot;
	}
	scan->pack = *pack;
	if (*slot) {
		**slot = *scan;
		free(scan);
	} else {
		*slot = scan;
	}
	return *slot;
}

/* --- windows --- */

static size_t grow(struct reader *r)
{
	r->size = !r->size ? WINDOW_FIRST : r->size < WINDOW_MAX / WINDOW_GROWTH ? WINDOW_GROWTH * r->size : WINDOW_MAX;
	return r->size;
}

static bool overlaps(const struct window *window, const struct pack_id *pack, uint64_t begin, uint64_t end)
{
	return pack_id_equal(&window->pack, pack) && window->begin < end && begin < window->begin + window->len;
}

static bool covers(const struct window *window, const struct want *want)
{
	return pack_id_equal(&window->pack, want->pack) && want->offset >= window->begin &&
	       want->offset + want->len <= window->begin + window->len;
}

/* Whether a block is being read. */
static bool is_loading(const struct windows *w, const struct pack_id *pack, uint64_t block)
{
	for (const struct window *window = w->first; window; window = window->next) {
		if (window->loading && overlaps(window, pack, block * PACK_BLOCK, (block + 1) * (uint64_t)PACK_BLOCK))
			return true;
	}
	return false;
}

/* Whether a block is worth asking for. */
static bool is_missing(const struct windows *w, const struct pack_blocks *blocks, uint64_t block)
{
	return block < PACK_BLOCKS_MAX && (!blocks->end || block * PACK_BLOCK < blocks->end) &&
	       !pack_blocks_have(blocks, block) && !is_loading(w, &blocks->pack, block);
}

static struct window *add_window(struct windows *w, const struct want *want, uint64_t begin, size_t len)
{
	struct window *window = calloc(1, sizeof(*window));

	if (window)
		window->data = malloc(len ? len : 1);
	if (!window || !window->data) {
		free(window);
		return NULL;
	}
	window->pack = *want->pack;
	strcpy(window->path, want->path);
	window->begin = begin;
	window->len = len;
	window->loading = true;
	window->used = ++w->clock;
	window->next = w->first;
	w->first = window;
	w->loading += len;
	return window;
}

/* Without a cache: so many stay in memory. */
static void drop_old(struct windows *w)
{
	for (;;) {
		struct window *oldest = NULL;
		unsigned kept = 0;

		for (struct window *window = w->first; window; window = window->next) {
			if (window->loading || window->users)
				continue;
			kept++;
			if (!oldest || window->used < oldest->used)
				oldest = window;
		}
		if (kept <= KEPT_WINDOWS)
			return;
		free_window(w, oldest);
	}
}

/* Read WINDOW's bytes; KEEP them in the cache.  The lock is held, and let go of meanwhile; a window that is in the
 * cache by then is empty. */
static int load(struct windows *w, struct window *window, bool keep)
{
	ssize_t got;
	bool kept = false;
	struct pack_blocks *blocks;

	pthread_mutex_unlock(&w->lock);
	got = remote_read(w->remote, window->path, window->begin, window->data, window->len);
	if (got > 0 && keep)
		kept = cached_write(w->cached, &window->pack, window->begin, window->data, (size_t)got);
	pthread_mutex_lock(&w->lock);
	blocks = blocks_of(w, &window->pack);
	if (blocks && got >= 0 && (size_t)got < window->len)
		blocks->end = window->begin + (size_t)got;
	if (blocks && kept)
		pack_blocks_add(blocks, window->begin, window->begin + (size_t)got);
	w->loading -= window->len;
	window->loading = false;
	window->len = got < 0 ? 0 : (size_t)got;
	window->used = ++w->clock;
	pthread_cond_broadcast(&w->loaded);
	return got < 0 ? (int)got : 0;
}

/* WINDOW was loaded and used: it is kept in memory only where there is no cache. */
static void settle(struct windows *w, struct window *window)
{
	if (window->users)
		return;
	if (!window->len || w->cached)
		free_window(w, window);
	else
		drop_old(w);
}

/* Copy from a window that is not loading; the lock is held, and let go of meanwhile. */
static void copy_out(struct windows *w, struct window *window, const struct want *want, void *data)
{
	window->users++;
	window->used = ++w->clock;
	pthread_mutex_unlock(&w->lock);
	memcpy(data, window->data + (want->offset - window->begin), want->len);
	pthread_mutex_lock(&w->lock);
	window->users--;
	settle(w, window);
}

/* --- reading ahead --- */

static bool is_closing(void *arg)
{
	struct windows *w = arg;

	return atomic_load_explicit(&w->closing, memory_order_relaxed);
}

static void *read_ahead(void *arg)
{
	struct windows *w = arg;

	interrupt_watch(is_closing, w);
	pthread_mutex_lock(&w->lock);
	while (!is_closing(w)) {
		struct window *window = w->first;

		while (window && !window->ahead)
			window = window->next;
		if (!window) {
			w->idle++;
			pthread_cond_wait(&w->work, &w->lock);
			w->idle--;
			continue;
		}
		window->ahead = false;
		w->ahead_count--;
		load(w, window, true);
		settle(w, window);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* See to it that what reader R comes to next is read by then. */
static void look_ahead(struct windows *w, struct reader *r, const struct pack_blocks *blocks, const struct want *want)
{
	const uint64_t from = (want->offset + want->len) / PACK_BLOCK, to = from + 2 * r->size / PACK_BLOCK;
	uint64_t begin = from, end;

	while (begin < to && !is_missing(w, blocks, begin))
		begin++;
	/* What is in memory would be told apart from what is missing by the cache alone. */
	if (!w->cached || !r->size || !reader_goes_on(r) || begin >= to || w->ahead_count || w->loading >= LOADING_MAX)
		return;
	if (!w->idle) {
		if (w->threads_count == AHEAD_THREADS ||
		    pthread_create(&w->threads[w->threads_count], NULL, read_ahead, w))
			return;
		w->threads_count++;
	}
	grow(r);
	for (end = begin + 1; end - begin < r->size / PACK_BLOCK && is_missing(w, blocks, end); end++)
		;
	struct window *window = add_window(w, want, begin * PACK_BLOCK, (size_t)(end - begin) * PACK_BLOCK);
	if (!window)
		return;
	window->ahead = true;
	w->ahead_count++;
	pthread_cond_signal(&w->work);
}

/* --- reading --- */

/* Choose the range that is read for WANT, of which something is missing. */
static struct window *plan(struct windows *w, struct pack_blocks *blocks, struct reader *r, const struct want *want)
{
	uint64_t begin = want->offset / PACK_BLOCK, end = (want->offset + want->len + PACK_BLOCK - 1) / PACK_BLOCK,
		 budget;

	if (r) {
		budget = grow(r);
	} else {
		blocks->credit += WINDOW_RANDOM;
		budget = blocks->credit < WINDOW_MAX ? blocks->credit : WINDOW_MAX;
	}
	budget = w->loading < LOADING_MAX ? budget / PACK_BLOCK : 0;
	/* Where it seemed to end before, it is asked again. */
	if (blocks->end < want->offset + want->len)
		blocks->end = 0;
	while (begin + 1 < end && pack_blocks_have(blocks, begin))
		begin++;
	while (end - 1 > begin && pack_blocks_have(blocks, end - 1))
		end--;
	while (end - begin < budget && is_missing(w, blocks, end))
		end++;
	while (!r && end - begin < budget && begin && is_missing(w, blocks, begin - 1))
		begin--;
	if (!r)
		blocks->credit -=
		    blocks->credit < (end - begin) * PACK_BLOCK ? blocks->credit : (size_t)(end - begin) * PACK_BLOCK;
	return add_window(w, want, begin * PACK_BLOCK, (size_t)(end - begin) * PACK_BLOCK);
}

/* The same without a cache: no less than WANT, and more only in order. */
static struct window *plan_in_memory(struct windows *w, struct reader *r, const struct want *want)
{
	size_t size = r ? grow(r) : 0;

	return add_window(w, want, want->offset, size > want->len ? size : want->len);
}

static struct window *find_window(struct windows *w, const struct want *want, bool loading)
{
	struct window *window = w->first;

	while (window && (window->loading != loading ||
	                  !(loading ? overlaps(window, want->pack, want->offset, want->offset + want->len)
	                            : covers(window, want))))
		window = window->next;
	return window;
}

/* What is there already, with the lock held, which is let go of meanwhile.  0 or -ENOENT. */
static int read_held(struct windows *w, struct pack_blocks *blocks, const struct want *want, void *data)
{
	struct window *window = find_window(w, want, false);
	int error;

	if (window) {
		copy_out(w, window, want, data);
		return 0;
	}
	if (!w->cached || !pack_blocks_have_all(blocks, want->offset, want->len))
		return -ENOENT;
	pthread_mutex_unlock(&w->lock);
	error = cached_read(w->cached, want->pack, want->offset, data, want->len);
	pthread_mutex_lock(&w->lock);
	blocks = error ? blocks_of(w, want->pack) : NULL;
	if (blocks)
		pack_blocks_remove(blocks, want->offset, want->offset + want->len);
	return error;
}

/* Read what is missing of WANT.  *DONE where DATA is filled. */
static int read_missing(struct windows *w, struct pack_blocks *blocks, struct reader *r, const struct want *want,
                        void *data, bool in_memory, bool *done)
{
	struct window *window = in_memory ? plan_in_memory(w, r, want) : plan(w, blocks, r, want);
	const uint64_t end = window ? window->begin + window->len : 0;
	int error = window ? load(w, window, !in_memory) : -ENOMEM;

	if (!window)
		return error;
	*done = !error && covers(window, want);
	/* The file ends before. */
	if (!error && window->begin + window->len < end && window->begin + window->len < want->offset + want->len)
		error = -EBADMSG;
	if (*done)
		copy_out(w, window, want, data);
	else
		settle(w, window);
	return error;
}

int windows_read(struct windows *windows, const struct pack_id *pack, const char *path, uint64_t offset, void *data,
                 size_t len, bool *kept)
{
	struct windows *w = windows;
	const struct want want = {.pack = pack, .path = path, .offset = offset, .len = len};
	struct reader *r;
	struct pack_blocks *blocks;
	bool done = false, held = false;
	unsigned tries = 0;
	int error = 0;

	pthread_mutex_lock(&w->lock);
	r = readers_note(&w->readers, pack, offset, len);
	while (!error && !done) {
		blocks = blocks_of(w, pack);
		if (!blocks) {
			error = -ENOMEM;
			break;
		}
		if (find_window(w, &want, true)) {
			error = interrupt_wait(&w->loaded, &w->lock);
			continue;
		}
		held = done = read_held(w, blocks, &want, data) == 0;
		/* Parts that went into the cache and can't be had from there: then all at once. */
		if (!done && (blocks = blocks_of(w, pack)))
			error = read_missing(w, blocks, r, &want, data, !w->cached || tries++ > 8, &done);
	}
	blocks = error ? NULL : blocks_of(w, pack);
	if (blocks && held && blocks->credit < CREDIT_MAX)
		blocks->credit += WINDOW_HIT;
	if (blocks && r)
		look_ahead(w, r, blocks, &want);
	pthread_mutex_unlock(&w->lock);
	if (kept)
		*kept = held;
	return error;
}

int windows_try(struct windows *windows, const struct pack_id *pack, const char *path, uint64_t offset, void *data,
                size_t len)
{
	struct windows *w = windows;
	const struct want want = {.pack = pack, .path = path, .offset = offset, .len = len};
	struct pack_blocks *blocks;
	struct reader *r;
	int error = -ENOENT;

	pthread_mutex_lock(&w->lock);
	blocks = blocks_of(w, pack);
	if (blocks)
		error = read_held(w, blocks, &want, data);
	blocks = error ? NULL : blocks_of(w, pack);
	if (blocks) {
		if (blocks->credit < CREDIT_MAX)
			blocks->credit += WINDOW_HIT;
		r = readers_note(&w->readers, pack, offset, len);
		if (r)
			look_ahead(w, r, blocks, &want);
	}
	pthread_mutex_unlock(&w->lock);
	return error;
}

void windows_forget(struct windows *windows, const struct pack_id *pack, uint64_t offset, size_t len)
{
	struct pack_blocks *blocks;

	pthread_mutex_lock(&windows->lock);
	blocks = blocks_of(windows, pack);
	if (blocks)
		pack_blocks_remove(blocks, offset, offset + len);
	for (struct window *window = windows->first, *next; window; window = next) {
		next = window->next;
		if (!window->loading && !window->users && overlaps(window, pack, offset, offset + len))
			free_window(windows, window);
	}
	pthread_mutex_unlock(&windows->lock);
}
