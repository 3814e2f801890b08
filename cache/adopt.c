#include "cache/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/interrupt.h"
#include "cache/store_inside.h"

#define BLOCK ((size_t)4 << 20) /* of a request */

/* A pack that is being copied. */
struct copy {
	const struct adopt *adopt;
	const struct io *io;
	struct store *store;
	struct remote *from;
	const struct pack_id *id;
	char remote_path[REMOTE_PATH_SIZE];
	char tmp[STORE_PATH_SIZE];
	uint64_t size;
	int fd;
	bool doubtful; /* not all bytes come from the remote, now */
};

/* --- the unfinished file --- */

/* Open tmp/NAME for this process alone.  0; -EBUSY where another has it; -errno. */
static int open_tmp(struct copy *c)
{
	struct stat held, named;
	int error;

	c->fd = io_open(c->io, c->store->dirfd, c->tmp, O_RDWR | O_CREAT | O_NONBLOCK, 0600);
	if (c->fd < 0)
		return c->fd;
	error = io_lock(c->io, c->fd, true, 0);
	if (!error)
		error = c->io->ops->fstat(c->io->arg, c->fd, &held);
	if (!error && !S_ISREG(held.st_mode))
		error = -EBUSY;
	/* Whoever had it until now may have given it its final name, or removed it. */
	if (!error && (io_stat(c->io, c->store->dirfd, c->tmp, &named) || named.st_ino != held.st_ino))
		error = -EBUSY;
	if (error)
		io_close(c->io, c->fd);
	return error;
}

/* The file that an earlier run left, or a new one; one of its own where another process is at it. */
static int begin(struct copy *c)
{
	char hex[PACK_ID_HEX_SIZE];
	struct pack_id random;
	int error = store_make_folder(c->store, "tmp");

	if (error)
		return error;
	snprintf(c->tmp, sizeof(c->tmp), "tmp/%s.adopt", pack_id_format(c->id, hex));
	error = open_tmp(c);
	if (!error || error == -ENOSPC || error == -EDQUOT || error == -EROFS)
		return error;
	io_random(c->io, &random, sizeof(random));
	snprintf(c->tmp, sizeof(c->tmp), "tmp/%s", pack_id_format(&random, hex));
	return open_tmp(c);
}

/* --- the bytes --- */

/* Where the cache has parts of the pack: whether LEN bytes at BEGIN lie in one of them. */
struct part {
	uint64_t begin, end;
	bool there;
};

static void look_at_part(void *arg, uint64_t begin, uint64_t end)
{
	struct part *part = arg;

	part->there |= begin <= part->begin && part->end <= end;
}

static bool read_cached(struct copy *c, uint64_t offset, uint8_t *data, size_t len)
{
	struct part part = {.begin = offset, .end = offset + len};

	if (!c->adopt->cached)
		return false;
	cached_each_part(c->adopt->cached, c->id, look_at_part, &part);
	return part.there && cached_read(c->adopt->cached, c->id, offset, data, len) == 0;
}

static int read_block(struct copy *c, bool trusting, uint64_t offset, uint8_t *data, size_t len)
{
	ssize_t got;

	if (interrupt_pending())
		return -EINTR;
	if (trusting && read_cached(c, offset, data, len)) {
		c->doubtful = true;
		return 0;
	}
	got = remote_read(c->from, c->remote_path, offset, data, len);
	if (got < 0)
		return (int)got;
	return (size_t)got == len ? 0 : -EBADMSG;
}

/* Copy what is missing at the end of the file; TRUSTING: what it has already, and what the cache has, is believed
 * until it was checked. */
static int copy_bytes(struct copy *c, bool trusting)
{
	uint8_t *data = malloc(BLOCK);
	uint64_t at = 0;
	struct stat st;
	int error = data ? c->io->ops->fstat(c->io->arg, c->fd, &st) : -ENOMEM;

	if (!error && trusting && (uint64_t)st.st_size <= c->size)
		at = (uint64_t)st.st_size;
	else if (!error)
		error = c->io->ops->ftruncate(c->io->arg, c->fd, 0);
	c->doubtful = at > 0;
	if (at > 0 && c->adopt->progress)
		c->adopt->progress(c->adopt->arg, at);
	while (!error && at < c->size) {
		const size_t len = c->size - at < BLOCK ? (size_t)(c->size - at) : BLOCK;

		error = read_block(c, trusting, at, data, len);
		if (!error)
			error = io_write_exact(c->io, c->fd, data, len, at);
		if (error)
			break;
		io_start_sync(c->io, c->fd, at, len);
		at += len;
		if (trusting && c->adopt->progress)
			c->adopt->progress(c->adopt->arg, len);
	}
	free(data);
	return error;
}

/* --- the check --- */

static int check_records(struct pack *pack)
{
	struct pack_entry *entries;
	int error = pack_read_index(pack, &entries);

	if (error)
		return error;
	for (uint32_t i = 0; i < pack_count(pack) && !error; i++) {
		const struct pack_entry *entry = &entries[i];
		struct record record;

		error = interrupt_pending()
		            ? -EINTR
		            : pack_read(pack, entry->offset, entry->stored_len, entry->kind, &entry->id, &record);
		if (!error)
			free(record.data);
	}
	free(entries);
	return error;
}

/* Whether the file is the pack, whole: every record of it against its id. */
static int check(struct copy *c)
{
	struct pack *pack;
	int error = pack_open(c->io, c->store->dirfd, c->tmp, c->id, &pack);

	if (error)
		return error;
	error = check_records(pack);
	pack_close(pack);
	return error;
}

/* Give the file its final name, durably. */
static int publish(struct copy *c)
{
	char path[SHELF_PATH_SIZE], folder[STORE_PATH_SIZE];
	int error = store_make_shard(c->store, STORE_PACKS, c->id->bytes[0]);

	if (!error)
		error = io_chmod(c->io, c->fd, c->store->file_mode);
	/* It is young, however long ago its bytes came. */
	if (!error)
		error = io_touch(c->io, c->store->dirfd, c->tmp);
	if (!error)
		error = io_fsync(c->io, c->fd);
	if (!error)
		error = io_publish(c->io, c->store->dirfd, c->tmp, c->store->dirfd, shelf_path(c->id, "", path));
	if (error == -EEXIST) {
		io_unlink(c->io, c->store->dirfd, c->tmp);
		error = 0;
	}
	if (!error)
		error = io_fsync_dir(c->io, c->store->dirfd, store_shard_path(STORE_PACKS, c->id->bytes[0], folder));
	if (!error)
		store_add_pack(c->store, c->id); /* what fails is seen at the next look */
	return error;
}

static int copy_and_check(struct copy *c, bool trusting)
{
	int error = copy_bytes(c, trusting);

	return error ? error : check(c);
}

static int bring(struct copy *c)
{
	int error = begin(c);

	if (error)
		return error;
	error = copy_and_check(c, true);
	/* What an earlier run or the cache had was wrong, and not what the remote has. */
	if (error == -EBADMSG && c->doubtful)
		error = copy_and_check(c, false);
	if (!error)
		error = publish(c);
	if (error == -EBADMSG || error == -ENOTSUP)
		io_unlink(c->io, c->store->dirfd, c->tmp);
	io_close(c->io, c->fd);
	return error;
}

int adopt_pack(const struct adopt *adopt, struct remote_store *from, const struct pack_id *id)
{
	struct copy c = {
	    .adopt = adopt,
	    .io = store_io(adopt->store),
	    .store = adopt->store,
	    .from = remote_store_remote(from),
	    .id = id,
	};
	struct remote_stat there;
	struct stat here;
	int error = store_stat_pack(adopt->store, id, &here);

	if (error != -ENOENT)
		return error;
	if (adopt->store->read_only)
		return -EROFS;
	error = remote_stat(c.from, remote_store_pack_path(id, "", c.remote_path), &there);
	if (error)
		return error;
	if (there.size > PACK_SIZE_MAX || there.size < PACK_HEADER_SIZE + PACK_TRAILER_SIZE)
		return -EBADMSG;
	c.size = there.size;
	return bring(&c);
}
