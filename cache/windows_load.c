#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/windows_inside.h"

/* --- what the cache has --- */

struct pack_blocks *windows_blocks(struct windows *w, const struct pack_id *pack)
{
	struct pack_blocks **slot = &w->blocks[(pack->bytes[1] ^ pack->bytes[6] << 1) % WINDOWS_PACKS], *scan;

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

/* --- the list --- */

static bool is_of_use(const struct window *window)
{
	return window->state != WINDOW_FAILED && !window->forgotten;
}

bool windows_overlap(const struct window *window, const struct pack_id *pack, uint64_t begin, uint64_t end)
{
	return pack_id_equal(&window->pack, pack) && window->begin < end && begin < window->begin + window->len;
}

struct window *windows_find(const struct windows *w, const struct pack_id *pack, uint64_t offset)
{
	struct window *window = w->first;

	while (window && !(is_of_use(window) && windows_overlap(window, pack, offset, offset + 1)))
		window = window->next;
	return window;
}

bool windows_lack(const struct windows *w, const struct pack_blocks *blocks, uint64_t block)
{
	const uint64_t begin = block * PACK_BLOCK, end = begin + PACK_BLOCK;

	if (block >= PACK_BLOCKS_MAX || (blocks->end && begin >= blocks->end) || pack_blocks_have(blocks, block))
		return false;
	for (const struct window *window = w->first; window; window = window->next) {
		/* Of one that is no longer loading a part is not the whole. */
		if (is_of_use(window) && windows_overlap(window, &blocks->pack, begin, end) &&
		    (window->state != WINDOW_LOADED ||
		     (window->begin <= begin && (end <= window->begin + window->len ||
		                                 (blocks->end && blocks->end <= window->begin + window->len)))))
			return false;
	}
	return true;
}

static void came(void *arg, size_t got)
{
	struct window *window = arg;

	if (got <= atomic_load(&window->arrived))
		return;
	atomic_store(&window->arrived, got);
	if (got < atomic_load(&window->wake_at))
		return;
	pthread_mutex_lock(&window->all->lock);
	atomic_store(&window->wake_at, SIZE_MAX);
	pthread_cond_broadcast(&window->all->loaded);
	pthread_mutex_unlock(&window->all->lock);
}

/* Memory for LEN bytes of WINDOW.  Whether there is. */
static bool add_room(struct windows *w, struct window *window, size_t len)
{
	const bool large = len > WINDOW_MAX / WINDOW_GROWTH && len <= WINDOW_MAX;

	window->room = large ? WINDOW_MAX : len ? len : 1;
	window->data = large && w->spare_count ? w->spare[--w->spare_count] : malloc(window->room);
	return window->data;
}

/* Memory is kept for as long as something is being read. */
static void drop_room(struct windows *w, struct window *window)
{
	if (window->room == WINDOW_MAX && w->first && w->spare_count < WINDOWS_SPARE)
		w->spare[w->spare_count++] = window->data;
	else
		free(window->data);
	while (!w->first && w->spare_count)
		free(w->spare[--w->spare_count]);
}

struct window *windows_add(struct windows *w, const struct pack_id *pack, const char *path, uint64_t begin, size_t len)
{
	struct window *window = calloc(1, sizeof(*window));

	if (!window || !add_room(w, window, len)) {
		free(window);
		return NULL;
	}
	window->all = w;
	window->pack = *pack;
	strcpy(window->path, path);
	window->begin = begin;
	window->len = len;
	window->state = WINDOW_LOADING;
	window->used = ++w->clock;
	atomic_init(&window->arrived, 0);
	atomic_init(&window->given, 0);
	atomic_init(&window->wake_at, SIZE_MAX);
	window->arrival = (struct arrival){.came = came, .arg = window};
	window->next = w->first;
	w->first = window;
	w->loading += len;
	return window;
}

static void free_window(struct windows *w, struct window *window)
{
	struct window **at = &w->first;

	while (*at != window)
		at = &(*at)->next;
	*at = window->next;
	drop_room(w, window);
	free(window);
}

void windows_drop(struct windows *w, struct window *window)
{
	w->loading -= window->len;
	free_window(w, window);
}

static void drop_oldest(struct windows *w)
{
	struct window *oldest = NULL;
	unsigned count = 0;

	for (struct window *window = w->first; window; window = window->next) {
		if (window->state != WINDOW_LOADED || window->users)
			continue;
		count++;
		if (!oldest || window->used < oldest->used)
			oldest = window;
	}
	if (count > WINDOWS_IN_MEMORY)
		free_window(w, oldest);
}

void windows_settle(struct windows *w, struct window *window)
{
	if (window->users || window->state == WINDOW_QUEUED || window->state == WINDOW_LOADING)
		return;
	if (!is_of_use(window) || window->kept || !window->len)
		free_window(w, window);
	else
		drop_oldest(w);
}

/* --- loading --- */

int windows_load(struct windows *w, struct window *window)
{
	const size_t asked = window->len;
	struct pack_blocks *blocks;
	ssize_t got;

	window->state = WINDOW_LOADING;
	pthread_mutex_unlock(&w->lock);
	got = remote_read_arriving(w->remote, window->path, window->begin, window->data, asked, &window->arrival);
	pthread_mutex_lock(&w->lock);
	blocks = windows_blocks(w, &window->pack);
	if (blocks && got >= 0 && (size_t)got < asked && (!blocks->end || window->begin + (size_t)got < blocks->end))
		blocks->end = window->begin + (size_t)got;
	w->loading -= asked;
	w->failing = got < 0 && !is_unanswered((int)got) && got != -ENOENT;
	window->used = ++w->clock;
	window->state = got < 0 ? WINDOW_FAILED : WINDOW_LOADED;
	window->error = got < 0 ? (int)got : 0;
	window->len = got < 0 ? 0 : (size_t)got;
	if (got >= 0)
		atomic_store(&window->arrived, window->len);
	pthread_cond_broadcast(&w->loaded);
	return window->error;
}

void windows_keep(struct windows *w, struct window *window)
{
	const size_t arrived = atomic_load(&window->arrived),
		     len = window->state == WINDOW_LOADED ? window->len : arrived - arrived % PACK_BLOCK;
	struct pack_blocks *blocks;
	bool kept;

	if (!w->cached || !len)
		return;
	window->users++;
	pthread_mutex_unlock(&w->lock);
	kept = cached_write(w->cached, &window->pack, window->begin, window->data, len);
	pthread_mutex_lock(&w->lock);
	window->kept = kept;
	blocks = windows_blocks(w, &window->pack);
	/* What turned out to be wrong meanwhile is in the cache, and not known to be. */
	if (blocks && kept && !window->forgotten)
		pack_blocks_add(blocks, window->begin, window->begin + len);
	window->users--; /* only now may others let go of it */
}
