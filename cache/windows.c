#include "cache/windows.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

#define STREAMS 16
/* Readers beside one another come a little out of order, and records that are held already leave gaps. */
#define GAP_MAX ((uint64_t)1 << 20)

/* A reader that goes through a pack. */
struct stream {
	struct pack_id pack;
	uint64_t next; /* where it is expected; 0: no stream */
	size_t size;   /* of its last window, 0 for none */
	uint64_t heard;
};

struct window {
	struct pack_id pack;
	uint64_t begin;
	size_t len; /* asked for, then what came */
	uint8_t *data;
	bool loading;
	unsigned users; /* that copy from it */
	uint64_t used;
};

struct windows {
	struct remote *remote;
	pthread_mutex_t lock; /* of all below, but not of the bytes of a window that is loading, or that has users */
	pthread_cond_t loaded;
	uint64_t clock; /* counts uses */
	struct stream streams[STREAMS];
	struct window slots[WINDOWS];
};

int windows_open(struct remote *remote, struct windows **windows)
{
	struct windows *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->remote = remote;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->loaded, NULL);
	*windows = w;
	return 0;
}

void windows_close(struct windows *windows)
{
	if (!windows)
		return;
	for (unsigned i = 0; i < WINDOWS; i++)
		free(windows->slots[i].data);
	pthread_cond_destroy(&windows->loaded);
	pthread_mutex_destroy(&windows->lock);
	free(windows);
}

/* Note a read, and answer how much is to be read from there: 0 for no more than was asked for. */
static size_t note_read(struct windows *w, const struct pack_id *pack, uint64_t offset, size_t len, bool is_held)
{
	struct stream *oldest = &w->streams[0];

	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *s = &w->streams[i];

		if (s->next && pack_id_equal(&s->pack, pack) && offset + GAP_MAX >= s->next &&
		    offset <= s->next + GAP_MAX) {
			if (offset + len > s->next)
				s->next = offset + len;
			s->heard = ++w->clock;
			if (is_held)
				return 0;
			s->size = !s->size ? WINDOW_FIRST : s->size < WINDOW_MAX / 2 ? 2 * s->size : WINDOW_MAX;
			return s->size;
		}
		if (s->heard < oldest->heard)
			oldest = s;
	}
	*oldest = (struct stream){.pack = *pack, .next = offset + len, .heard = ++w->clock};
	return 0;
}

static bool holds(const struct window *window, const struct pack_id *pack, uint64_t offset, size_t len)
{
	return window->data && pack_id_equal(&window->pack, pack) && offset >= window->begin &&
	       offset - window->begin <= window->len && len <= window->len - (offset - window->begin);
}

static struct window *find(struct windows *w, const struct pack_id *pack, uint64_t offset, size_t len)
{
	for (unsigned i = 0; i < WINDOWS; i++) {
		if (holds(&w->slots[i], pack, offset, len))
			return &w->slots[i];
	}
	return NULL;
}

/* A slot for a new window: the one used longest ago that nobody needs; NULL where all are needed. */
static struct window *free_slot(struct windows *w)
{
	struct window *best = NULL;

	for (unsigned i = 0; i < WINDOWS; i++) {
		struct window *slot = &w->slots[i];

		if (!slot->loading && !slot->users && (!best || slot->used < best->used))
			best = slot;
	}
	return best;
}

/* Copy from a window that is not loading; the lock is held, and given up meanwhile. */
static void copy_out(struct windows *w, struct window *window, uint64_t offset, void *data, size_t len)
{
	window->users++;
	window->used = ++w->clock;
	pthread_mutex_unlock(&w->lock);
	memcpy(data, window->data + (offset - window->begin), len);
	pthread_mutex_lock(&w->lock);
	window->users--;
}

/* Exactly what was asked for. */
static int read_exactly(struct windows *w, const char *path, uint64_t offset, void *data, size_t len)
{
	ssize_t got = remote_read(w->remote, path, offset, data, len);

	if (got < 0)
		return (int)got;
	return (size_t)got < len ? -EBADMSG : 0;
}

/* Fill SLOT with SIZE bytes from OFFSET on.  The lock is held, and given up meanwhile. */
static int load(struct windows *w, struct window *slot, const struct pack_id *pack, const char *path, uint64_t offset,
                size_t size)
{
	uint8_t *data = realloc(slot->data, size);
	ssize_t got;

	if (!data)
		return -ENOMEM;
	*slot = (struct window){.pack = *pack, .begin = offset, .len = size, .data = data, .loading = true};
	pthread_mutex_unlock(&w->lock);
	got = remote_read(w->remote, path, offset, data, size);
	pthread_mutex_lock(&w->lock);
	slot->loading = false;
	slot->len = got < 0 ? 0 : (size_t)got;
	slot->used = ++w->clock;
	pthread_cond_broadcast(&w->loaded);
	return got < 0 ? (int)got : 0;
}

int windows_read(struct windows *windows, const struct pack_id *pack, const char *path, uint64_t offset, void *data,
                 size_t len)
{
	struct windows *w = windows;
	struct window *window;
	size_t size;
	int error = 0;

	pthread_mutex_lock(&w->lock);
	while (!error && (window = find(w, pack, offset, len)) && window->loading)
		error = interrupt_wait(&w->loaded, &w->lock);
	size = error ? 0 : note_read(w, pack, offset, len, window);
	if (!error && !window && size > len) {
		struct window *slot = free_slot(w);

		if (slot) {
			error = load(w, slot, pack, path, offset, size);
			window = slot;
			if (!error && !holds(slot, pack, offset, len))
				error = -EBADMSG; /* the file ends before */
		}
	}
	if (!error && window)
		copy_out(w, window, offset, data, len);
	pthread_mutex_unlock(&w->lock);
	return error || window ? error : read_exactly(w, path, offset, data, len);
}

void windows_forget(struct windows *windows, const struct pack_id *pack, uint64_t offset)
{
	struct window *window;

	pthread_mutex_lock(&windows->lock);
	window = find(windows, pack, offset, 1);
	if (window && !window->loading)
		window->len = 0;
	pthread_mutex_unlock(&windows->lock);
}
