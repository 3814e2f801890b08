#include "fs/deposit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/name.h"

#define TEMPORARY ".revfs-tmp-" /* and two numbers: of the process, and counted in it */

/* The file being filled. */
struct sink {
	int fd;
	uint64_t offset;
	bool hole_behind; /* the last piece was a hole: only the size says that it is there */
	int error;        /* of writing */
	const atomic_bool *stop;
};

static bool is_stopped(const atomic_bool *stop)
{
	return stop && atomic_load_explicit(stop, memory_order_relaxed);
}

static int write_all(int fd, const uint8_t *data, uint64_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		len -= (uint64_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

static int write_piece(void *arg, const void *data, uint64_t len)
{
	struct sink *sink = arg;

	if (is_stopped(sink->stop))
		return -EINTR;
	sink->hole_behind = !data;
	if (data)
		sink->error = write_all(sink->fd, data, len, sink->offset);
	sink->offset += len;
	return sink->error;
}

static bool is_error_of_disk(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EFBIG || error == -EROFS;
}

/* Fill FD with the bytes of PLACE. */
static int fill(const struct deposit *d, int fd, const struct place *place, struct deposited *result)
{
	struct sink sink = {.fd = fd, .stop = d->stop};
	int r;

	if (place->kind == PLACE_GIT_BLOB) {
		r = is_stopped(d->stop) ? -EINTR : repo_blob_to_fd(d->world->repo, &place->oid, fd);
		result->cannot_write = is_error_of_disk(r);
		return r;
	}
	r = content_each_piece(d->world->source, &place->content, write_piece, &sink);
	if (r == 0 && sink.hole_behind && ftruncate(fd, (off_t)sink.offset) < 0)
		r = sink.error = -errno;
	result->cannot_write = sink.error != 0;
	if (r == 0 && sink.offset != place->size)
		r = -EBADMSG;
	return r;
}

/* Make, fill and close the new file NAME.  -EEXIST where something stands there. */
static int make_file(const struct deposit *d, int dirfd, const char *name, const struct place *place,
                     struct deposited *result)
{
	const struct timespec times[2] = {place->time, place->time};
	int r, fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                   place->executable ? 0777 : 0666);

	if (fd < 0) {
		result->cannot_write = true;
		return -errno;
	}
	r = fill(d, fd, place, result);
	if (r == 0 && d->way == DEPOSIT_PRIVATE && futimens(fd, times) < 0 && errno != EPERM && errno != EINVAL)
		r = -errno;
	if (r == 0 && fstat(fd, &result->st) < 0)
		r = -errno;
	/* Some file systems report here that there was no room. */
	if (close(fd) < 0 && r == 0 && errno != EINTR) {
		r = -errno;
		result->cannot_write = true;
	}
	if (r < 0)
		unlinkat(dirfd, name, 0);
	return r;
}

static int make_link(const struct deposit *d, int dirfd, const char *name, const struct place *place,
                     struct deposited *result)
{
	const struct timespec times[2] = {place->time, place->time};
	char target[PAGE_SYMLINK_MAX + 1];
	int r = place_target(d->world, place, target);

	if (r < 0)
		return r;
	if (symlinkat(target, dirfd, name) < 0) {
		result->cannot_write = true;
		return -errno;
	}
	if (d->way == DEPOSIT_PRIVATE)
		(void)utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);
	return fstatat(dirfd, name, &result->st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static bool is_link(const struct place *place)
{
	return place->kind == PLACE_GIT_LINK || place->kind == PLACE_DATA_LINK;
}

static int make(const struct deposit *d, int dirfd, const char *name, const struct place *place,
                struct deposited *result)
{
	return is_link(place) ? make_link(d, dirfd, name, place, result) : make_file(d, dirfd, name, place, result);
}

/* Whether an earlier run wrote NAME to the end: links appear whole, files have their time only then. */
static bool is_whole(int dirfd, const char *name, const struct place *place, struct stat *st)
{
	if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0 || st->st_nlink != 1 ||
	    (uint64_t)st->st_size != place->size)
		return false;
	if (is_link(place))
		return S_ISLNK(st->st_mode);
	return S_ISREG(st->st_mode) && st->st_mtim.tv_sec == place->time.tv_sec &&
	       st->st_mtim.tv_nsec == place->time.tv_nsec && ((st->st_mode & S_IXUSR) != 0) == place->executable;
}

static int write_private(const struct deposit *d, int dirfd, const char *name, const struct place *place,
                         struct deposited *result)
{
	int r = make(d, dirfd, name, place, result);

	if (r != -EEXIST)
		return r;
	result->cannot_write = false;
	if (is_whole(dirfd, name, place, &result->st)) {
		result->kept = true;
		return 0;
	}
	if (unlinkat(dirfd, name, 0) < 0) {
		result->cannot_write = true;
		return -errno;
	}
	return make(d, dirfd, name, place, result);
}

/* Under a name that nobody has, then moved to where it belongs. */
static int write_replacing(const struct deposit *d, int dirfd, const char *name, const struct place *place,
                           struct deposited *result)
{
	static atomic_uint counter;
	char temporary[64];
	int r;

	do {
		unsigned n = atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);

		snprintf(temporary, sizeof(temporary), TEMPORARY "%ld-%u", (long)getpid(), n);
		result->cannot_write = false;
		r = make(d, dirfd, temporary, place, result);
	} while (r == -EEXIST);
	if (r < 0)
		return r;
	if (renameat(dirfd, temporary, dirfd, name) < 0) {
		r = -errno;
		result->cannot_write = true;
		unlinkat(dirfd, temporary, 0);
		return r;
	}
	/* The move changed its ctime, and who remembers what stands here needs that. */
	return fstatat(dirfd, name, &result->st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

bool deposit_is_unfinished(const char *name)
{
	size_t process, count;

	if (strncmp(name, TEMPORARY, strlen(TEMPORARY)) != 0)
		return false;
	name += strlen(TEMPORARY);
	process = strspn(name, "0123456789");
	if (!process || name[process] != '-')
		return false;
	name += process + 1;
	count = strspn(name, "0123456789");
	return count && !name[count];
}

int deposit_write(const struct deposit *d, int dirfd, const char *name, const struct place *place,
                  struct deposited *result)
{
	memset(result, 0, sizeof(*result));
	if (!name_is_valid(name, strlen(name)))
		return -EIO;
	if (place->kind == PLACE_BROKEN)
		return place->error;
	if (place_is_directory(place))
		return -EISDIR;
	if (place->foreign)
		return -ENOTSUP;
	if (d->way == DEPOSIT_PRIVATE)
		return write_private(d, dirfd, name, place, result);
	return write_replacing(d, dirfd, name, place, result);
}
