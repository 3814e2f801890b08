#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store_inside.h"

/* Pending records above which a cover in progress is written to a file: 16 MiB of memory. */
#define PENDING_MAX ((uint64_t)1 << 20)
/* How long a reader that misses a record believes an earlier listing. */
#define BELIEVE_MS 1000
/* A damaged look-up file costs one round; more of them than this are not met in one look-up. */
#define ROUNDS_MAX 16

static int compare_packs(const void *a, const void *b)
{
	return pack_id_cmp(a, b);
}

static int compare_condemned(const void *a, const void *b)
{
	return condemned_cmp(a, b);
}

/* Knowing the folder. */

void store_begin(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	while (store->busy)
		pthread_cond_wait(&store->idle, &store->lock);
	store->busy = true;
	pthread_mutex_unlock(&store->lock);
}

void store_end(struct store *store)
{
	pthread_mutex_lock(&store->lock);
	store->busy = false;
	pthread_cond_signal(&store->idle);
	pthread_mutex_unlock(&store->lock);
}

/* What one look at the folder found, before it takes the place of what was known. */
struct look {
	struct store *store;
	struct buffer packs;
	struct buffer blanks;
	struct condemned *condemned;
	size_t condemned_count;
};

static int collect_pack(void *arg, const uint8_t *id)
{
	struct look *look = arg;
	buffer_append(&look->packs, id, PACK_ID_SIZE);
	return look->packs.failed ? -ENOMEM : 0;
}

/* Whether PACK is known to be unreadable for good. */
static bool is_blank(struct store *store, const struct pack_id *pack)
{
	pthread_mutex_lock(&store->lock);
	bool forget = store->forget_blanks;
	pthread_mutex_unlock(&store->lock);
	for (size_t i = 0; i < store->blanks_count && !forget; i++) {
		if (pack_id_equal(&store->blanks[i].pack, pack))
			return store->blanks[i].error == -EBADMSG || store->blanks[i].error == -ENOTSUP;
	}
	return false;
}

static int cover_pack(struct store *store, const struct pack_id *id)
{
	const struct shelf_item *item;
	struct pack_entry *entries = NULL;
	int r = shelf_pin(store->shelf, id, &item);
	if (r < 0)
		return r;
	r = item->pack ? pack_read_index(item->pack, &entries) : -ENOENT;
	if (r == 0)
		r = hint_add(store->hint, id, entries, pack_count(item->pack));
	free(entries);
	shelf_unpin(store->shelf, item);
	return r;
}

static bool keep_pack(void *arg, const struct pack_id *pack)
{
	const struct look *look = arg;
	return bsearch(pack, look->packs.data, look->packs.len / PACK_ID_SIZE, PACK_ID_SIZE, compare_packs) != NULL;
}

/* Cover what is not covered.  A pack that vanishes is no error, one that cannot be read is noted. */
static int cover_packs(struct look *look)
{
	struct store *store = look->store;
	for (size_t at = 0; at < look->packs.len; at += PACK_ID_SIZE) {
		struct store_blank blank;
		struct hint_size size;
		memcpy(blank.pack.bytes, look->packs.data + at, PACK_ID_SIZE);
		if (hint_covers(store->hint, &blank.pack))
			continue;
		blank.error = is_blank(store, &blank.pack) ? -EBADMSG : cover_pack(store, &blank.pack);
		if (blank.error == -ENOMEM)
			return -ENOMEM;
		if (blank.error < 0 && blank.error != -ENOENT)
			buffer_append(&look->blanks, &blank, sizeof(blank));
		hint_measure(store->hint, &size);
		if (size.pending > PENDING_MAX && !store->read_only)
			hint_write(store->hint, keep_pack, look);
	}
	return look->blanks.failed ? -ENOMEM : 0;
}

/* All I/O of a look; the caller is the busy one. */
static int look_at_folder(struct look *look)
{
	struct store *store = look->store;
	int r = 0;
	if (!store->hint)
		r = hint_open(store->io, store->dirfd, &store->hint);
	if (r == 0)
		r = store_read_condemned(store, &look->condemned, &look->condemned_count);
	if (r == 0)
		r = store_each_name(store, STORE_PACKS, collect_pack, look);
	return r == 0 ? cover_packs(look) : r;
}

/* Let LOOK take the place of what was known. */
static void publish(struct look *look)
{
	struct store *store = look->store;
	void *old_packs = store->packs, *old_condemned = store->condemned, *old_blanks = store->blanks;
	uint64_t now = io_monotonic_ns(store->io);
	pthread_mutex_lock(&store->lock);
	store->packs = (struct pack_id *)look->packs.data;
	store->packs_count = look->packs.len / PACK_ID_SIZE;
	store->condemned = look->condemned;
	store->condemned_count = look->condemned_count;
	store->blanks = (struct store_blank *)(void *)look->blanks.data;
	store->blanks_count = look->blanks.len / sizeof(struct store_blank);
	store->listed = true;
	store->listed_ns = now;
	store->forget_blanks = false;
	pthread_mutex_unlock(&store->lock);
	free(old_packs);
	free(old_condemned);
	free(old_blanks);
}

static bool is_known(struct store *store, uint64_t max_age_ms)
{
	uint64_t now = max_age_ms == STORE_ANY_AGE ? 0 : io_monotonic_ns(store->io);
	pthread_mutex_lock(&store->lock);
	bool known = store->listed;
	if (known && max_age_ms != STORE_ANY_AGE && now > store->listed_ns)
		known = now - store->listed_ns <= max_age_ms * 1000000;
	pthread_mutex_unlock(&store->lock);
	return known;
}

int store_know(struct store *store, uint64_t max_age_ms, bool *anew)
{
	struct look look = {.store = store};
	int r = 0;
	if (anew)
		*anew = false;
	if (is_known(store, max_age_ms))
		return 0;
	store_begin(store);
	/* Another thread may have done it while this one waited. */
	if (!is_known(store, max_age_ms)) {
		r = look_at_folder(&look);
		if (r == 0) {
			publish(&look);
		} else {
			buffer_release(&look.packs);
			buffer_release(&look.blanks);
			free(look.condemned);
		}
	}
	store_end(store);
	if (anew)
		*anew = r == 0;
	return r;
}

int store_refresh(struct store *store)
{
	shelf_clear(store->shelf);
	pthread_mutex_lock(&store->lock);
	store->listed = false;
	store->forget_blanks = true;
	pthread_mutex_unlock(&store->lock);
	return 0;
}

/* Put PACK among the packs present. */
static int insert_pack(struct store *store, const struct pack_id *id)
{
	struct pack_id *packs = calloc(store->packs_count + 1, sizeof(*packs)), *old;
	size_t i = 0;
	if (!packs)
		return -ENOMEM;
	while (i < store->packs_count && pack_id_cmp(&store->packs[i], id) < 0)
		i++;
	if (i > 0)
		memcpy(packs, store->packs, i * sizeof(*packs));
	packs[i] = *id;
	if (i < store->packs_count)
		memcpy(packs + i + 1, store->packs + i, (store->packs_count - i) * sizeof(*packs));
	pthread_mutex_lock(&store->lock);
	old = store->packs;
	store->packs = packs;
	store->packs_count++;
	pthread_mutex_unlock(&store->lock);
	free(old);
	return 0;
}

int store_add_pack(struct store *store, const struct pack_id *id)
{
	int r = store_know(store, STORE_ANY_AGE, NULL);
	if (r < 0)
		return r;
	store_begin(store);
	if (!hint_covers(store->hint, id)) {
		r = insert_pack(store, id);
		if (r == 0)
			r = cover_pack(store, id);
	}
	store_end(store);
	return r;
}

int store_rebuild_hints(struct store *store)
{
	int r = store_know(store, STORE_ANY_AGE, NULL);
	if (r < 0)
		return r;
	store_begin(store);
	r = hint_forget(store->hint);
	store_end(store);
	store_refresh(store);
	if (r == 0)
		r = store_know(store, STORE_ANY_AGE, NULL);
	if (r == 0)
		store_write_hints(store);
	return r;
}

static bool keep_known(void *arg, const struct pack_id *pack)
{
	const struct store *store = arg;
	return store->packs_count > 0 &&
	       bsearch(pack, store->packs, store->packs_count, sizeof(*pack), compare_packs) != NULL;
}

void store_write_hints(struct store *store)
{
	struct hint_size size = {0};
	if (store->read_only)
		return;
	store_begin(store);
	if (store->hint && store->packs)
		hint_measure(store->hint, &size);
	if (size.pending_packs > 0)
		hint_write(store->hint, keep_known, store);
	store_end(store);
}

void store_tidy(struct store *store)
{
	if (store->read_only || store_know(store, STORE_ANY_AGE, NULL) < 0)
		return;
	store_begin(store);
	hint_write(store->hint, keep_known, store);
	store_end(store);
}

bool store_pack_is_condemned(struct store *store, const struct pack_id *id)
{
	struct condemned key = {.is_root = false, .pack = *id};
	bool found = false;
	if (store_know(store, STORE_ANY_AGE, NULL) < 0)
		return false;
	pthread_mutex_lock(&store->lock);
	if (store->condemned_count > 0)
		found = bsearch(&key, store->condemned, store->condemned_count, sizeof(key), compare_condemned) != NULL;
	pthread_mutex_unlock(&store->lock);
	return found;
}

/* Looking up. */

/* A look-up under way: what is asked, and what to do with a candidate that its pack's index confirms. */
struct lookup {
	struct store *store;
	unsigned kind;
	const struct id *id;
	bool condemned_too;
	int (*take)(struct lookup *l, struct pack *pack, const struct pack_entry *entry);
	/* of store_find() */
	struct locator *locator;
	uint32_t *raw_len;
	/* of store_each_copy() */
	int (*each)(void *arg, const struct locator *at);
	void *arg;
	/* of store_read() */
	const struct locator *tried; /* what failed already */
	struct record *record;
	int failure; /* the gravest so far, 0: none */
};

static int confirm(void *arg, const struct pack_id *pack, uint32_t slot)
{
	struct lookup *l = arg;
	const struct shelf_item *item;
	struct pack_entry entry;
	if (!l->condemned_too && store_pack_is_condemned(l->store, pack))
		return -ENOENT;
	int r = shelf_pin(l->store->shelf, pack, &item);
	if (r < 0)
		return r == -ENOMEM ? r : -ENOENT;
	r = item->pack ? pack_entry_at(item->pack, slot, &entry) : -ENOENT;
	if (r == 0 && (entry.kind != l->kind || !id_equal(&entry.id, l->id)))
		r = -ENOENT;
	if (r < 0)
		r = r == -ENOMEM ? r : -ENOENT; /* a hint that leads nowhere */
	else
		r = l->take(l, item->pack, &entry);
	shelf_unpin(l->store->shelf, item);
	return r;
}

/* Try all candidates, as far as the folder is known. */
static int look_up(struct lookup *l)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		int r = store_know(l->store, STORE_ANY_AGE, NULL);
		if (r == 0)
			r = hint_find(l->store->hint, l->id, confirm, l);
		if (r != -ESTALE)
			return r;
		/* A look-up file was dropped; its packs must be covered again. */
		pthread_mutex_lock(&l->store->lock);
		l->store->listed = false;
		pthread_mutex_unlock(&l->store->lock);
	}
	return -ENOENT;
}

static struct locator locator_of(const struct pack *pack, const struct pack_entry *entry)
{
	return (struct locator){.pack = *pack_id(pack), .offset = entry->offset, .stored_len = entry->stored_len};
}

static int take_locator(struct lookup *l, struct pack *pack, const struct pack_entry *entry)
{
	*l->locator = locator_of(pack, entry);
	if (l->raw_len)
		*l->raw_len = entry->raw_len;
	return 0;
}

int store_find(struct store *store, unsigned kind, const struct id *id, struct locator *locator, uint32_t *raw_len)
{
	struct lookup l = {
	    .store = store, .kind = kind, .id = id, .take = take_locator, .locator = locator, .raw_len = raw_len};
	return look_up(&l);
}

static int take_copy(struct lookup *l, struct pack *pack, const struct pack_entry *entry)
{
	struct locator at = locator_of(pack, entry);
	return l->each(l->arg, &at);
}

int store_each_copy(struct store *store, unsigned kind, const struct id *id,
                    int (*each)(void *arg, const struct locator *at), void *arg)
{
	struct lookup l = {
	    .store = store, .kind = kind, .id = id, .condemned_too = true, .take = take_copy, .each = each, .arg = arg};
	return look_up(&l);
}

/* Reading. */

/* Of two failures the one that says more: lack of memory, then damage, then what the system said, then absence. */
static int graver(int a, int b)
{
	static const int grave[] = {-ENOMEM, -EBADMSG, -ENOTSUP};
	for (size_t i = 0; i < sizeof(grave) / sizeof(grave[0]); i++) {
		if (a == grave[i] || b == grave[i])
			return grave[i];
	}
	return a == 0 || a == -ENOENT ? b : a;
}

/* Read where the locator says, or where the record went from there. */
static int read_at(struct store *store, unsigned kind, const struct id *id, const struct locator *hint,
                   struct record *record, struct locator *tried)
{
	struct locator at = *hint;
	for (unsigned hop = 0; hop <= MOVED_HOPS_MAX; hop++) {
		const struct shelf_item *item;
		int r = shelf_pin(store->shelf, &at.pack, &item);
		if (r < 0)
			return r;
		*tried = at;
		bool is_pack = item->pack;
		if (is_pack)
			r = pack_read(item->pack, at.offset, at.stored_len, kind, id, record);
		else
			r = moved_find(item->moved, at.offset, &at);
		shelf_unpin(store->shelf, item);
		if (is_pack || r < 0)
			return r;
	}
	return -ENOENT;
}

int store_read_copy(struct store *store, unsigned kind, const struct id *id, const struct locator *at,
                    struct record *record)
{
	struct locator tried;
	return read_at(store, kind, id, at, record, &tried);
}

static int take_record(struct lookup *l, struct pack *pack, const struct pack_entry *entry)
{
	if (l->tried && l->tried->offset == entry->offset && l->tried->stored_len == entry->stored_len &&
	    pack_id_equal(&l->tried->pack, pack_id(pack)))
		return -ENOENT;
	int r = pack_read(pack, entry->offset, entry->stored_len, l->kind, l->id, l->record);
	if (r == 0 || r == -ENOMEM)
		return r;
	l->failure = graver(l->failure, r);
	return -ENOENT; /* there may be another copy */
}

/* What keeps a pack that may hold the record from being looked into.  Damaged packs are as good as absent. */
static int blank_failure(struct store *store)
{
	int failure = 0;
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < store->blanks_count; i++) {
		if (store->blanks[i].error != -EBADMSG && store->blanks[i].error != -ENOTSUP)
			failure = graver(failure, store->blanks[i].error);
	}
	pthread_mutex_unlock(&store->lock);
	return failure;
}

int store_read(struct store *store, unsigned kind, const struct id *id, const struct locator *hint,
               struct record *record)
{
	struct lookup l = {
	    .store = store, .kind = kind, .id = id, .condemned_too = true, .take = take_record, .record = record};
	struct locator tried = {0};
	if (hint && hint->offset > 0) {
		int r = read_at(store, kind, id, hint, record, &tried);
		if (r == 0 || r == -ENOMEM)
			return r;
		if (r != -ENOENT) {
			l.failure = r;
			l.tried = &tried;
		}
	}
	int r = look_up(&l);
	if (r == -ENOENT) {
		bool anew;
		r = store_know(store, BELIEVE_MS, &anew);
		if (r == 0)
			r = anew ? look_up(&l) : -ENOENT;
	}
	if (r != -ENOENT)
		return r;
	if (l.failure == 0)
		l.failure = blank_failure(store);
	return l.failure ? l.failure : -ENOENT;
}

/* Packs. */

struct each_pack {
	int (*each)(void *arg, const struct pack_id *id);
	void *arg;
};

static int tell_pack(void *arg, const uint8_t *bytes)
{
	const struct each_pack *e = arg;
	struct pack_id id;
	memcpy(id.bytes, bytes, PACK_ID_SIZE);
	return e->each(e->arg, &id);
}

int store_each_pack(struct store *store, int (*each)(void *arg, const struct pack_id *id), void *arg)
{
	struct each_pack e = {.each = each, .arg = arg};
	return store_each_name(store, STORE_PACKS, tell_pack, &e);
}

int store_stat_pack(struct store *store, const struct pack_id *id, struct stat *st)
{
	char path[SHELF_PATH_SIZE];
	return io_stat(store->io, store->dirfd, shelf_path(id, "", path), st);
}

int store_pin_pack(struct store *store, const struct pack_id *id, struct pack **pack)
{
	const struct shelf_item *item;
	int r = shelf_pin(store->shelf, id, &item);
	if (r < 0)
		return r;
	if (!item->pack) {
		shelf_unpin(store->shelf, item);
		return -ENOENT;
	}
	*pack = item->pack;
	return 0;
}

void store_unpin_pack(struct store *store, struct pack *pack)
{
	shelf_unpin(store->shelf, shelf_item_of(store->shelf, pack));
}
