#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cache/cached_inside.h"
#include "cache/io.h"

#define TOUCH_S 600                           /* a pack's use is noted so often at most */
#define BELIEVE_NS (2 * UINT64_C(1000000000)) /* how long an open file is taken to be still there */

void cached_place_of_pack(const struct pack_id *pack, struct cached_place *place)
{
	place->top = CACHED_PACKS;
	pack_id_format(pack, place->name);
	snprintf(place->sub, sizeof(place->sub), "%.2s", place->name);
}

int cached_enter(struct cached *c, int above, const char *name, bool make)
{
	int fd = io_open(c->io, above, name, O_RDONLY | O_DIRECTORY, 0), error;

	if (fd != -ENOENT || !make)
		return fd;
	error = io_mkdir(c->io, above, name, 0700);
	if (error && error != -EEXIST)
		return error;
	fd = io_open(c->io, above, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0 && !error && c->shared)
		io_chmod(c->io, fd, 02770);
	return fd;
}

int cached_open_folder(struct cached *c, const struct cached_place *place, bool make)
{
	int top = cached_enter(c, c->dirfd, place->top, make), sub;

	if (top < 0)
		return top;
	sub = cached_enter(c, top, place->sub, make);
	io_close(c->io, top);
	return sub;
}

static int open_pack(struct cached *c, const struct pack_id *pack)
{
	struct cached_place place;
	int folder, fd;

	cached_place_of_pack(pack, &place);
	folder = cached_open_folder(c, &place, false);
	if (folder < 0)
		return folder;
	fd = io_open_regular(c->io, folder, place.name, NULL);
	io_close(c->io, folder);
	return fd;
}

/* Note that the pack of FILE was used, so that it is not the first to go. */
static void touch(struct cached *c, const struct pack_id *pack)
{
	struct cached_place place;
	int folder;

	cached_place_of_pack(pack, &place);
	folder = cached_open_folder(c, &place, false);
	if (folder >= 0)
		io_touch(c->io, folder, place.name);
	io_close(c->io, folder);
}

/* Whether FD is of a file that has a name. */
static bool is_there(struct cached *c, int fd)
{
	struct stat st;

	return c->io->ops->fstat(c->io->arg, fd, &st) == 0 && st.st_nlink > 0;
}

/* With the lock held: the file of PACK, as far as it is open; else the one to be closed for another, or NULL. */
static struct cached_file *find_file(struct cached *c, const struct pack_id *pack, bool *found)
{
	struct cached_file *oldest = NULL;

	for (unsigned i = 0; i < CACHED_FILES; i++) {
		struct cached_file *file = &c->files[i];

		*found = file->fd >= 0 && pack_id_equal(&file->pack, pack);
		if (*found)
			return file;
		if (!file->users && (!oldest || file->used_ns < oldest->used_ns))
			oldest = file;
	}
	return oldest;
}

/* Take the open file of PACK.  False where there is none; *DUE: its use is to be noted. */
static bool take_open(struct cached *c, const struct pack_id *pack, struct cached_held *held, bool *due)
{
	const uint64_t now = io_monotonic_ns(c->io);
	struct cached_file *file;
	int gone = -1;
	bool found;

	pthread_mutex_lock(&c->lock);
	file = find_file(c, pack, &found);
	if (found && now - file->checked_ns >= BELIEVE_NS) {
		file->checked_ns = now;
		if (!is_there(c, file->fd)) {
			found = file->users > 0;
			gone = found ? -1 : file->fd;
			file->fd = found ? file->fd : -1;
		}
	}
	if (found) {
		file->users++;
		file->used_ns = now;
		*held = (struct cached_held){.fd = file->fd, .file = file};
		*due = now - file->touched_ns >= TOUCH_S * UINT64_C(1000000000);
		if (*due)
			file->touched_ns = now;
	}
	pthread_mutex_unlock(&c->lock);
	io_close(c->io, gone);
	return found;
}

/* Keep FD open for others, where there is room. */
static void keep_open(struct cached *c, const struct pack_id *pack, int fd, struct cached_held *held)
{
	const uint64_t now = io_monotonic_ns(c->io);
	struct cached_file *file;
	int old = -1;
	bool found;

	*held = (struct cached_held){.fd = fd};
	pthread_mutex_lock(&c->lock);
	file = find_file(c, pack, &found);
	if (file && !found) {
		old = file->fd;
		*file = (struct cached_file){
		    .pack = *pack, .fd = fd, .users = 1, .used_ns = now, .checked_ns = now, .touched_ns = now};
		held->file = file;
	}
	pthread_mutex_unlock(&c->lock);
	io_close(c->io, old);
}

int cached_hold(struct cached *cached, const struct pack_id *pack, struct cached_held *held)
{
	bool due = true;
	int fd;

	if (!take_open(cached, pack, held, &due)) {
		fd = open_pack(cached, pack);
		if (fd < 0)
			return fd;
		keep_open(cached, pack, fd, held);
	}
	if (due)
		touch(cached, pack);
	return 0;
}

void cached_let_go(struct cached *cached, struct cached_held *held)
{
	if (!held->file) {
		io_close(cached->io, held->fd);
		return;
	}
	pthread_mutex_lock(&cached->lock);
	held->file->users--;
	pthread_mutex_unlock(&cached->lock);
}

void cached_close_files(struct cached *cached)
{
	pthread_mutex_lock(&cached->lock);
	for (unsigned i = 0; i < CACHED_FILES; i++) {
		struct cached_file *file = &cached->files[i];

		file->checked_ns = 0;
		if (file->users)
			continue;
		io_close(cached->io, file->fd);
		file->fd = -1;
	}
	pthread_mutex_unlock(&cached->lock);
}
