#include <errno.h>
#include <fcntl.h>

#include "cache/store_inside.h"

int store_adopt_pack(struct store *store, const char *tmp, const struct pack_id *id)
{
	char path[SHELF_PATH_SIZE], folder[STORE_PATH_SIZE];
	int fd, r;

	if (store->read_only)
		return -EROFS;
	fd = io_open(store->io, store->dirfd, tmp, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	r = io_chmod(store->io, fd, store->file_mode & 0444);
	if (!r)
		r = io_fsync(store->io, fd);
	io_close(store->io, fd);
	if (!r)
		r = store_make_shard(store, STORE_PACKS, id->bytes[0]);
	if (!r)
		r = io_publish(store->io, store->dirfd, tmp, store->dirfd, shelf_path(id, "", path));
	if (!r)
		r = io_fsync_dir(store->io, store->dirfd, store_shard_path(STORE_PACKS, id->bytes[0], folder));
	if (!r)
		store_add_pack(store, id);
	return r;
}
