#include "cache/cached.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/cached_inside.h"
#include "cache/store_inside.h"

#define TRIM_EVERY ((uint64_t)64 << 20) /* bytes written between two looks at how much there is */
#define REST_S 60                       /* after a failure nothing is written for so long */

int cached_open(const struct cached_setup *setup, struct cached **cached)
{
	struct cached *c = calloc(1, sizeof(*c));
	struct stat st;
	int error;

	if (!c)
		return -ENOMEM;
	c->io = setup->io;
	c->limit = setup->limit_bytes;
	c->floor = setup->floor_bytes;
	error = io_mkdir(c->io, AT_FDCWD, setup->path, 0700);
	c->dirfd = io_open(c->io, AT_FDCWD, setup->path, O_RDONLY | O_DIRECTORY, 0);
	if (c->dirfd >= 0)
		error = c->io->ops->fstat(c->io->arg, c->dirfd, &st);
	else if (!error || error == -EEXIST)
		error = c->dirfd;
	if (error) {
		io_close(c->io, c->dirfd);
		free(c);
		return error;
	}
	c->shared = st.st_mode & 0020 ? 0060 : 0;
	for (unsigned i = 0; i < CACHED_FILES; i++)
		c->files[i].fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	*cached = c;
	return 0;
}

uint64_t cached_limit(const struct cached *cached)
{
	return cached->limit;
}

void cached_stats(struct cached *cached, struct cached_stats *stats)
{
	pthread_mutex_lock(&cached->lock);
	*stats = cached->stats;
	pthread_mutex_unlock(&cached->lock);
}

void cached_count(struct cached *c, uint64_t *counter, uint64_t by)
{
	pthread_mutex_lock(&c->lock);
	*counter += by;
	pthread_mutex_unlock(&c->lock);
}

/* --- reading --- */

int cached_read(struct cached *cached, const struct pack_id *pack, uint64_t offset, void *data, size_t len)
{
	struct cached_held held;
	int error = cached_hold(cached, pack, &held);

	if (!error) {
		error = io_read_exact(cached->io, held.fd, data, len, offset);
		cached_let_go(cached, &held);
	}
	cached_count(cached, error ? &cached->stats.misses : &cached->stats.hits, 1);
	return error ? -ENOENT : 0;
}

void cached_each_part(struct cached *cached, const struct pack_id *pack,
                      void (*each)(void *arg, uint64_t begin, uint64_t end), void *arg)
{
	uint64_t begin, end = 0;
	struct cached_held held;

	if (cached_hold(cached, pack, &held))
		return;
	while (io_next_data(cached->io, held.fd, end, &begin, &end) == 0)
		each(arg, begin, end);
	cached_let_go(cached, &held);
}

/* --- writing --- */

/* Open the file NAME in FOLDER for writing; made where it is missing. */
static int open_to_write(struct cached *c, int folder, const char *name)
{
	struct stat st;
	int fd = io_open(c->io, folder, name, O_WRONLY | O_CREAT | O_NONBLOCK, 0600 | c->shared), error;

	if (fd < 0)
		return fd;
	error = c->io->ops->fstat(c->io->arg, fd, &st);
	if (!error && !S_ISREG(st.st_mode))
		error = -EBADMSG;
	if (!error && c->shared)
		io_chmod(c->io, fd, 0600 | c->shared); /* another's file stays as it is */
	if (!error)
		return fd;
	io_close(c->io, fd);
	return error;
}

static int write_to(struct cached *c, const struct cached_place *place, bool anew, uint64_t offset, const void *data,
                    size_t len)
{
	int folder = cached_open_folder(c, place, true), fd, error;

	if (folder < 0)
		return folder;
	if (anew)
		io_unlink(c->io, folder, place->name);
	fd = open_to_write(c, folder, place->name);
	/* What stands where a file should makes room for one. */
	if (fd == -ELOOP || fd == -EBADMSG || fd == -ENXIO) {
		io_unlink(c->io, folder, place->name);
		fd = open_to_write(c, folder, place->name);
	}
	error = fd < 0 ? fd : io_write_exact(c->io, fd, data, len, offset);
	io_close(c->io, fd);
	io_close(c->io, folder);
	return error;
}

/* Whether a failure will be that of every file. */
static bool is_of_the_disk(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EROFS || error == -EIO || error == -EACCES;
}

/* Write, unless the disk failed a while ago. */
static bool keep(struct cached *c, const struct cached_place *place, bool anew, uint64_t offset, const void *data,
                 size_t len)
{
	const time_t now = io_now(c->io).tv_sec;
	bool trim = false, rests;
	int error;

	pthread_mutex_lock(&c->lock);
	rests = now < c->rests_until;
	pthread_mutex_unlock(&c->lock);
	if (rests)
		return false;
	error = write_to(c, place, anew, offset, data, len);
	pthread_mutex_lock(&c->lock);
	if (error) {
		c->stats.failures++;
		if (is_of_the_disk(error))
			c->rests_until = now + REST_S;
	} else {
		c->stats.written += len;
		c->untrimmed += len;
		trim = c->untrimmed >= TRIM_EVERY;
		if (trim)
			c->untrimmed = 0;
	}
	pthread_mutex_unlock(&c->lock);
	if (trim)
		cached_trim(c, c->limit);
	return !error;
}

bool cached_write(struct cached *cached, const struct pack_id *pack, uint64_t offset, const void *data, size_t len)
{
	struct cached_place place;

	cached_place_of_pack(pack, &place);
	return keep(cached, &place, false, offset, data, len);
}

/* --- roots --- */

static void place_of_root(uint64_t store, const struct id *id, struct cached_place *place)
{
	char hex[ID_HEX_SIZE];

	place->top = CACHED_ROOTS;
	snprintf(place->name, sizeof(place->name), "%016" PRIx64 "-%s", store, id_format(id, hex));
	snprintf(place->sub, sizeof(place->sub), "%.2s", hex);
}

int cached_read_root(struct cached *cached, uint64_t store, const struct id *id, void **data, size_t *len)
{
	struct cached_place place;
	int folder, error;

	place_of_root(store, id, &place);
	folder = cached_open_folder(cached, &place, false);
	error = folder < 0 ? folder : io_read_file(cached->io, folder, place.name, STORE_ROOT_FILE_MAX, data, len);
	io_close(cached->io, folder);
	return error && error != -ENOMEM ? -ENOENT : error;
}

void cached_write_root(struct cached *cached, uint64_t store, const struct id *id, const void *data, size_t len)
{
	struct cached_place place;

	place_of_root(store, id, &place);
	/* Nothing of a longer one may be left behind it. */
	keep(cached, &place, true, 0, data, len);
}

void cached_close(struct cached *cached)
{
	if (!cached)
		return;
	cached_end_look(cached);
	if (cached->untrimmed)
		cached_trim(cached, cached->limit);
	cached_close_files(cached);
	io_close(cached->io, cached->dirfd);
	pthread_mutex_destroy(&cached->lock);
	free(cached);
}
