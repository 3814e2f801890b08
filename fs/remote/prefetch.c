#include "fs/remote/prefetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "fs/place_visit.h"

#define PIECE ((uint64_t)256 << 20) /* of a file that goes to one reader */
#define PIECES_MAX 64               /* of one file: each goes through its list from the beginning */

/* What one reader is to read in one go: a file, or a piece of a large one. */
struct item {
	char *name; /* of the file; NULL in all its pieces but the first */
	struct id id;
	struct locator locator;
	uint64_t size; /* of the whole file */
	uint64_t begin, end;
	uint8_t form; /* enum content_form */
};

struct prefetch {
	struct prefetch_setup setup;
	struct item *items;
	size_t count, room;
	uint64_t files, bytes;
	pthread_mutex_t lock;
	struct prefetch_result result; /* below the lock */
	int fatal;                     /* the same */
};

/* The share of one reader. */
struct share {
	struct prefetch *prefetch;
	size_t first, end;
	uint64_t at; /* in the file that is being read */
	const struct item *item;
};

int prefetch_open(const struct prefetch_setup *setup, struct prefetch **prefetch)
{
	struct prefetch *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->setup = *setup;
	pthread_mutex_init(&p->lock, NULL);
	*prefetch = p;
	return 0;
}

void prefetch_close(struct prefetch *prefetch)
{
	if (!prefetch)
		return;
	for (size_t i = 0; i < prefetch->count; i++)
		free(prefetch->items[i].name);
	free(prefetch->items);
	pthread_mutex_destroy(&prefetch->lock);
	free(prefetch);
}

void prefetch_measure(const struct prefetch *prefetch, uint64_t *files, uint64_t *bytes)
{
	*files = prefetch->files;
	*bytes = prefetch->bytes;
}

static void tell_failed(struct prefetch *p, const char *name, int error)
{
	pthread_mutex_lock(&p->lock);
	p->result.failed++;
	p->setup.failed(p->setup.arg, name, error);
	pthread_mutex_unlock(&p->lock);
}

/* --- collecting --- */

struct collecting {
	struct prefetch *prefetch;
	const char *name;
};

/* "v1:data/a" for the path a below v1:data; malloc'ed. */
static char *name_of(const char *name, const char *path)
{
	const size_t len = strlen(name);
	const bool bare = !*path || !len || name[len - 1] == ':' || name[len - 1] == '/';
	char *whole;

	return asprintf(&whole, "%s%s%s", name, bare ? "" : "/", path) < 0 ? NULL : whole;
}

static int push(struct prefetch *p, const struct item *item)
{
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 256;
		struct item *items = reallocarray(p->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		p->items = items;
		p->room = room;
	}
	p->items[p->count++] = *item;
	return 0;
}

/* Add the file or link PLACE, in pieces. */
static int add_file(struct prefetch *p, const struct place *place, const char *name, const char *path)
{
	const struct content *content = &place->content;
	struct item item = {
	    .id = content->id, .locator = content->locator, .size = content->size, .form = content->form};
	const uint64_t piece = item.size / PIECES_MAX > PIECE ? item.size / PIECES_MAX : PIECE;
	int error = 0;

	if (content->form == CONTENT_INLINE)
		return 0;
	item.name = name_of(name, path);
	if (!item.name)
		return -ENOMEM;
	p->files++;
	p->bytes += item.size;
	for (uint64_t begin = 0; begin < item.size && !error; begin = item.end) {
		item.begin = begin;
		item.end = item.size - begin > piece ? begin + piece : item.size;
		error = push(p, &item);
		if (!error)
			item.name = NULL;
	}
	free(item.name);
	return error;
}

static int take_place(void *arg, const char *path, const struct place *place)
{
	struct collecting *c = arg;
	char *name;

	if (interrupt_pending())
		return -EINTR;
	switch (place->kind) {
	case PLACE_DATA_FILE:
	case PLACE_DATA_LINK:
		return place->foreign ? 0 : add_file(c->prefetch, place, c->name, path);
	case PLACE_BROKEN:
		name = name_of(c->name, path);
		tell_failed(c->prefetch, name ? name : path, place->error);
		free(name);
		return 0;
	default:
		return 0;
	}
}

static int pass_over(void *arg, const char *path, int error)
{
	struct collecting *c = arg;
	char *name = name_of(c->name, path);

	if (error != -EINTR && error != -ENOMEM)
		tell_failed(c->prefetch, name ? name : path, error);
	free(name);
	return error == -EINTR || error == -ENOMEM ? error : 0;
}

int prefetch_add(struct prefetch *prefetch, const struct place *place, const char *name)
{
	struct collecting c = {.prefetch = prefetch, .name = name};
	const struct place_visitor visitor = {.each = take_place, .failed = pass_over, .arg = &c};

	return place_is_directory(place) && place->kind != PLACE_BROKEN
	           ? place_visit(prefetch->setup.world, place, &visitor)
	           : take_place(&c, "", place);
}

/* --- reading --- */

static int read_chunk(struct prefetch *p, const struct id *id, uint32_t len, const struct locator *at)
{
	struct store *store = source_store(p->setup.world->source);
	struct locator here;
	struct record record;
	int error;

	if (interrupt_pending())
		return -EINTR;
	if (content_is_hole(id))
		return 0;
	error = store ? store_find(store, RECORD_CHUNK, id, &here, NULL) : -ENOENT;
	if (!error) {
		pthread_mutex_lock(&p->lock);
		p->result.here_bytes += len;
		pthread_mutex_unlock(&p->lock);
		return 0;
	}
	error = fetch_read(p->setup.fetch, RECORD_CHUNK, id, at, &record);
	if (error)
		return error == -ENOENT ? -ENODATA : error;
	free(record.data);
	pthread_mutex_lock(&p->lock);
	p->result.bytes += len;
	pthread_mutex_unlock(&p->lock);
	p->setup.progress(p->setup.arg, 0, len);
	return 0;
}

/* One entry of a list: equal chunks are read once. */
static int take_chunk(void *arg, const struct list_entry *chunk)
{
	struct share *share = arg;
	const uint64_t begin = share->at;

	share->at += chunk->len * chunk->count;
	if (begin >= share->item->end)
		return 1;
	/* A chunk belongs to the piece that it begins in. */
	if (begin < share->item->begin)
		return 0;
	return read_chunk(share->prefetch, &chunk->id, chunk->len, &chunk->locator);
}

static int read_item(struct share *share)
{
	const struct item *item = share->item;
	struct content content = {.form = item->form, .size = item->size, .id = item->id, .locator = item->locator};
	int r;

	share->at = 0;
	r = content_each_chunk(share->prefetch->setup.world->source, &content, take_chunk, share);
	return r > 0 ? 0 : r;
}

/* The name of the file that ITEM is a piece of. */
static const char *name_of_item(const struct item *item)
{
	while (!item->name)
		item--;
	return item->name;
}

static bool is_over(struct prefetch *p)
{
	bool over;

	pthread_mutex_lock(&p->lock);
	over = p->fatal;
	pthread_mutex_unlock(&p->lock);
	return over;
}

static void *read_share(void *arg)
{
	struct share *share = arg;
	struct prefetch *p = share->prefetch;

	for (size_t i = share->first; i < share->end && !is_over(p); i++) {
		int error;

		share->item = &p->items[i];
		error = read_item(share);
		if (error == -EINTR || error == -ENOMEM) {
			pthread_mutex_lock(&p->lock);
			p->fatal = error;
			pthread_mutex_unlock(&p->lock);
		} else if (error) {
			tell_failed(p, name_of_item(share->item), error);
		} else if (share->item->name) {
			pthread_mutex_lock(&p->lock);
			p->result.files++;
			pthread_mutex_unlock(&p->lock);
			p->setup.progress(p->setup.arg, 1, 0);
		}
	}
	return NULL;
}

/* Share the items out so that all have about as many bytes. */
static void share_out(struct prefetch *p, struct share *shares, unsigned count)
{
	uint64_t before = 0;
	size_t next = 0;

	for (unsigned i = 0; i < count; i++) {
		/* A little for each file, so that those of a few bytes count, too. */
		const uint64_t all = p->bytes + p->count;
		const uint64_t until = i + 1 == count ? UINT64_MAX : all / count * (i + 1);

		shares[i] = (struct share){.prefetch = p, .first = next};
		while (next < p->count && before < until) {
			before += p->items[next].end - p->items[next].begin + 1;
			next++;
		}
		shares[i].end = next;
	}
}

int prefetch_run(struct prefetch *prefetch, struct prefetch_result *result)
{
	const unsigned jobs = prefetch->setup.jobs;
	struct share *shares = calloc(jobs, sizeof(*shares));
	pthread_t *threads = calloc(jobs, sizeof(*threads));
	unsigned started = 0;

	if (!shares || !threads) {
		free(shares);
		free(threads);
		return -ENOMEM;
	}
	share_out(prefetch, shares, jobs);
	/* Where there are no more threads, this one takes their shares. */
	while (started + 1 < jobs && pthread_create(&threads[started], NULL, read_share, &shares[started]) == 0)
		started++;
	for (unsigned i = started; i < jobs; i++)
		read_share(&shares[i]);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(shares);
	free(threads);
	*result = prefetch->result;
	return prefetch->fatal;
}
