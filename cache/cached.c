#include "cache/cached.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/shelf.h"
#include "cache/writer.h"

#define TRIM_EVERY ((uint64_t)64 << 20) /* bytes added between two looks at how much there is */
#define REST_S 60                       /* after a failure nothing is written for so long */
#define LEFT_S 86400                    /* unfinished files that old were left behind */
#define TOUCH_S 600                     /* a pack's use is noted so often at most */
#define TOUCHED 256                     /* packs of which it is known when; a power of two */
#define IDLE_S 2                        /* what was written is shown to others once nothing came for so long */
#define SHOWN_FROM ((uint64_t)1 << 20)  /* and is at least so much: packs of a few records are many */

/* A record that waits to be written. */
struct item {
	struct item *next;
	unsigned kind;
	struct id id;
	size_t len;
	uint8_t bytes[];
};

struct touched {
	struct pack_id pack;
	time_t when;
};

struct cached {
	struct io_ops ops; /* those of the machine, but nothing is synced */
	struct io io;
	struct store *store;
	uint64_t limit, floor;
	pthread_mutex_t lock; /* of all below; held for memory work only */
	pthread_cond_t work;
	struct item *first, **last;
	size_t queued; /* bytes */
	bool closing, has_thread;
	pthread_t thread;
	struct cached_stats stats;
	struct touched touched[TOUCHED];
	/* The thread's own: */
	struct store_writer *writer;
	uint64_t written; /* since the last trim */
	uint64_t hidden;  /* since the last commit */
	time_t rests_until;
};

static int not_synced(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	return 0;
}

int cached_open(const struct cached_setup *setup, struct cached **cached)
{
	struct cached *c = calloc(1, sizeof(*c));
	int error;

	if (!c)
		return -ENOMEM;
	c->ops = *setup->io->ops;
	c->ops.fsync = not_synced;
	c->ops.sync_file_range = NULL;
	c->io = (struct io){.ops = &c->ops, .arg = setup->io->arg};
	c->limit = setup->limit_bytes;
	c->floor = setup->floor_bytes;
	c->last = &c->first;
	/* The folder above may be missing, too. */
	error = io_mkdir(&c->io, AT_FDCWD, setup->path, 0700);
	if (!error)
		error = store_open(&c->io, setup->path, STORE_CREATE, 0, &c->store);
	/* Whoever may only read can read. */
	if (error)
		error = store_open(&c->io, setup->path, STORE_READ_ONLY, 0, &c->store);
	if (error) {
		free(c);
		return error;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, NULL);
	*cached = c;
	return 0;
}

/* --- reading --- */

static void count(struct cached *c, uint64_t *counter)
{
	pthread_mutex_lock(&c->lock);
	++*counter;
	pthread_mutex_unlock(&c->lock);
}

/* Note that PACK was used, so that it is not the first to go. */
static void touch(struct cached *c, const struct pack_id *pack)
{
	struct touched *slot = &c->touched[pack->bytes[0] ^ pack->bytes[7]];
	time_t now = io_now(&c->io).tv_sec;
	char path[SHELF_PATH_SIZE];
	bool due;

	pthread_mutex_lock(&c->lock);
	due = !pack_id_equal(&slot->pack, pack) || now - slot->when >= TOUCH_S;
	if (due)
		*slot = (struct touched){*pack, now};
	pthread_mutex_unlock(&c->lock);
	if (due)
		io_touch(&c->io, store_dirfd(c->store), shelf_path(pack, "", path));
}

int cached_read(struct cached *c, unsigned kind, const struct id *id, struct record *record)
{
	struct locator at;
	int error = store_find(c->store, kind, id, &at, NULL);

	if (error) {
		count(c, &c->stats.misses);
		return error == -ENOMEM ? error : -ENOENT;
	}
	error = store_read_copy(c->store, kind, id, &at, record);
	if (!error) {
		count(c, &c->stats.hits);
		touch(c, &at.pack);
		return 0;
	}
	/* One wrong byte makes all of that pack doubtful, and it can be had again. */
	if (error == -EBADMSG || error == -ENOTSUP) {
		count(c, &c->stats.damaged);
		store_remove_pack(c->store, &at.pack);
		store_refresh(c->store);
	}
	count(c, &c->stats.misses);
	return error == -ENOMEM ? error : -ENOENT;
}

/* --- making room --- */

struct victim {
	struct pack_id id;
	uint64_t size;
	struct timespec used;
};

struct victims {
	struct cached *cached;
	struct victim *list;
	size_t count, room;
	uint64_t bytes;
};

static int take_victim(void *arg, const struct pack_id *id)
{
	struct victims *v = arg;
	struct stat st;

	if (store_stat_pack(v->cached->store, id, &st))
		return 0;
	if (v->count == v->room) {
		size_t room = v->room ? 2 * v->room : 64;
		struct victim *list = reallocarray(v->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		v->list = list;
		v->room = room;
	}
	v->list[v->count++] = (struct victim){*id, (uint64_t)st.st_size, st.st_mtim};
	v->bytes += (uint64_t)st.st_size;
	return 0;
}

static int compare_victims(const void *a, const void *b)
{
	const struct victim *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

/* How much more of the disk should be free. */
static uint64_t short_of(const struct cached *c)
{
	uint64_t available;

	if (io_free_bytes(&c->io, store_dirfd(c->store), &available))
		return 0;
	return available < c->floor ? c->floor - available : 0;
}

int cached_trim(struct cached *c, uint64_t limit_bytes)
{
	struct victims v = {.cached = c};
	uint64_t wanted = short_of(c), left;
	int error = store_each_pack(c->store, take_victim, &v);

	left = v.bytes > wanted ? v.bytes - wanted : 0;
	if (left < limit_bytes)
		limit_bytes = left;
	if (!error && v.count)
		qsort(v.list, v.count, sizeof(*v.list), compare_victims);
	for (size_t i = 0; i < v.count && !error && v.bytes > limit_bytes; i++) {
		error = store_remove_pack(c->store, &v.list[i].id);
		if (!error || error == -ENOENT) {
			v.bytes -= v.list[i].size;
			count(c, &c->stats.evicted);
			error = 0;
		}
	}
	free(v.list);
	store_sweep_tmp(c->store, LEFT_S);
	store_refresh(c->store);
	store_tidy(c->store);
	return error;
}

int cached_measure(struct cached *cached, struct store_size *size)
{
	return store_measure(cached->store, size);
}

void cached_stats(struct cached *cached, struct cached_stats *stats)
{
	pthread_mutex_lock(&cached->lock);
	*stats = cached->stats;
	pthread_mutex_unlock(&cached->lock);
}

/* --- writing --- */

/* Give up writing for a while. */
static void rest(struct cached *c)
{
	store_writer_close(c->writer);
	c->writer = NULL;
	c->rests_until = io_now(&c->io).tv_sec + REST_S;
}

static void commit(struct cached *c)
{
	if (c->writer && store_writer_commit(c->writer))
		rest(c);
	store_writer_close(c->writer);
	c->writer = NULL;
	c->hidden = 0;
}

static bool write_item(struct cached *c, const struct item *item)
{
	struct record_header header;
	struct locator at;

	if (io_now(&c->io).tv_sec < c->rests_until)
		return false;
	if (!c->writer && store_writer_open(c->store, &c->writer)) {
		c->writer = NULL;
		rest(c);
		return false;
	}
	if (record_decode_header(item->bytes, item->len, item->kind, &header) ||
	    store_writer_add(c->writer, &item->id, &header, item->bytes + RECORD_HEADER_SIZE, &at)) {
		rest(c);
		return false;
	}
	c->written += item->len;
	c->hidden += item->len;
	if (c->written >= TRIM_EVERY) {
		c->written = 0;
		cached_trim(c, c->limit);
	}
	return true;
}

/* Wait, with the lock held; who has been idle for a while shows others what was written. */
static void wait_for_work(struct cached *c)
{
	struct timespec until;

	if (c->hidden < SHOWN_FROM) {
		pthread_cond_wait(&c->work, &c->lock);
		return;
	}
	until = io_deadline(io_system(), IDLE_S * UINT64_C(1000000000));
	if (pthread_cond_clockwait(&c->work, &c->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT || c->first)
		return;
	pthread_mutex_unlock(&c->lock);
	commit(c);
	pthread_mutex_lock(&c->lock);
}

static void *write_all(void *arg)
{
	struct cached *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct item *item = c->first;
		bool kept;

		if (!item && c->closing)
			break;
		if (!item) {
			wait_for_work(c);
			continue;
		}
		c->first = item->next;
		if (!c->first)
			c->last = &c->first;
		c->queued -= item->len;
		pthread_mutex_unlock(&c->lock);
		kept = write_item(c, item);
		free(item);
		pthread_mutex_lock(&c->lock);
		c->stats.added += kept;
		c->stats.dropped += !kept;
	}
	pthread_mutex_unlock(&c->lock);
	commit(c);
	cached_trim(c, c->limit);
	return NULL;
}

void cached_add(struct cached *c, unsigned kind, const struct id *id, const void *stored, size_t len)
{
	struct item *item = malloc(sizeof(*item) + len);
	bool keep = false;

	if (item) {
		*item = (struct item){.kind = kind, .id = *id, .len = len};
		memcpy(item->bytes, stored, len);
	}
	pthread_mutex_lock(&c->lock);
	if (item && !c->has_thread)
		c->has_thread = pthread_create(&c->thread, NULL, write_all, c) == 0;
	if (item && c->has_thread && c->queued + len <= CACHED_QUEUE_MAX) {
		*c->last = item;
		c->last = &item->next;
		c->queued += len;
		keep = true;
		pthread_cond_signal(&c->work);
	}
	c->stats.dropped += !keep;
	pthread_mutex_unlock(&c->lock);
	if (!keep)
		free(item);
}

void cached_close(struct cached *cached)
{
	if (!cached)
		return;
	pthread_mutex_lock(&cached->lock);
	cached->closing = true;
	pthread_cond_signal(&cached->work);
	pthread_mutex_unlock(&cached->lock);
	if (cached->has_thread)
		pthread_join(cached->thread, NULL);
	store_close(cached->store);
	pthread_cond_destroy(&cached->work);
	pthread_mutex_destroy(&cached->lock);
	free(cached);
}
