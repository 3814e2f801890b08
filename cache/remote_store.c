#include "cache/remote_store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/shelf.h"
#include "cache/store_inside.h"
#include "cache/windows.h"

#define MOVED_FILE_MAX ((size_t)256 << 20)
#define PLACES 256 /* packs of which something is remembered; a power of two */

/* What is known of a pack: that it is not there, and then where its records went, where that is known. */
struct place {
	struct pack_id pack;
	uint64_t since_ns; /* 0: nothing is known */
	struct moved_entry *entries;
	size_t count;
};

struct remote_store {
	const struct io *io;
	struct remote *remote;
	struct windows *windows;
	struct cached *cached; /* or NULL */
	uint64_t key;          /* of roots in it */
	pthread_mutex_t lock;  /* of all below; held for memory work only */
	bool good;             /* the version file was read */
	struct place places[PLACES];
};

int remote_store_open(const struct io *io, struct remote *remote, struct cached *cached, struct remote_store **store)
{
	struct remote_store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->io = io;
	s->remote = remote;
	s->cached = cached;
	s->key = checksum(remote_url(remote), strlen(remote_url(remote)));
	if (windows_open(remote, cached, &s->windows)) {
		free(s);
		return -ENOMEM;
	}
	pthread_mutex_init(&s->lock, NULL);
	*store = s;
	return 0;
}

void remote_store_close(struct remote_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < PLACES; i++)
		free(store->places[i].entries);
	windows_close(store->windows);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

struct remote *remote_store_remote(struct remote_store *store)
{
	return store->remote;
}

struct cached *remote_store_cached(struct remote_store *store)
{
	return store->cached;
}

char *remote_store_pack_path(const struct pack_id *id, const char *suffix, char path[REMOTE_PATH_SIZE])
{
	_Static_assert(SHELF_PATH_SIZE <= REMOTE_PATH_SIZE, "a path fits");
	return shelf_path(id, suffix, path);
}

char *remote_store_root_path(const struct id *id, char path[REMOTE_PATH_SIZE])
{
	_Static_assert(STORE_PATH_SIZE == REMOTE_PATH_SIZE, "a path fits");
	return store_root_path(id, path);
}

/* --- the version --- */

int remote_store_check(struct remote_store *store)
{
	void *data;
	size_t len;
	char *text;
	bool good;
	int error;

	pthread_mutex_lock(&store->lock);
	good = store->good;
	pthread_mutex_unlock(&store->lock);
	if (good)
		return 0;
	error = remote_read_file(store->remote, STORE_VERSION_FILE, STORE_VERSION_MAX, &data, &len);
	if (error)
		return error == -EFBIG ? -EBADMSG : error;
	text = strndup(data, len);
	error = !text ? -ENOMEM : strlen(text) != len ? -EBADMSG : store_check_version(text);
	free(text);
	free(data);
	if (error == -EBADMSG)
		remote_count_wrong(store->remote);
	if (!error) {
		pthread_mutex_lock(&store->lock);
		store->good = true;
		pthread_mutex_unlock(&store->lock);
	}
	return error;
}

int remote_store_make(struct remote_store *store)
{
	static const char text[] = STORE_VERSION_TEXT;
	const struct remote_body body = {.data = text, .len = sizeof(text) - 1, .is_checked = true};
	int error = remote_put(store->remote, STORE_VERSION_FILE, &body, false);

	return error == -EEXIST ? remote_store_check(store) : error;
}

int remote_store_prepare(struct remote_store *store)
{
	int error = remote_store_check(store);

	if (error != -ENOENT && error != -EHOSTDOWN)
		return error;
	error = remote_store_make(store);
	return error ? error : remote_store_check(store);
}

/* --- where records went --- */

static struct place *place_of(struct remote_store *store, const struct pack_id *pack)
{
	return &store->places[(pack->bytes[0] ^ pack->bytes[5] << 1) % PLACES];
}

/*
 * Ask what is remembered of a pack that is not there: 1 with *NOW where its record at AT went; -ENOENT where it did not
 * stay; 0 where nothing is known.
 */
static int recall(struct remote_store *store, const struct locator *at, struct locator *now)
{
	const uint64_t ns = io_monotonic_ns(store->io);
	struct place *place = place_of(store, &at->pack);
	int answer = 0;

	pthread_mutex_lock(&store->lock);
	if (place->since_ns && pack_id_equal(&place->pack, &at->pack) &&
	    ns - place->since_ns < REMOTE_STORE_BELIEVE_MS * UINT64_C(1000000)) {
		const struct moved_entry *entry = moved_lookup(place->entries, place->count, at->offset);

		answer = entry ? 1 : -ENOENT;
		if (entry)
			*now = entry->now;
	}
	pthread_mutex_unlock(&store->lock);
	return answer;
}

/* Remember what became of PACK.  Takes ENTRIES over. */
static void remember(struct remote_store *store, const struct pack_id *pack, struct moved_entry *entries, size_t count)
{
	struct place *place = place_of(store, pack);
	struct moved_entry *old;

	pthread_mutex_lock(&store->lock);
	old = place->entries;
	*place = (struct place){
	    .pack = *pack,
	    .since_ns = io_monotonic_ns(store->io),
	    .entries = entries,
	    .count = count,
	};
	pthread_mutex_unlock(&store->lock);
	free(old);
}

/* An empty folder where a disk should be mounted lacks everything: what is not there is missing only beside a store. */
static int confirm_absence(struct remote_store *store)
{
	struct remote_stat st;
	int error = remote_stat(store->remote, STORE_VERSION_FILE, &st);

	if (error != -ENOENT)
		return error ? error : -ENOENT;
	pthread_mutex_lock(&store->lock);
	store->good = false;
	pthread_mutex_unlock(&store->lock);
	return -EHOSTDOWN;
}

int remote_store_read_moved(struct remote_store *store, const struct pack_id *pack, struct moved_entry **entries,
                            size_t *count)
{
	char path[REMOTE_PATH_SIZE];
	size_t len;
	void *data;
	int error =
	    remote_read_file(store->remote, remote_store_pack_path(pack, ".moved", path), MOVED_FILE_MAX, &data, &len);

	if (error)
		return error;
	error = moved_decode(data, len, pack, entries, count);
	free(data);
	return error;
}

/* Learn where the records of a pack that is not there went.  0 or the error of reading; absence is remembered, too. */
static int learn(struct remote_store *store, const struct pack_id *pack)
{
	struct moved_entry *entries = NULL;
	size_t count = 0;
	int error = remote_store_read_moved(store, pack, &entries, &count);

	if (error == -ENOENT)
		error = confirm_absence(store);
	if (error && error != -ENOENT)
		return error == -EFBIG ? -EBADMSG : error;
	remember(store, pack, entries, count);
	return 0;
}

/* --- reading --- */

/* Take the record out of the bytes at AT, where they are what they should be. */
static int decode(struct remote_store *store, const struct locator *at, const uint8_t *data, size_t len, unsigned kind,
                  const struct id *id, struct record *record)
{
	int error = record_decode(data, len, kind, id, record);

	if (error == -EBADMSG)
		windows_forget(store->windows, &at->pack, at->offset, len);
	return error;
}

/* Read what lies at AT itself; HELD: if it is on this machine. */
static int read_at(struct remote_store *store, unsigned kind, const struct id *id, const struct locator *at, bool held,
                   struct record *record)
{
	const size_t len = RECORD_HEADER_SIZE + (size_t)at->stored_len;
	char path[REMOTE_PATH_SIZE];
	bool kept = false;
	uint8_t *data;
	int error;

	if (at->stored_len > RECORD_RAW_MAX)
		return -EBADMSG;
	data = malloc(len);
	if (!data)
		return -ENOMEM;
	remote_store_pack_path(&at->pack, "", path);
	for (unsigned tries = 0; tries < 2; tries++) {
		error = held ? windows_try(store->windows, &at->pack, path, at->offset, data, len)
		             : windows_read(store->windows, &at->pack, path, at->offset, data, len, &kept);
		if (!error)
			error = decode(store, at, data, len, kind, id, record);
		if (error == -EBADMSG && !held && !kept)
			remote_count_wrong(store->remote);
		/* What was kept may be damaged; the remote is asked once more. */
		if (error != -EBADMSG || !kept)
			break;
	}
	free(data);
	return error;
}

int remote_store_read(struct remote_store *store, unsigned kind, const struct id *id, const struct locator *at,
                      struct record *record)
{
	struct locator here = *at;

	if (!at->offset)
		return -ENOENT;
	for (unsigned hop = 0; hop <= MOVED_HOPS_MAX; hop++) {
		struct locator next;
		int known = recall(store, &here, &next), error;

		if (known < 0)
			return known;
		if (!known) {
			error = read_at(store, kind, id, &here, false, record);
			if (error != -ENOENT)
				return error;
			error = learn(store, &here.pack);
			if (error)
				return error;
			known = recall(store, &here, &next);
			if (known <= 0)
				return -ENOENT;
		}
		here = next;
	}
	return -ENOENT;
}

int remote_store_read_held(struct remote_store *store, unsigned kind, const struct id *id, const struct locator *at,
                           struct record *record)
{
	struct locator here = *at;

	for (unsigned hop = 0; hop <= MOVED_HOPS_MAX && here.offset; hop++) {
		struct locator next;
		int known = recall(store, &here, &next), error;

		if (!known) {
			error = read_at(store, kind, id, &here, true, record);
			return error && error != -ENOMEM ? -ENOENT : error;
		}
		if (known < 0)
			return known;
		here = next;
	}
	return -ENOENT;
}

void remote_store_expect(struct remote_store *store, const struct locator *last, const struct locator *next)
{
	char path[REMOTE_PATH_SIZE];

	remote_store_pack_path(&next->pack, "", path);
	windows_follow(store->windows, &last->pack, locator_end(last), &next->pack, path, next->offset);
}

void remote_store_reach(struct remote_store *store, const struct locator *first, const struct locator *last)
{
	windows_reach(store->windows, &first->pack, first->offset, locator_end(last));
}

int remote_store_read_held_root(struct remote_store *store, const struct id *id, struct record *record)
{
	size_t len;
	void *data;
	int error = store->cached ? cached_read_root(store->cached, store->key, id, &data, &len) : -ENOENT;

	if (error)
		return error;
	error = store_decode_root(data, len, id, record);
	free(data);
	return error && error != -ENOMEM ? -ENOENT : error;
}

int remote_store_read_root(struct remote_store *store, const struct id *id, struct record *record)
{
	char path[REMOTE_PATH_SIZE];
	void *data;
	size_t len;
	int error = remote_read_file(store->remote, remote_store_root_path(id, path), STORE_ROOT_FILE_MAX, &data, &len);

	if (error)
		return error == -EFBIG ? -EBADMSG : error == -ENOENT ? confirm_absence(store) : error;
	error = store_decode_root(data, len, id, record);
	if (error == -EBADMSG)
		remote_count_wrong(store->remote);
	if (!error && store->cached)
		cached_write_root(store->cached, store->key, id, data, len);
	free(data);
	return error;
}
