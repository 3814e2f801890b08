#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/codec.h"
#include "cache/header.h"
#include "cache/store_inside.h"

_Static_assert(HEADER_SIZE == 64, "STORE_ROOT_FILE_MAX");

char *store_root_path(const struct id *id, char path[STORE_PATH_SIZE])
{
	char hex[ID_HEX_SIZE];
	id_format(id, hex);
	snprintf(path, STORE_PATH_SIZE, "roots/%.2s/%s", hex, hex);
	return path;
}

int store_decode_root(const void *data, size_t len, const struct id *id, struct record *record)
{
	static const struct pack_id none;
	struct header header;
	int r = len < HEADER_SIZE ? -EBADMSG : header_decode(HEADER_MAGIC_ROOT, data, &header);
	if (r == 0 && (header.count != 0 || !pack_id_equal(&header.pack, &none)))
		r = -EBADMSG;
	if (r == 0)
		r = record_decode((const uint8_t *)data + HEADER_SIZE, len - HEADER_SIZE, RECORD_PAGE, id, record);
	return r;
}

int store_read_root(struct store *store, const struct id *id, struct record *record)
{
	char path[STORE_PATH_SIZE];
	void *data;
	size_t len;
	int r = io_read_file(store->io, store->dirfd, store_root_path(id, path), STORE_ROOT_FILE_MAX, &data, &len);
	if (r == -EFBIG)
		return -EBADMSG;
	if (r < 0)
		return r;
	r = store_decode_root(data, len, id, record);
	free(data);
	return r;
}

int store_stat_root(struct store *store, const struct id *id, struct stat *st)
{
	char path[STORE_PATH_SIZE];
	return io_stat(store->io, store->dirfd, store_root_path(id, path), st);
}

int store_has_root(struct store *store, const struct id *id)
{
	struct stat st;
	int r = store_stat_root(store, id, &st);
	return r == -ENOTDIR ? -ENOENT : r;
}

/* The whole file: header and one record. */
static int encode(const void *data, uint32_t len, uint32_t hashed_len, struct buffer *file)
{
	struct header header = {0};
	struct record_header record = {.kind = RECORD_PAGE, .raw_len = len, .hashed_len = hashed_len};
	unsigned codec;
	buffer_reserve(file, HEADER_SIZE + RECORD_HEADER_SIZE + codec_bound(len) + len);
	if (file->failed)
		return -ENOMEM;
	uint8_t *stored = file->data + HEADER_SIZE + RECORD_HEADER_SIZE;
	ssize_t n = codec_encode(data, len, CODEC_LEVEL_DEFAULT, stored, &codec);
	if (n < 0)
		return (int)n;
	if (codec == CODEC_RAW)
		memcpy(stored, data, len);
	record.codec = (uint8_t)codec;
	record.stored_len = (uint32_t)n;
	header_encode(HEADER_MAGIC_ROOT, &header, file->data);
	record_header_encode(&record, stored, file->data + HEADER_SIZE);
	file->len = HEADER_SIZE + RECORD_HEADER_SIZE + (size_t)n;
	return 0;
}

/* Whether the root that stands there reads well. */
static int check_root(struct store *store, const struct id *id)
{
	struct record record;
	int r = store_read_root(store, id, &record);
	if (r == 0)
		free(record.data);
	return r;
}

int store_put_root(struct store *store, const struct id *id, const void *data, uint32_t len, uint32_t hashed_len)
{
	char path[STORE_PATH_SIZE], folder[STORE_PATH_SIZE];
	struct buffer file = {0};
	if (store->read_only)
		return -EROFS;
	store_root_path(id, path);
	store_shard_path(STORE_ROOTS, id->bytes[0], folder);
	int r = store_make_shard(store, STORE_ROOTS, id->bytes[0]);
	if (r < 0)
		return r;
	int there = check_root(store, id);
	/* What another process has just put there may not be durable yet.  What a later version wrote is left alone. */
	if (there == 0 || there == -ENOTSUP)
		return io_fsync_dir(store->io, store->dirfd, folder);
	if (there != -ENOENT && there != -EBADMSG)
		return there;
	r = encode(data, len, hashed_len, &file);
	if (r == 0)
		r = store_write_file(store, folder, path, file.data, file.len, there != -ENOENT);
	if (r == -EEXIST)
		r = io_fsync_dir(store->io, store->dirfd, folder); /* another process was faster */
	buffer_release(&file);
	return r;
}

struct each_root {
	int (*each)(void *arg, const struct id *id);
	void *arg;
};

static int tell_root(void *arg, const uint8_t *bytes)
{
	const struct each_root *e = arg;
	struct id id;
	memcpy(id.bytes, bytes, ID_SIZE);
	return e->each(e->arg, &id);
}

int store_each_root(struct store *store, int (*each)(void *arg, const struct id *id), void *arg)
{
	struct each_root e = {.each = each, .arg = arg};
	return store_each_name(store, STORE_ROOTS, tell_root, &e);
}

int store_remove_root(struct store *store, const struct id *id)
{
	char path[STORE_PATH_SIZE];
	if (store->read_only)
		return -EROFS;
	int r = io_unlink(store->io, store->dirfd, store_root_path(id, path));
	if (r < 0)
		return r;
	return io_fsync_dir(store->io, store->dirfd, store_shard_path(STORE_ROOTS, id->bytes[0], path));
}
