#include "cache/windows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/windows_inside.h"

#define ARRIVAL_MORE ((size_t)512 << 10)
#define ARRIVAL_MORE_MS 5

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

void windows_close(struct windows *windows)
{
	if (!windows)
		return;
	pthread_mutex_lock(&windows->lock);
	atomic_store(&windows->closing_ns, io_monotonic_ns(io_system()));
	atomic_store(&windows->closing, true);
	pthread_cond_broadcast(&windows->work);
	pthread_mutex_unlock(&windows->lock);
	for (unsigned i = 0; i < windows->threads_count; i++)
		pthread_join(windows->threads[i], NULL);
	for (struct window *window = windows->first, *next; window; window = next) {
		next = window->next;
		free(window->data);
		free(window);
	}
	while (windows->spare_count)
		free(windows->spare[--windows->spare_count]);
	for (unsigned i = 0; i < WINDOWS_PACKS; i++)
		free(windows->blocks[i]);
	pthread_cond_destroy(&windows->work);
	pthread_cond_destroy(&windows->loaded);
	pthread_mutex_destroy(&windows->lock);
	free(windows);
}

/* --- which range is read --- */

void windows_reach(struct windows *windows, const struct pack_id *pack, uint64_t begin, uint64_t end)
{
	struct windows *w = windows;
	uint64_t from = begin;
	bool known = false;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < WINDOWS_REACHES; i++) {
		const struct window_reach *reach = &w->reaches[i];

		if (!pack_id_equal(&reach->pack, pack))
			continue;
		known |= reach->begin == begin && reach->end == end;
		/* A record may belong to two reads. */
		if (reach->begin < from && from < reach->end && reach->end < end)
			from = reach->end;
	}
	if (!known) {
		w->reaches[w->reach_next++ % WINDOWS_REACHES] =
		    (struct window_reach){.pack = *pack, .begin = begin, .end = end};
		readers_note_reach(&w->readers, pack, from, end);
	}
	pthread_mutex_unlock(&w->lock);
}

/* The read that WANT is of, which takes more than that; NULL where none is known. */
static const struct window_reach *reach_of(const struct windows *w, const struct want *want)
{
	for (unsigned i = 0; i < WINDOWS_REACHES; i++) {
		const struct window_reach *reach = &w->reaches[i];

		if (reach->begin <= want->offset && want->offset + want->len <= reach->end &&
		    pack_id_equal(&reach->pack, want->pack))
			return reach;
	}
	return NULL;
}

/* How far that goes on, in one range. */
static uint64_t end_of_read(const struct windows *w, const struct want *want)
{
	const struct window_reach *reach = reach_of(w, want);
	const uint64_t most = want->offset + WINDOW_MAX;

	return !reach ? want->offset + want->len : reach->end < most ? reach->end : most;
}

/* The reader that WANT is read by, noted; NULL for one in no order. */
static struct reader *reader_of(struct windows *w, const struct want *want)
{
	const struct window_reach *reach = reach_of(w, want);

	return reach ? readers_find(&w->readers, want->pack, reach->end)
	             : readers_note(&w->readers, want->pack, want->offset, want->len);
}

/* The range that is read for the byte at OFFSET of WANT, which is missing. */
static struct window *plan(struct windows *w, struct pack_blocks *blocks, struct reader *r, const struct want *want,
                           uint64_t offset)
{
	uint64_t begin = offset / PACK_BLOCK, end = begin + 1, budget;
	const uint64_t wanted_end = (end_of_read(w, want) + PACK_BLOCK - 1) / PACK_BLOCK;

	if (r) {
		budget = windows_grow(r);
	} else {
		blocks->credit += WINDOW_RANDOM;
		budget = blocks->credit < WINDOW_MAX ? blocks->credit : WINDOW_MAX;
	}
	budget = w->loading < WINDOWS_LOADING_MAX ? budget / PACK_BLOCK : 0;
	/* Where it seemed to end before, it is asked again. */
	if (blocks->end < want->offset + want->len)
		blocks->end = 0;
	while ((end < wanted_end || end - begin < budget) && windows_lack(w, blocks, end))
		end++;
	while (!r && end - begin < budget && begin && windows_lack(w, blocks, begin - 1))
		begin--;
	if (!r)
		blocks->credit -=
		    blocks->credit < (end - begin) * PACK_BLOCK ? blocks->credit : (size_t)(end - begin) * PACK_BLOCK;
	return windows_add(w, want->pack, want->path, begin * PACK_BLOCK, (size_t)(end - begin) * PACK_BLOCK);
}

/* The same without a cache: no less than WANT, and more only in order. */
static struct window *plan_in_memory(struct windows *w, struct reader *r, const struct want *want, uint64_t offset)
{
	const size_t size = r ? windows_grow(r) : 0, left = (size_t)(end_of_read(w, want) - offset);

	return windows_add(w, want->pack, want->path, offset, size > left ? size : left);
}

/* --- taking --- */

/* A range on its way to who asks for it. */
struct taking {
	struct windows *windows;
	const struct want *want;
	uint8_t *data;
	size_t done;
	bool asked; /* the remote, for this */
};

static size_t still_wanted(const struct taking *t)
{
	return t->want->len - t->done;
}

/* Copy what WINDOW has of what is wanted next, which is something; the lock is let go of meanwhile. */
static void take_from_window(struct taking *t, struct window *window)
{
	struct windows *w = t->windows;
	const size_t skip = (size_t)(t->want->offset + t->done - window->begin);
	const size_t arrived = atomic_load(&window->arrived);
	size_t take = arrived > skip ? arrived - skip : 0;

	if (take > still_wanted(t))
		take = still_wanted(t);
	window->users++;
	window->used = ++w->clock;
	pthread_mutex_unlock(&w->lock);
	memcpy(t->data + t->done, window->data + skip, take);
	pthread_mutex_lock(&w->lock);
	if (skip + take > atomic_load(&window->given))
		atomic_store(&window->given, skip + take);
	window->users--;
	t->done += take;
}

/* Take what the cache has of what is wanted next; the lock is let go of meanwhile.  What it turns out not to have is
 * known to be missing then.  Whether there was anything to try. */
static bool take_from_cache(struct taking *t, struct pack_blocks *blocks)
{
	struct windows *w = t->windows;
	const uint64_t at = t->want->offset + t->done;
	size_t take = 0;

	while (take < still_wanted(t) && pack_blocks_have(blocks, (at + take) / PACK_BLOCK))
		take = (size_t)(((at + take) / PACK_BLOCK + 1) * PACK_BLOCK - at);
	if (!w->cached || !take)
		return false;
	if (take > still_wanted(t))
		take = still_wanted(t);
	pthread_mutex_unlock(&w->lock);
	int error = cached_read(w->cached, t->want->pack, at, t->data + t->done, take);
	pthread_mutex_lock(&w->lock);
	blocks = error ? windows_blocks(w, t->want->pack) : NULL;
	if (blocks)
		pack_blocks_remove(blocks, at, at + take);
	if (!error)
		t->done += take;
	return true;
}

static bool has_arrived(const struct window *window, uint64_t offset)
{
	return atomic_load(&window->arrived) > offset - window->begin;
}

/* Wait for NEED bytes of WINDOW to come.  Where some are coming, for a little more: those who read in order come back
 * for what is next, and what is there then needs no waiting. */
static int wait_for_arrival(struct windows *w, struct window *window, size_t need)
{
	const bool some = atomic_load(&window->arrived);
	const size_t wake_at = some ? need + ARRIVAL_MORE : 1;

	if (wake_at < atomic_load(&window->wake_at))
		atomic_store(&window->wake_at, wake_at);
	if (atomic_load(&window->arrived) >= wake_at)
		return 0;
	return some ? interrupt_wait_for(&w->loaded, &w->lock, ARRIVAL_MORE_MS) : interrupt_wait(&w->loaded, &w->lock);
}

/* Wait until what WINDOW will have of what is wanted next has come, and take it. */
static int wait_for_window(struct taking *t, struct window *window)
{
	struct windows *w = t->windows;
	const size_t skip = (size_t)(t->want->offset + t->done - window->begin), left = window->len - skip,
		     need = skip + (left < still_wanted(t) ? left : still_wanted(t));
	const uint64_t at = window->begin + skip;
	int error = 0;

	window->users++;
	while (!error && window->state != WINDOW_FAILED && window->state != WINDOW_LOADED &&
	       atomic_load(&window->arrived) < need)
		error = wait_for_arrival(w, window, need);
	if (!error && window->state != WINDOW_FAILED && has_arrived(window, at))
		take_from_window(t, window);
	else if (!error && window->state == WINDOW_LOADED)
		error = -EBADMSG; /* the file ends before */
	window->users--;
	/* That another gave up says nothing here. */
	if (!error && window->state == WINDOW_FAILED && window->error != -EINTR && window->error != -EINPROGRESS)
		error = window->error;
	windows_settle(w, window);
	return error;
}

/* Read what is missing of what is wanted next. */
static int take_from_remote(struct taking *t, struct pack_blocks *blocks, struct reader *r)
{
	struct windows *w = t->windows;
	const uint64_t at = t->want->offset + t->done;
	struct window *window = w->cached ? plan(w, blocks, r, t->want, at) : plan_in_memory(w, r, t->want, at);
	int error;

	if (!window)
		return -ENOMEM;
	t->asked = true;
	if (r)
		windows_look_ahead(w, r, t->want);
	if (window->len > WINDOWS_OWN && windows_hand_over(w, window))
		return wait_for_window(t, window);
	window->users++;
	error = windows_load(w, window);
	if (!error && has_arrived(window, at))
		take_from_window(t, window);
	else if (!error)
		error = -EBADMSG; /* the file ends before */
	windows_keep(w, window);
	window->users--;
	windows_settle(w, window);
	return error;
}

/* Take all that needs no waiting: 0, or -ENOENT where something is not there yet. */
static int take_held(struct taking *t)
{
	struct windows *w = t->windows;

	while (still_wanted(t)) {
		struct pack_blocks *blocks = windows_blocks(w, t->want->pack);
		struct window *window = windows_find(w, t->want->pack, t->want->offset + t->done);

		if (!blocks)
			return -ENOMEM;
		if (window && has_arrived(window, t->want->offset + t->done)) {
			take_from_window(t, window);
			windows_settle(w, window);
		} else if (!take_from_cache(t, blocks)) {
			return -ENOENT;
		}
	}
	return 0;
}

/* R, if it is still the reader of what is wanted: it may have been forgotten while the lock was let go of. */
static struct reader *still(struct reader *r, const struct want *want)
{
	return r && pack_id_equal(&r->pack, want->pack) ? r : NULL;
}

/* The next step towards all that is wanted, where it is not held. */
static int take_next(struct taking *t, struct reader *r)
{
	struct windows *w = t->windows;
	struct pack_blocks *blocks = windows_blocks(w, t->want->pack);
	struct window *window = windows_find(w, t->want->pack, t->want->offset + t->done);

	if (!blocks)
		return -ENOMEM;
	return window ? wait_for_window(t, window) : take_from_remote(t, blocks, still(r, t->want));
}

/* Reads that needed no request, from their beginning, allow the next that does to bring more. */
static void count_hit(struct windows *w, const struct want *want)
{
	const struct window_reach *reach = reach_of(w, want);
	const bool begins = !reach || reach->begin == want->offset;
	struct pack_blocks *blocks = begins ? windows_blocks(w, want->pack) : NULL;

	if (blocks && blocks->credit < WINDOWS_CREDIT_MAX)
		blocks->credit += WINDOW_HIT;
}

int windows_read(struct windows *windows, const struct pack_id *pack, const char *path, uint64_t offset, void *data,
                 size_t len, bool *kept)
{
	struct windows *w = windows;
	const struct want want = {.pack = pack, .path = path, .offset = offset, .len = len};
	struct taking taking = {.windows = w, .want = &want, .data = data};
	struct reader *r;
	int error;

	pthread_mutex_lock(&w->lock);
	r = reader_of(w, &want);
	/* What is on its way comes without help; what is missing is planned first. */
	if (r && windows_find(w, pack, offset)) {
		if (!r->size)
			windows_grow(r);
		windows_look_ahead(w, r, &want);
	}
	while ((error = take_held(&taking)) == -ENOENT) {
		error = take_next(&taking, r);
		if (error)
			break;
	}
	if (!error && !taking.asked)
		count_hit(w, &want);
	if (!error && still(r, &want))
		windows_look_ahead(w, r, &want);
	pthread_mutex_unlock(&w->lock);
	if (kept)
		*kept = !taking.asked;
	return error;
}

int windows_try(struct windows *windows, const struct pack_id *pack, const char *path, uint64_t offset, void *data,
                size_t len)
{
	struct windows *w = windows;
	const struct want want = {.pack = pack, .path = path, .offset = offset, .len = len};
	struct taking taking = {.windows = w, .want = &want, .data = data};
	struct reader *r;
	int error;

	pthread_mutex_lock(&w->lock);
	error = take_held(&taking);
	if (!error) {
		count_hit(w, &want);
		r = reader_of(w, &want);
		if (r)
			windows_look_ahead(w, r, &want);
	}
	pthread_mutex_unlock(&w->lock);
	return error;
}

void windows_forget(struct windows *windows, const struct pack_id *pack, uint64_t offset, size_t len)
{
	struct pack_blocks *blocks;

	pthread_mutex_lock(&windows->lock);
	blocks = windows_blocks(windows, pack);
	if (blocks)
		pack_blocks_remove(blocks, offset, offset + len);
	for (struct window *window = windows->first, *next; window; window = next) {
		next = window->next;
		if (!windows_overlap(window, pack, offset, offset + len))
			continue;
		window->forgotten = true;
		windows_settle(windows, window);
	}
	pthread_mutex_unlock(&windows->lock);
}
