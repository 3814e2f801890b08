#include "cache/cached.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/store_inside.h"

#define PACKS "packs"
#define ROOTS "roots"
#define NAME_SIZE 96

#define TRIM_EVERY ((uint64_t)64 << 20) /* bytes written between two looks at how much there is */
#define REST_S 60                       /* after a failure nothing is written for so long */
#define TOUCH_S 600                     /* a pack's use is noted so often at most */
#define TOUCHED 256                     /* packs of which it is known when; a power of two */

/* Where a file lies: TOP/SUB/NAME.  Folders are entered one by one and never through a link: others may have put it
 * there. */
struct place {
	const char *top;
	char sub[3];
	char name[NAME_SIZE];
};

struct touched {
	struct pack_id pack;
	time_t when;
};

struct cached {
	const struct io *io;
	int dirfd;
	mode_t shared; /* what the group may do */
	uint64_t limit, floor;
	pthread_mutex_t lock; /* of all below; held for memory work only */
	struct cached_stats stats;
	uint64_t untrimmed; /* bytes written since the last look */
	time_t rests_until;
	struct touched touched[TOUCHED];
};

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
	pthread_mutex_init(&c->lock, NULL);
	*cached = c;
	return 0;
}

void cached_stats(struct cached *cached, struct cached_stats *stats)
{
	pthread_mutex_lock(&cached->lock);
	*stats = cached->stats;
	pthread_mutex_unlock(&cached->lock);
}

static void count(struct cached *c, uint64_t *counter, uint64_t by)
{
	pthread_mutex_lock(&c->lock);
	*counter += by;
	pthread_mutex_unlock(&c->lock);
}

/* --- reading --- */

static void place_of_pack(const struct pack_id *pack, struct place *place)
{
	place->top = PACKS;
	pack_id_format(pack, place->name);
	snprintf(place->sub, sizeof(place->sub), "%.2s", place->name);
}

static int enter(struct cached *c, int above, const char *name, bool make)
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

/* Open the folder of PLACE, made where it is missing and MAKE is set. */
static int open_folder(struct cached *c, const struct place *place, bool make)
{
	int top = enter(c, c->dirfd, place->top, make), sub;

	if (top < 0)
		return top;
	sub = enter(c, top, place->sub, make);
	io_close(c->io, top);
	return sub;
}

/* Note that PACK was used, so that it is not the first to go. */
static void touch(struct cached *c, const struct pack_id *pack)
{
	struct touched *slot = &c->touched[pack->bytes[0] ^ pack->bytes[7]];
	time_t now = io_now(c->io).tv_sec;
	struct place place;
	bool due;
	int folder;

	pthread_mutex_lock(&c->lock);
	due = !pack_id_equal(&slot->pack, pack) || now - slot->when >= TOUCH_S;
	if (due)
		*slot = (struct touched){*pack, now};
	pthread_mutex_unlock(&c->lock);
	if (!due)
		return;
	place_of_pack(pack, &place);
	folder = open_folder(c, &place, false);
	if (folder >= 0)
		io_touch(c->io, folder, place.name);
	io_close(c->io, folder);
}

static int open_pack(struct cached *c, const struct pack_id *pack)
{
	struct place place;
	int folder, fd;

	place_of_pack(pack, &place);
	folder = open_folder(c, &place, false);
	if (folder < 0)
		return folder;
	fd = io_open_regular(c->io, folder, place.name, NULL);
	io_close(c->io, folder);
	return fd;
}

int cached_read(struct cached *cached, const struct pack_id *pack, uint64_t offset, void *data, size_t len)
{
	int fd = open_pack(cached, pack), error;

	if (fd < 0)
		return -ENOENT;
	error = io_read_exact(cached->io, fd, data, len, offset);
	io_close(cached->io, fd);
	return error ? -ENOENT : 0;
}

static bool is_hole(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i])
			return false;
	}
	return true;
}

int cached_read_record(struct cached *cached, unsigned kind, const struct id *id, const struct locator *at,
                       struct record *record)
{
	const size_t len = RECORD_HEADER_SIZE + (size_t)at->stored_len;
	uint8_t *data;
	int error;

	if (!at->offset || at->stored_len > RECORD_RAW_MAX)
		return -ENOENT;
	data = malloc(len);
	if (!data)
		return -ENOMEM;
	error = cached_read(cached, &at->pack, at->offset, data, len);
	if (!error) {
		error = record_decode(data, len, kind, id, record);
		/* What was never written is no damage. */
		if (error && error != -ENOMEM && !is_hole(data, RECORD_HEADER_SIZE))
			count(cached, &cached->stats.damaged, 1);
	}
	free(data);
	count(cached, error ? &cached->stats.misses : &cached->stats.hits, 1);
	if (!error)
		touch(cached, &at->pack);
	return error && error != -ENOMEM ? -ENOENT : error;
}

void cached_each_part(struct cached *cached, const struct pack_id *pack,
                      void (*each)(void *arg, uint64_t begin, uint64_t end), void *arg)
{
	uint64_t begin, end = 0;
	int fd = open_pack(cached, pack);

	while (fd >= 0 && io_next_data(cached->io, fd, end, &begin, &end) == 0)
		each(arg, begin, end);
	io_close(cached->io, fd);
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

static int write_to(struct cached *c, const struct place *place, bool anew, uint64_t offset, const void *data,
                    size_t len)
{
	int folder = open_folder(c, place, true), fd, error;

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
static bool keep(struct cached *c, const struct place *place, bool anew, uint64_t offset, const void *data, size_t len)
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
	struct place place;

	place_of_pack(pack, &place);
	return keep(cached, &place, false, offset, data, len);
}

/* --- roots --- */

static void place_of_root(uint64_t store, const struct id *id, struct place *place)
{
	char hex[ID_HEX_SIZE];

	place->top = ROOTS;
	snprintf(place->name, sizeof(place->name), "%016" PRIx64 "-%s", store, id_format(id, hex));
	snprintf(place->sub, sizeof(place->sub), "%.2s", hex);
}

int cached_read_root(struct cached *cached, uint64_t store, const struct id *id, void **data, size_t *len)
{
	struct place place;
	int folder, error;

	place_of_root(store, id, &place);
	folder = open_folder(cached, &place, false);
	error = folder < 0 ? folder : io_read_file(cached->io, folder, place.name, STORE_ROOT_FILE_MAX, data, len);
	io_close(cached->io, folder);
	return error && error != -ENOMEM ? -ENOENT : error;
}

void cached_write_root(struct cached *cached, uint64_t store, const struct id *id, const void *data, size_t len)
{
	struct place place;

	place_of_root(store, id, &place);
	/* Nothing of a longer one may be left behind it. */
	keep(cached, &place, true, 0, data, len);
}

/* --- how much there is, and making room --- */

struct file {
	struct place place;
	uint64_t bytes;
	struct timespec used;
};

/* All files of the folder. */
struct files {
	struct cached *cached;
	const char *top;
	int top_fd, sub_fd; /* the folders that are being listed */
	char sub[3];
	struct file *list;
	size_t count, room;
	uint64_t bytes, packs;
};

static bool is_packs(const char *top)
{
	return !strcmp(top, PACKS);
}

/* Whether NAME may be of ours: what is not stays. */
static bool is_ours(const char *top, const char *name)
{
	const size_t len = strlen(name);

	return strspn(name, "0123456789abcdef-") == len &&
	       len == (is_packs(top) ? PACK_ID_HEX_SIZE : 17 + ID_HEX_SIZE) - 1;
}

static int take_file(void *arg, const char *name)
{
	struct files *f = arg;
	struct file *file;
	struct stat st;

	if (!is_ours(f->top, name) || io_stat(f->cached->io, f->sub_fd, name, &st) || S_ISDIR(st.st_mode))
		return 0;
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 64;
		struct file *list = reallocarray(f->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		f->list = list;
		f->room = room;
	}
	file = &f->list[f->count++];
	file->place.top = f->top;
	memcpy(file->place.sub, f->sub, sizeof(f->sub));
	snprintf(file->place.name, sizeof(file->place.name), "%s", name);
	file->bytes = (uint64_t)st.st_blocks * 512;
	file->used = st.st_mtim;
	f->bytes += file->bytes;
	f->packs += is_packs(f->top);
	return 0;
}

/* A folder of files, "ab". */
static int take_folder(void *arg, const char *name)
{
	struct files *f = arg;
	int error = 0;

	if (strlen(name) != 2)
		return 0;
	strcpy(f->sub, name);
	f->sub_fd = enter(f->cached, f->top_fd, name, false);
	if (f->sub_fd >= 0)
		error = io_list(f->cached->io, f->sub_fd, ".", take_file, f);
	io_close(f->cached->io, f->sub_fd);
	return error == -ENOMEM ? error : 0;
}

static int find_files(struct cached *c, struct files *f)
{
	static const char *const tops[] = {PACKS, ROOTS};
	int error = 0;

	*f = (struct files){.cached = c};
	for (unsigned i = 0; i < 2 && !error; i++) {
		f->top = tops[i];
		f->top_fd = enter(c, c->dirfd, f->top, false);
		if (f->top_fd >= 0)
			error = io_list(c->io, f->top_fd, ".", take_folder, f);
		io_close(c->io, f->top_fd);
	}
	if (error)
		free(f->list);
	return error;
}

int cached_measure(struct cached *cached, struct cached_size *size)
{
	struct files f;
	int error = find_files(cached, &f);

	if (error)
		return error;
	free(f.list);
	*size = (struct cached_size){.packs = f.packs, .bytes = f.bytes};
	return 0;
}

static int compare_use(const void *a, const void *b)
{
	const struct file *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	return x->used.tv_nsec < y->used.tv_nsec ? -1 : x->used.tv_nsec > y->used.tv_nsec;
}

/* How much more of the disk should be free. */
static uint64_t short_of(const struct cached *c)
{
	uint64_t available;

	if (io_free_bytes(c->io, c->dirfd, &available))
		return 0;
	return available < c->floor ? c->floor - available : 0;
}

static int remove_file(struct cached *c, const struct place *place)
{
	int folder = open_folder(c, place, false);
	int error = folder < 0 ? folder : io_unlink(c->io, folder, place->name);

	io_close(c->io, folder);
	return error;
}

int cached_trim(struct cached *cached, uint64_t limit_bytes)
{
	const uint64_t wanted = short_of(cached);
	struct files f;
	uint64_t left;
	int error = find_files(cached, &f);

	if (error)
		return error;
	left = f.bytes > wanted ? f.bytes - wanted : 0;
	if (left < limit_bytes)
		limit_bytes = left;
	if (f.count)
		qsort(f.list, f.count, sizeof(*f.list), compare_use);
	for (size_t i = 0; i < f.count && !error && (f.bytes > limit_bytes || !limit_bytes); i++) {
		error = remove_file(cached, &f.list[i].place);
		if (!error)
			count(cached, &cached->stats.evicted, 1);
		if (!error || error == -ENOENT) {
			f.bytes -= f.list[i].bytes;
			error = 0;
		}
	}
	free(f.list);
	return error;
}

void cached_close(struct cached *cached)
{
	if (!cached)
		return;
	if (cached->untrimmed)
		cached_trim(cached, cached->limit);
	io_close(cached->io, cached->dirfd);
	pthread_mutex_destroy(&cached->lock);
	free(cached);
}
