#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/store_inside.h"

#define CONDEMNED_FOLDER "condemned"

static int write_fresh(struct store *store, const char *folder, const char *path, const struct buffer *file,
                       bool replace)
{
	if (store->read_only)
		return -EROFS;
	return store_write_file(store, folder, path, file->data, file->len, replace);
}

/* Moved files. */

int store_write_moved(struct store *store, const struct pack_id *pack, const struct moved_entry *entries, size_t count)
{
	char path[SHELF_PATH_SIZE], folder[STORE_PATH_SIZE];
	struct buffer file = {0};
	int r = moved_encode(pack, entries, count, &file);
	if (r == 0)
		r = store_make_shard(store, STORE_PACKS, pack->bytes[0]); /* of a pack that was never here */
	if (r == 0)
		r = write_fresh(store, store_shard_path(STORE_PACKS, pack->bytes[0], folder),
		                shelf_path(pack, ".moved", path), &file, true);
	buffer_release(&file);
	return r;
}

int store_read_moved(struct store *store, const struct pack_id *pack, struct moved_entry **entries, size_t *count)
{
	char path[SHELF_PATH_SIZE];
	struct moved *moved;
	int r = moved_open(store->io, store->dirfd, shelf_path(pack, ".moved", path), pack, &moved);
	if (r < 0)
		return r;
	r = moved_read(moved, entries, count);
	moved_close(moved);
	return r;
}

struct each_moved {
	int (*each)(void *arg, const struct pack_id *id);
	void *arg;
};

static int tell_moved(void *arg, const uint8_t *bytes)
{
	const struct each_moved *e = arg;
	struct pack_id id;
	memcpy(id.bytes, bytes, PACK_ID_SIZE);
	return e->each(e->arg, &id);
}

int store_each_moved(struct store *store, int (*each)(void *arg, const struct pack_id *id), void *arg)
{
	struct each_moved e = {.each = each, .arg = arg};
	return store_each_name(store, STORE_MOVED, tell_moved, &e);
}

int store_remove_moved(struct store *store, const struct pack_id *pack)
{
	char path[SHELF_PATH_SIZE];
	if (store->read_only)
		return -EROFS;
	int r = io_unlink(store->io, store->dirfd, shelf_path(pack, ".moved", path));
	if (r == 0)
		store_refresh(store);
	return r;
}

/* Condemned files. */

/* Write one list, of which NAME is the name. */
static int write_list(struct store *store, const struct condemned *items, size_t count, int64_t since,
                      char name[PACK_ID_HEX_SIZE])
{
	char path[STORE_PATH_SIZE];
	struct pack_id random;
	struct buffer file = {0};
	io_random(store->io, &random, sizeof(random));
	snprintf(path, sizeof(path), CONDEMNED_FOLDER "/%s", pack_id_format(&random, name));
	int r = condemned_format(items, count, since, &file);
	if (r == 0 && file.len > CONDEMNED_FILE_MAX)
		r = -EFBIG;
	if (r == 0)
		r = write_fresh(store, CONDEMNED_FOLDER, path, &file, false);
	buffer_release(&file);
	return r;
}

int store_condemn(struct store *store, const struct condemned *items, size_t count)
{
	char name[PACK_ID_HEX_SIZE];
	int r = write_list(store, items, count, io_now(store->io).tv_sec, name);
	store_refresh(store);
	return r;
}

/* The condemned files, or what they hold together. */
struct lists {
	struct store *store;
	struct buffer items;
};

/* "condemned/<NAME>" where NAME is that of a collection.  False for other names. */
static bool list_path(const char *name, char path[STORE_PATH_SIZE])
{
	struct pack_id id;
	if (pack_id_parse(name, strlen(name), &id) < 0)
		return false;
	snprintf(path, STORE_PATH_SIZE, CONDEMNED_FOLDER "/%.32s", name);
	return true;
}

static int read_list(void *arg, const char *name)
{
	struct lists *lists = arg;
	struct store *store = lists->store;
	char path[STORE_PATH_SIZE];
	struct condemned *items;
	size_t len, count;
	void *text;
	if (!list_path(name, path))
		return 0;
	int r = io_read_file(store->io, store->dirfd, path, CONDEMNED_FILE_MAX, &text, &len);
	if (r == -ENOENT || r == -EFBIG || r == -EBADMSG)
		return 0;
	if (r < 0)
		return r;
	r = condemned_parse(text, len, &items, &count);
	free(text);
	/* Nothing is removed because of a list that does not check, so nothing needs to keep away from it either. */
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	buffer_append(&lists->items, items, count * sizeof(*items));
	free(items);
	return lists->items.failed ? -ENOMEM : 0;
}

static int compare_items(const void *a, const void *b)
{
	const struct condemned *x = a, *y = b;
	int order = condemned_cmp(x, y);
	return order ? order : x->since < y->since ? -1 : x->since > y->since;
}

int store_read_condemned(struct store *store, struct condemned **items, size_t *count)
{
	struct lists lists = {.store = store};
	int r = io_list(store->io, store->dirfd, CONDEMNED_FOLDER, read_list, &lists);
	if (r < 0 && r != -ENOENT) {
		buffer_release(&lists.items);
		return r;
	}
	struct condemned *list = (struct condemned *)(void *)lists.items.data;
	size_t i, n = 0, total = lists.items.len / sizeof(*list);
	if (total > 0)
		qsort(list, total, sizeof(*list), compare_items);
	for (i = 0; i < total; i++) {
		if (n == 0 || condemned_cmp(&list[n - 1], &list[i]) != 0)
			list[n++] = list[i];
	}
	*items = list; /* the caller's now, and free() takes it */
	*count = n;
	return 0;
}

/* The names of lists to be removed, or to be kept while all others go. */
struct list_names {
	struct store *store;
	char (*names)[PACK_ID_HEX_SIZE];
	size_t count;
};

static int remove_list(void *arg, const char *name)
{
	const struct list_names *keep = arg;
	char path[STORE_PATH_SIZE];
	if (!list_path(name, path))
		return 0;
	for (size_t i = 0; i < keep->count; i++) {
		if (strcmp(keep->names[i], name) == 0)
			return 0;
	}
	int r = io_unlink(keep->store->io, keep->store->dirfd, path);
	return r == -ENOENT ? 0 : r;
}

/* Remove all lists but those of KEEP. */
static int remove_lists(struct list_names *keep)
{
	struct store *store = keep->store;
	int r = io_list(store->io, store->dirfd, CONDEMNED_FOLDER, remove_list, keep);
	if (r == 0)
		r = io_fsync_dir(store->io, store->dirfd, CONDEMNED_FOLDER);
	store_refresh(store);
	return r == -ENOENT ? 0 : r;
}

int store_clear_condemned(struct store *store)
{
	struct list_names none = {.store = store};
	return store->read_only ? -EROFS : remove_lists(&none);
}

static int compare_since(const void *a, const void *b)
{
	const struct condemned *x = a, *y = b;
	return x->since < y->since ? -1 : x->since > y->since;
}

int store_set_condemned(struct store *store, const struct condemned *items, size_t count)
{
	struct list_names written = {.store = store};
	struct condemned *sorted = calloc(count ? count : 1, sizeof(*sorted));
	written.names = calloc(count ? count : 1, sizeof(*written.names));
	int r = store->read_only ? -EROFS : sorted && written.names ? 0 : -ENOMEM;
	if (r < 0)
		goto out;
	if (count > 0) {
		memcpy(sorted, items, count * sizeof(*sorted));
		qsort(sorted, count, sizeof(*sorted), compare_since);
	}
	/* A list for each time. */
	for (size_t from = 0, to; from < count && r == 0; from = to) {
		for (to = from + 1; to < count && sorted[to].since == sorted[from].since;)
			to++;
		r = write_list(store, sorted + from, to - from, sorted[from].since, written.names[written.count++]);
	}
	if (r == 0)
		r = remove_lists(&written);
	store_refresh(store);
out:
	free(sorted);
	free(written.names);
	return r;
}

mode_t store_file_mode(const struct store *store)
{
	return store->file_mode;
}

int store_install_pack(struct store *store, int dirfd, const char *name, const struct pack_id *id)
{
	char path[SHELF_PATH_SIZE], folder[STORE_PATH_SIZE];
	if (store->read_only)
		return -EROFS;
	int r = store_make_shard(store, STORE_PACKS, id->bytes[0]);
	if (r == 0)
		r = io_rename(store->io, dirfd, name, store->dirfd, shelf_path(id, "", path));
	if (r == 0)
		r = io_fsync_dir(store->io, store->dirfd, store_shard_path(STORE_PACKS, id->bytes[0], folder));
	store_refresh(store);
	return r;
}

int store_remove_pack(struct store *store, const struct pack_id *id)
{
	char path[SHELF_PATH_SIZE], folder[STORE_PATH_SIZE];
	if (store->read_only)
		return -EROFS;
	int r = io_unlink(store->io, store->dirfd, shelf_path(id, "", path));
	if (r == 0)
		r = io_fsync_dir(store->io, store->dirfd, store_shard_path(STORE_PACKS, id->bytes[0], folder));
	if (r == 0)
		store_refresh(store);
	return r;
}
