#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/hint_run.h"
#include "cache/store_inside.h"

char *store_shard_path(enum store_tree tree, uint8_t first, char path[STORE_PATH_SIZE])
{
	snprintf(path, STORE_PATH_SIZE, "%s/%02x", tree == STORE_ROOTS ? "roots" : "packs", first);
	return path;
}

int store_make_folder(struct store *store, const char *path)
{
	struct stat st;
	if (store->read_only)
		return -EROFS;
	if (io_stat(store->io, store->dirfd, path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	int r = io_mkdir(store->io, store->dirfd, path, store->dir_mode & 0777);
	if (r < 0)
		return r;
	/* The process's mask took bits away; the setgid bit came from above or comes now. */
	int fd = io_open(store->io, store->dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = io_chmod(store->io, fd, store->dir_mode);
	io_close(store->io, fd);
	return r == -EPERM ? 0 : r; /* another process was faster, and another user's */
}

int store_make_folders(struct store *store)
{
	static const char *const folders[] = {"packs", "roots", "condemned", "tmp", HINT_FOLDER};
	int r = 0;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && r == 0; i++)
		r = store_make_folder(store, folders[i]);
	return r;
}

int store_make_shard(struct store *store, enum store_tree tree, uint8_t first)
{
	pthread_mutex_lock(&store->lock);
	bool made = store->made[tree][first];
	pthread_mutex_unlock(&store->lock);
	if (made)
		return 0;
	char path[STORE_PATH_SIZE];
	int r = store_make_folder(store, store_shard_path(tree, first, path));
	/* Also where it was there: whoever made it may not have come to this. */
	if (r == 0)
		r = io_fsync_dir(store->io, store->dirfd, tree == STORE_ROOTS ? "roots" : "packs");
	if (r == 0)
		r = io_fsync_dir(store->io, store->dirfd, ".");
	if (r < 0)
		return r;
	pthread_mutex_lock(&store->lock);
	store->made[tree][first] = 1;
	pthread_mutex_unlock(&store->lock);
	return 0;
}

int store_write_file(struct store *store, const char *folder, const char *path, const void *data, size_t len,
                     bool replace)
{
	char tmp[STORE_PATH_SIZE], hex[PACK_ID_HEX_SIZE];
	struct pack_id random;
	io_random(store->io, &random, sizeof(random));
	snprintf(tmp, sizeof(tmp), "tmp/%s", pack_id_format(&random, hex));
	int fd = io_open(store->io, store->dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	int r = io_write_exact(store->io, fd, data, len, 0);
	if (r == 0)
		r = io_chmod(store->io, fd, store->file_mode);
	if (r == 0)
		r = io_fsync(store->io, fd);
	io_close(store->io, fd);
	if (r == 0)
		r = replace ? io_rename(store->io, store->dirfd, tmp, store->dirfd, path)
		            : io_publish(store->io, store->dirfd, tmp, store->dirfd, path);
	if (r < 0) {
		io_unlink(store->io, store->dirfd, tmp);
		return r;
	}
	return io_fsync_dir(store->io, store->dirfd, folder);
}

/* Names. */

/* The ids found so far in one of the trees, each of SIZE bytes. */
struct names {
	size_t size;        /* of an id */
	const char *suffix; /* of a name */
	char shard[3];
	struct buffer ids;
};

static int collect_id(void *arg, const char *name)
{
	struct names *names = arg;
	struct id id;
	struct pack_id pack;
	const size_t suffix_len = strlen(names->suffix);
	size_t len = strlen(name);
	if (len < suffix_len || strcmp(name + len - suffix_len, names->suffix) != 0 ||
	    strncmp(name, names->shard, 2) != 0)
		return 0; /* nothing of this kind */
	len -= suffix_len;
	if (names->size == ID_SIZE && id_parse(name, len, &id) == 0)
		buffer_append(&names->ids, id.bytes, ID_SIZE);
	if (names->size == PACK_ID_SIZE && pack_id_parse(name, len, &pack) == 0)
		buffer_append(&names->ids, pack.bytes, PACK_ID_SIZE);
	return names->ids.failed ? -ENOMEM : 0;
}

/* The value of a lower-case hex digit; 16 for what is none. */
static unsigned hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (unsigned)(at - digits) : 16;
}

/* Note which of the folders "00" to "ff" are there. */
static int note_shard(void *arg, const char *name)
{
	bool *there = arg;
	unsigned high, low;
	if (strlen(name) == 2 && (high = hex_digit(name[0])) < 16 && (low = hex_digit(name[1])) < 16)
		there[high << 4 | low] = true;
	return 0;
}

static int collect_ids(struct store *store, enum store_tree tree, struct names *names)
{
	bool there[256] = {false};
	int r = io_list(store->io, store->dirfd, tree == STORE_ROOTS ? "roots" : "packs", note_shard, there);
	for (unsigned first = 0; first < 256 && r == 0; first++) {
		char path[STORE_PATH_SIZE];
		if (!there[first])
			continue;
		snprintf(names->shard, sizeof(names->shard), "%02x", first);
		r = io_list(store->io, store->dirfd, store_shard_path(tree, (uint8_t)first, path), collect_id, names);
		if (r == -ENOENT || r == -ENOTDIR)
			r = 0;
	}
	return r == -ENOENT ? 0 : r;
}

static int compare_pack_ids(const void *a, const void *b)
{
	return memcmp(a, b, PACK_ID_SIZE);
}

static int compare_root_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_SIZE);
}

int store_each_name(struct store *store, enum store_tree tree, int (*each)(void *arg, const uint8_t *id), void *arg)
{
	struct names names = {
	    .size = tree == STORE_ROOTS ? ID_SIZE : PACK_ID_SIZE,
	    .suffix = tree == STORE_MOVED ? ".moved" : "",
	};
	int r = collect_ids(store, tree, &names);
	if (r == 0 && names.ids.len > 0)
		qsort(names.ids.data, names.ids.len / names.size, names.size,
		      tree == STORE_ROOTS ? compare_root_ids : compare_pack_ids);
	for (size_t at = 0; at < names.ids.len && r == 0; at += names.size)
		r = each(arg, names.ids.data + at);
	buffer_release(&names.ids);
	return r;
}

/* Measuring and sweeping. */

struct measuring {
	struct store *store;
	struct store_size size;
};

/* What vanished meanwhile counts for nothing. */
static int add_size(struct measuring *m, const char *path, uint64_t *number)
{
	struct stat st;
	int r = io_stat(m->store->io, m->store->dirfd, path, &st);
	if (r == 0) {
		m->size.bytes += (uint64_t)st.st_size;
		(*number)++;
	}
	return r == -ENOENT ? 0 : r;
}

static int measure_pack(void *arg, const uint8_t *id)
{
	struct measuring *m = arg;
	struct pack_id pack;
	char path[SHELF_PATH_SIZE];
	memcpy(pack.bytes, id, PACK_ID_SIZE);
	return add_size(m, shelf_path(&pack, "", path), &m->size.packs);
}

static int measure_root(void *arg, const uint8_t *id)
{
	struct measuring *m = arg;
	struct id root;
	char path[STORE_PATH_SIZE];
	memcpy(root.bytes, id, ID_SIZE);
	return add_size(m, store_root_path(&root, path), &m->size.roots);
}

int store_measure(struct store *store, struct store_size *size)
{
	struct measuring m = {.store = store};
	int r = store_each_name(store, STORE_PACKS, measure_pack, &m);
	if (r == 0)
		r = store_each_name(store, STORE_ROOTS, measure_root, &m);
	if (r == 0)
		*size = m.size;
	return r;
}

struct sweep {
	struct store *store;
	int64_t before;
	ssize_t removed;
};

static int sweep_one(void *arg, const char *name)
{
	struct sweep *sweep = arg;
	struct store *store = sweep->store;
	struct stat st;
	char *path;
	if (asprintf(&path, "tmp/%s", name) < 0)
		return -ENOMEM;
	if (io_stat(store->io, store->dirfd, path, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime <= sweep->before &&
	    io_unlink(store->io, store->dirfd, path) == 0)
		sweep->removed++;
	free(path);
	return 0;
}

ssize_t store_sweep_tmp(struct store *store, unsigned age_s)
{
	struct sweep sweep = {.store = store, .before = io_now(store->io).tv_sec - (int64_t)age_s};
	if (store->read_only)
		return -EROFS;
	int r = io_list(store->io, store->dirfd, "tmp", sweep_one, &sweep);
	return r < 0 && r != -ENOENT ? r : sweep.removed;
}
