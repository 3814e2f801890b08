#include "cache/shelf.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 128

struct place {
	struct shelf_item item; /* first: an item is its place */
	struct pack_id id;
	struct place *next;          /* in its bucket, or among those taken down */
	struct place *newer, *older; /* in the order of use, only while on the shelf and not pinned */
	unsigned pins;
	bool taken_down; /* off the shelf, to be closed with the last pin */
};

/*
 * Invariants under the lock: every place is in its bucket or, taken down and pinned, in the list of those; it is in the
 * order of use exactly when it is in a bucket and has no pins; count is the number of places in buckets.
 */
struct shelf {
	const struct io *io;
	int dirfd;
	unsigned limit;
	pthread_mutex_t lock;
	struct place *buckets[BUCKETS];
	struct place *down;
	struct place *newest, *oldest;
	unsigned count;
};

char *shelf_path(const struct pack_id *id, const char *suffix, char path[SHELF_PATH_SIZE])
{
	char hex[PACK_ID_HEX_SIZE];
	pack_id_format(id, hex);
	snprintf(path, SHELF_PATH_SIZE, "packs/%.2s/%s%s", hex, hex, suffix);
	return path;
}

/* Pack ids are random. */
static struct place **bucket_of(struct shelf *shelf, const struct pack_id *id)
{
	return &shelf->buckets[id->bytes[0] % BUCKETS];
}

static void close_places(struct place *place)
{
	while (place) {
		struct place *next = place->next;
		pack_close(place->item.pack);
		moved_close(place->item.moved);
		free(place);
		place = next;
	}
}

static void order_remove(struct shelf *shelf, struct place *place)
{
	*(place->newer ? &place->newer->older : &shelf->newest) = place->older;
	*(place->older ? &place->older->newer : &shelf->oldest) = place->newer;
	place->newer = place->older = NULL;
}

static void order_add_newest(struct shelf *shelf, struct place *place)
{
	place->older = shelf->newest;
	*(shelf->newest ? &shelf->newest->newer : &shelf->oldest) = place;
	shelf->newest = place;
}

static void list_remove(struct place **list, struct place *place)
{
	while (*list != place)
		list = &(*list)->next;
	*list = place->next;
	place->next = NULL;
}

static struct place *bucket_find(struct shelf *shelf, const struct pack_id *id)
{
	struct place *place = *bucket_of(shelf, id);
	while (place && !pack_id_equal(&place->id, id))
		place = place->next;
	return place;
}

/* Take unpinned places out until at most KEEP are on the shelf; the caller closes them, without the lock. */
static struct place *take_oldest(struct shelf *shelf, unsigned keep)
{
	struct place *taken = NULL;
	while (shelf->count > keep && shelf->oldest) {
		struct place *place = shelf->oldest;
		order_remove(shelf, place);
		list_remove(bucket_of(shelf, &place->id), place);
		shelf->count--;
		place->next = taken;
		taken = place;
	}
	return taken;
}

int shelf_open(const struct io *io, int dirfd, unsigned limit, struct shelf **shelf)
{
	struct shelf *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->io = io;
	s->dirfd = dirfd;
	s->limit = limit;
	pthread_mutex_init(&s->lock, NULL);
	*shelf = s;
	return 0;
}

void shelf_close(struct shelf *shelf)
{
	if (!shelf)
		return;
	shelf_clear(shelf);
	assert(!shelf->down);
	pthread_mutex_destroy(&shelf->lock);
	free(shelf);
}

/* Open the pack or, where that does not work, its moved file; that is in a pack's place once the pack is removed. */
static int open_item(struct shelf *shelf, const struct pack_id *id, struct shelf_item *item)
{
	char path[SHELF_PATH_SIZE];
	*item = (struct shelf_item){0};
	int r = pack_open(shelf->io, shelf->dirfd, shelf_path(id, "", path), id, &item->pack);
	if (r == 0 || r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	int moved = moved_open(shelf->io, shelf->dirfd, shelf_path(id, ".moved", path), id, &item->moved);
	if (moved == 0)
		return 0;
	/* What is said of the pack counts, unless there is only a moved file that cannot be read. */
	return r == -ENOENT ? moved : r;
}

static int open_place(struct shelf *shelf, const struct pack_id *id, struct place **place)
{
	struct place *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->id = *id;
	int r = open_item(shelf, id, &p->item);
	if (r == -EMFILE || r == -ENFILE) {
		/* Others need descriptors, too. */
		pthread_mutex_lock(&shelf->lock);
		struct place *idle = take_oldest(shelf, 0);
		pthread_mutex_unlock(&shelf->lock);
		close_places(idle);
		r = open_item(shelf, id, &p->item);
	}
	if (r < 0)
		free(p);
	else
		*place = p;
	return r;
}

/* Under the lock. */
static void pin_place(struct shelf *shelf, struct place *place)
{
	if (place->pins++ == 0)
		order_remove(shelf, place);
}

int shelf_pin(struct shelf *shelf, const struct pack_id *id, const struct shelf_item **item)
{
	pthread_mutex_lock(&shelf->lock);
	struct place *place = bucket_find(shelf, id), *surplus = NULL;
	if (place)
		pin_place(shelf, place);
	pthread_mutex_unlock(&shelf->lock);
	if (place) {
		*item = &place->item;
		return 0;
	}

	struct place *opened;
	int r = open_place(shelf, id, &opened);
	if (r < 0)
		return r;
	pthread_mutex_lock(&shelf->lock);
	place = bucket_find(shelf, id);
	if (place) { /* another thread opened it meanwhile */
		pin_place(shelf, place);
		surplus = opened;
	} else {
		place = opened;
		place->pins = 1;
		place->next = *bucket_of(shelf, id);
		*bucket_of(shelf, id) = place;
		shelf->count++;
		surplus = take_oldest(shelf, shelf->limit);
	}
	pthread_mutex_unlock(&shelf->lock);
	close_places(surplus);
	*item = &place->item;
	return 0;
}

void shelf_unpin(struct shelf *shelf, const struct shelf_item *item)
{
	struct place *place = (struct place *)item, *surplus = NULL;
	pthread_mutex_lock(&shelf->lock);
	assert(place->pins > 0);
	if (--place->pins == 0 && place->taken_down) {
		list_remove(&shelf->down, place);
		surplus = place;
	} else if (place->pins == 0) {
		order_add_newest(shelf, place);
		surplus = take_oldest(shelf, shelf->limit);
	}
	pthread_mutex_unlock(&shelf->lock);
	close_places(surplus);
}

const struct shelf_item *shelf_item_of(struct shelf *shelf, const struct pack *pack)
{
	pthread_mutex_lock(&shelf->lock);
	struct place *place = bucket_find(shelf, pack_id(pack));
	if (!place || place->item.pack != pack)
		for (place = shelf->down; place && place->item.pack != pack;)
			place = place->next;
	pthread_mutex_unlock(&shelf->lock);
	assert(place && place->pins > 0);
	return &place->item;
}

void shelf_clear(struct shelf *shelf)
{
	pthread_mutex_lock(&shelf->lock);
	struct place *idle = take_oldest(shelf, 0);
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (shelf->buckets[i]) {
			struct place *place = shelf->buckets[i];
			shelf->buckets[i] = place->next;
			place->taken_down = true;
			place->next = shelf->down;
			shelf->down = place;
		}
	}
	shelf->count = 0;
	pthread_mutex_unlock(&shelf->lock);
	close_places(idle);
}
