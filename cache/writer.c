#include "cache/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/codec.h"
#include "cache/placed.h"
#include "cache/store_inside.h"

#define LOCK_WAIT_MS 10000
/* Nobody is this long between giving a pack its name and syncing the name. */
#define FRESH_S 600

/*
 * A pack being written and what is in it: chunks go to one, pages to another.  The table only ever holds one pack's
 * records: those of finished packs are found through the store, so that memory stays bounded however much is written.
 */
struct sheet {
	struct pack_writer *pack; /* NULL: none open */
	struct pack_id pack_id;
	struct placed placed;
};

struct store_writer {
	struct store *store; /* borrowed; NULL in a dry run that has none */
	bool dry;            /* nothing is written; the tables are those of the whole run */
	int lock;
	int tmp_dirfd;
	int error; /* of the step that failed; only close is allowed from then on */
	struct store_writer_stats stats;
	uint8_t *scratch; /* what store_writer_put() compresses to */
	size_t scratch_size;
	pthread_mutex_t table_lock; /* of what follows, for store_writer_known() of other threads */
	struct sheet data, pages;
	struct pack_id reused;  /* the last pack in which something was found */
	bool fresh_shards[256]; /* packs/AA where that pack was new: its name may not be durable yet */
};

static struct sheet *sheet_of(struct store_writer *w, unsigned kind)
{
	return kind == RECORD_PAGE ? &w->pages : &w->data;
}

/* Where the open pack of KIND has ID.  False where it has not. */
static bool find_added(struct store_writer *w, unsigned kind, const struct id *id, struct locator *locator)
{
	pthread_mutex_lock(&w->table_lock);
	bool found = placed_find(&sheet_of(w, kind)->placed, id, locator);
	pthread_mutex_unlock(&w->table_lock);
	return found;
}

int store_writer_open(struct store *store, struct store_writer **writer)
{
	int lock = store_lock(store, false, LOCK_WAIT_MS);
	if (lock < 0)
		return lock;
	struct store_writer *w = calloc(1, sizeof(*w));
	if (!w) {
		store_unlock(store, lock);
		return -ENOMEM;
	}
	w->store = store;
	w->lock = lock;
	pthread_mutex_init(&w->table_lock, NULL);
	int r = store_make_folders(store);
	w->tmp_dirfd = r < 0 ? r : io_open(store->io, store->dirfd, "tmp", O_RDONLY | O_DIRECTORY, 0);
	if (w->tmp_dirfd < 0) {
		r = w->tmp_dirfd;
		store_writer_close(w);
		return r;
	}
	/* With the lock held nothing is condemned or removed any more: what is seen from now on may be relied upon. */
	store_refresh(store);
	*writer = w;
	return 0;
}

int store_writer_open_dry(struct store *store, struct store_writer **writer)
{
	struct store_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->store = store;
	w->dry = true;
	pthread_mutex_init(&w->table_lock, NULL);
	*writer = w;
	return 0;
}

static void free_writer(struct store_writer *w)
{
	pthread_mutex_destroy(&w->table_lock);
	placed_release(&w->data.placed);
	placed_release(&w->pages.placed);
	free(w->scratch);
	free(w);
}

void store_writer_close(struct store_writer *w)
{
	if (!w)
		return;
	if (w->dry) {
		free_writer(w);
		return;
	}
	pack_writer_abort(w->data.pack);
	pack_writer_abort(w->pages.pack);
	if (!w->error)
		store_write_hints(w->store);
	io_close(w->store->io, w->tmp_dirfd);
	store_unlock(w->store, w->lock);
	free_writer(w);
}

/* Note that the writer is of no use any more. */
static int broken(struct store_writer *w, int error)
{
	w->error = error;
	return error;
}

/*
 * A pack that another process has just finished can be seen before its name is durable.  What is promised on the
 * strength of it must not be lost with it, so that commit syncs its folder, too.
 */
static void note_reuse(struct store_writer *w, const struct pack_id *pack)
{
	char path[SHELF_PATH_SIZE];
	struct stat st;
	pthread_mutex_lock(&w->table_lock);
	const bool noted = pack_id_equal(&w->reused, pack);
	w->reused = *pack;
	pthread_mutex_unlock(&w->table_lock);
	if (noted)
		return;
	int r = io_stat(w->store->io, w->store->dirfd, shelf_path(pack, "", path), &st);
	if (r == 0 && st.st_mtime + FRESH_S < io_now(w->store->io).tv_sec)
		return;
	pthread_mutex_lock(&w->table_lock);
	w->fresh_shards[pack->bytes[0]] = true;
	pthread_mutex_unlock(&w->table_lock);
}

static int sync_fresh_shards(struct store_writer *w)
{
	for (unsigned first = 0; first < 256; first++) {
		char path[STORE_PATH_SIZE];
		pthread_mutex_lock(&w->table_lock);
		const bool fresh = w->fresh_shards[first];
		w->fresh_shards[first] = false;
		pthread_mutex_unlock(&w->table_lock);
		if (!fresh)
			continue;
		int r =
		    io_fsync_dir(w->store->io, w->store->dirfd, store_shard_path(STORE_PACKS, (uint8_t)first, path));
		if (r < 0)
			return broken(w, r);
	}
	return 0;
}

int store_writer_known(struct store_writer *w, unsigned kind, const struct id *id, struct locator *locator)
{
	if (find_added(w, kind, id, locator))
		return 0;
	int r = w->store ? store_find(w->store, kind, id, locator, NULL) : -ENOENT;
	if (r == 0 && !w->dry)
		note_reuse(w, &locator->pack);
	return r;
}

static int finish_sheet(struct store_writer *w, struct sheet *sheet)
{
	char path[SHELF_PATH_SIZE], folder[STORE_PATH_SIZE];
	if (!sheet->pack)
		return 0;
	int r = store_make_shard(w->store, STORE_PACKS, sheet->pack_id.bytes[0]);
	if (r < 0)
		return broken(w, r);
	shelf_path(&sheet->pack_id, "", path);
	store_shard_path(STORE_PACKS, sheet->pack_id.bytes[0], folder);
	struct pack_writer *pack = sheet->pack;
	sheet->pack = NULL; /* finishing frees it in any case */
	r = pack_writer_finish(pack, w->store->dirfd, folder, path, w->store->file_mode);
	if (r < 0)
		return broken(w, r);
	/* Known to the store first, forgotten here then, so that other threads find it all the time. */
	store_add_pack(w->store, &sheet->pack_id);
	pthread_mutex_lock(&w->table_lock);
	placed_clear(&sheet->placed);
	pthread_mutex_unlock(&w->table_lock);
	return 0;
}

/* A pack of pages may be seen only where all that they name is there, too. */
static int finish(struct store_writer *w, struct sheet *sheet)
{
	int r = 0;
	if (sheet == &w->pages) {
		r = sync_fresh_shards(w);
		if (r == 0)
			r = finish_sheet(w, &w->data);
	}
	return r == 0 ? finish_sheet(w, sheet) : r;
}

static int open_sheet(struct store_writer *w, struct sheet *sheet)
{
	if (sheet->pack)
		return 0;
	int r = pack_writer_open(w->store->io, w->tmp_dirfd, &sheet->pack);
	if (r < 0)
		return r;
	sheet->pack_id = *pack_writer_id(sheet->pack);
	return 0;
}

/* Append to the sheet's pack and enter it in its table. */
static int append(struct store_writer *w, struct sheet *sheet, const struct id *id, const struct record_header *header,
                  const void *stored, struct locator *locator)
{
	uint32_t offset = PACK_HEADER_SIZE; /* of a dry run: any place but 0 */
	pthread_mutex_lock(&w->table_lock);
	int r = placed_reserve(&sheet->placed);
	pthread_mutex_unlock(&w->table_lock);
	if (r == 0 && !w->dry)
		r = open_sheet(w, sheet);
	if (r == 0 && !w->dry)
		r = pack_writer_add(sheet->pack, id, header, stored, &offset);
	if (r < 0)
		return r;
	*locator = (struct locator){.pack = sheet->pack_id, .offset = offset, .stored_len = header->stored_len};
	pthread_mutex_lock(&w->table_lock);
	placed_add(&sheet->placed, id, locator);
	pthread_mutex_unlock(&w->table_lock);
	return 0;
}

int store_writer_add(struct store_writer *w, const struct id *id, const struct record_header *header,
                     const void *stored, struct locator *locator)
{
	if (w->error)
		return w->error;
	struct sheet *sheet = sheet_of(w, header->kind);
	int r = store_writer_known(w, header->kind, id, locator);
	if (r == 0) {
		w->stats.reused++;
		return 0;
	}
	if (r == -ENOENT)
		r = append(w, sheet, id, header, stored, locator);
	if (r < 0)
		return broken(w, r);
	w->stats.records++;
	w->stats.raw_bytes += header->raw_len;
	w->stats.stored_bytes += RECORD_HEADER_SIZE + (uint64_t)header->stored_len + PACK_ENTRY_SIZE;
	return !w->dry && pack_writer_size(sheet->pack) >= PACK_TARGET_SIZE ? finish(w, sheet) : 0;
}

int store_writer_put(struct store_writer *w, unsigned kind, const struct id *id, const void *raw, uint32_t len,
                     uint32_t hashed_len, int level, struct locator *locator)
{
	if (w->error)
		return w->error;
	if (store_writer_known(w, kind, id, locator) == 0) {
		w->stats.reused++;
		return 0;
	}
	const size_t bound = codec_bound(len);
	if (bound > w->scratch_size) {
		free(w->scratch);
		w->scratch = malloc(bound);
		w->scratch_size = w->scratch ? bound : 0;
		if (!w->scratch)
			return broken(w, -ENOMEM);
	}
	unsigned codec;
	ssize_t stored_len = codec_encode(raw, len, level, w->scratch, &codec);
	if (stored_len < 0)
		return broken(w, (int)stored_len);
	const struct record_header header = {
	    .kind = (uint8_t)kind,
	    .codec = (uint8_t)codec,
	    .raw_len = len,
	    .stored_len = (uint32_t)stored_len,
	    .hashed_len = hashed_len,
	};
	return store_writer_add(w, id, &header, codec == CODEC_RAW ? raw : w->scratch, locator);
}

int store_writer_read(struct store_writer *w, unsigned kind, const struct id *id, const struct locator *hint,
                      struct record *record)
{
	struct sheet *sheet = sheet_of(w, kind);
	struct locator at;
	if (sheet->pack && find_added(w, kind, id, &at))
		return pack_writer_read(sheet->pack, at.offset, at.stored_len, kind, id, record);
	return w->store ? store_read(w->store, kind, id, hint, record) : -ENOENT;
}

int store_writer_commit(struct store_writer *w)
{
	if (w->error || w->dry)
		return w->error;
	return finish(w, &w->pages);
}

void store_writer_stats(const struct store_writer *w, struct store_writer_stats *stats)
{
	*stats = w->stats;
}
