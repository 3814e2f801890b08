#include "cache/pack_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "cache/shelf.h"

#define PIECE ((size_t)4 << 20)

int pack_copy_check(struct pack *pack)
{
	struct pack_entry *entries;
	int error = pack_read_index(pack, &entries);

	if (error)
		return error;
	for (uint32_t i = 0; i < pack_count(pack) && !error; i++) {
		struct record record;

		error =
		    pack_read(pack, entries[i].offset, entries[i].stored_len, entries[i].kind, &entries[i].id, &record);
		if (!error)
			free(record.data);
	}
	free(entries);
	return error;
}

/* Copy SIZE bytes of PATH to FD. */
static int copy(const struct io *io, struct remote *from, const char *path, uint64_t size, int fd)
{
	uint8_t *piece = malloc(PIECE);
	int error = piece ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < size && !error;) {
		const size_t len = size - at < PIECE ? (size_t)(size - at) : PIECE;
		ssize_t got = remote_read(from, path, at, piece, len);

		if (got < 0)
			error = (int)got;
		else if ((size_t)got != len)
			error = -EBADMSG;
		else
			error = io_write_exact(io, fd, piece, len, at);
		at += len;
	}
	free(piece);
	return error;
}

static int check_file(const struct io *io, const struct pack_id *id, int dirfd, const char *name)
{
	struct pack *pack;
	int error = pack_open(io, dirfd, name, id, &pack);

	if (error)
		return error;
	error = pack_copy_check(pack);
	pack_close(pack);
	return error;
}

int pack_copy_fetch(const struct io *io, struct remote *from, const struct pack_id *id, int dirfd, const char *name,
                    mode_t mode)
{
	char path[SHELF_PATH_SIZE];
	struct remote_stat st;
	int error = remote_stat(from, shelf_path(id, "", path), &st), fd;

	if (error)
		return error;
	if (st.size > PACK_SIZE_MAX)
		return -EBADMSG;
	fd = io_open(io, dirfd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	error = copy(io, from, path, st.size, fd);
	if (!error)
		error = io_chmod(io, fd, mode);
	if (!error)
		error = io_fsync(io, fd);
	io_close(io, fd);
	if (!error)
		error = check_file(io, id, dirfd, name);
	if (error)
		io_unlink(io, dirfd, name);
	return error;
}
