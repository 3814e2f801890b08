#include "cache/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LIST_BYTES 32768
#define LOCK_POLL_MS 20

/* The system calls themselves. */

static int result(int answer)
{
	return answer < 0 ? -errno : answer;
}

static int sys_openat(void *arg, int dirfd, const char *path, int flags, mode_t mode)
{
	(void)arg;
	return result(openat(dirfd, path, flags, mode));
}

static int sys_close(void *arg, int fd)
{
	(void)arg;
	return result(close(fd));
}

static ssize_t sys_pread(void *arg, int fd, void *data, size_t len, off_t offset)
{
	(void)arg;
	ssize_t n = pread(fd, data, len, offset);
	return n < 0 ? -errno : n;
}

static ssize_t sys_pwrite(void *arg, int fd, const void *data, size_t len, off_t offset)
{
	(void)arg;
	ssize_t n = pwrite(fd, data, len, offset);
	return n < 0 ? -errno : n;
}

static ssize_t sys_getdents(void *arg, int fd, void *data, size_t len)
{
	(void)arg;
	ssize_t n = getdents64(fd, data, len);
	return n < 0 ? -errno : n;
}

static int sys_sync_file_range(void *arg, int fd, off_t offset, off_t len, unsigned flags)
{
	(void)arg;
	return result(sync_file_range(fd, offset, len, flags));
}

static int sys_fsync(void *arg, int fd)
{
	(void)arg;
	return result(fsync(fd));
}

static int sys_ftruncate(void *arg, int fd, off_t len)
{
	(void)arg;
	return result(ftruncate(fd, len));
}

static int sys_fchmod(void *arg, int fd, mode_t mode)
{
	(void)arg;
	return result(fchmod(fd, mode));
}

static int sys_renameat(void *arg, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	(void)arg;
	return result(renameat(old_dirfd, old_path, new_dirfd, new_path));
}

static int sys_linkat(void *arg, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	(void)arg;
	return result(linkat(old_dirfd, old_path, new_dirfd, new_path, 0));
}

static int sys_unlinkat(void *arg, int dirfd, const char *path, int flags)
{
	(void)arg;
	return result(unlinkat(dirfd, path, flags));
}

static int sys_mkdirat(void *arg, int dirfd, const char *path, mode_t mode)
{
	(void)arg;
	return result(mkdirat(dirfd, path, mode));
}

static int sys_fstat(void *arg, int fd, struct stat *st)
{
	(void)arg;
	return result(fstat(fd, st));
}

static int sys_fstatat(void *arg, int dirfd, const char *path, struct stat *st, int flags)
{
	(void)arg;
	return result(fstatat(dirfd, path, st, flags));
}

static int sys_flock(void *arg, int fd, int operation)
{
	(void)arg;
	return result(flock(fd, operation));
}

static int sys_touch(void *arg, int dirfd, const char *path)
{
	(void)arg;
	return result(utimensat(dirfd, path, NULL, AT_SYMLINK_NOFOLLOW));
}

static int sys_next_data(void *arg, int fd, uint64_t from, uint64_t *begin, uint64_t *end)
{
	off_t data = lseek(fd, (off_t)from, SEEK_DATA), hole;

	(void)arg;
	if (data < 0)
		return -errno;
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return -errno;
	*begin = (uint64_t)data;
	*end = (uint64_t)hole;
	return 0;
}

static int sys_free_bytes(void *arg, int fd, uint64_t *bytes)
{
	(void)arg;
	struct statvfs st;
	int r = result(fstatvfs(fd, &st));
	if (r == 0)
		*bytes = (uint64_t)st.f_bavail * st.f_frsize;
	return r;
}

static int sys_random(void *arg, void *data, size_t len)
{
	(void)arg;
	uint8_t *p = data;
	while (len > 0) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sys_now(void *arg, int clock, struct timespec *now)
{
	(void)arg;
	return result(clock_gettime(clock, now));
}

static int sys_sleep_ms(void *arg, unsigned ms)
{
	(void)arg;
	struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	return result(nanosleep(&wait, NULL));
}

static const struct io_ops system_ops = {
    .openat = sys_openat,
    .close = sys_close,
    .pread = sys_pread,
    .pwrite = sys_pwrite,
    .getdents = sys_getdents,
    .fsync = sys_fsync,
    .sync_file_range = sys_sync_file_range,
    .ftruncate = sys_ftruncate,
    .fchmod = sys_fchmod,
    .renameat = sys_renameat,
    .linkat = sys_linkat,
    .unlinkat = sys_unlinkat,
    .mkdirat = sys_mkdirat,
    .fstat = sys_fstat,
    .fstatat = sys_fstatat,
    .flock = sys_flock,
    .touch = sys_touch,
    .free_bytes = sys_free_bytes,
    .next_data = sys_next_data,
    .random = sys_random,
    .now = sys_now,
    .sleep_ms = sys_sleep_ms,
};

const struct io *io_system(void)
{
	static const struct io system = {.ops = &system_ops, .arg = NULL};
	return &system;
}

/* What is built on them. */

int io_open(const struct io *io, int dirfd, const char *path, int flags, mode_t mode)
{
	int fd;
	do
		fd = io->ops->openat(io->arg, dirfd, path, flags | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, mode);
	while (fd == -EINTR);
	return fd;
}

int io_open_regular(const struct io *io, int dirfd, const char *path, uint64_t *size)
{
	int fd = io_open(io, dirfd, path, O_RDONLY | O_NONBLOCK, 0);
	if (fd == -ELOOP || fd == -ENXIO)
		return -EBADMSG; /* a link; a socket */
	if (fd < 0)
		return fd;
	struct stat st;
	int r = io->ops->fstat(io->arg, fd, &st);
	if (r == 0 && !S_ISREG(st.st_mode))
		r = -EBADMSG;
	if (r < 0) {
		io_close(io, fd);
		return r;
	}
	if (size)
		*size = (uint64_t)st.st_size;
	return fd;
}

void io_close(const struct io *io, int fd)
{
	if (fd >= 0)
		io->ops->close(io->arg, fd);
}

/* Whether LEN bytes at OFFSET have file offsets at all. */
static bool in_range(uint64_t offset, size_t len)
{
	return offset <= INT64_MAX && len <= INT64_MAX - offset;
}

ssize_t io_read_some(const struct io *io, int fd, void *data, size_t len, uint64_t offset)
{
	if (len > SSIZE_MAX || !in_range(offset, len))
		return -EINVAL;
	uint8_t *p = data;
	size_t done = 0;
	while (done < len) {
		ssize_t n = io->ops->pread(io->arg, fd, p + done, len - done, (off_t)(offset + done));
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int io_read_exact(const struct io *io, int fd, void *data, size_t len, uint64_t offset)
{
	if (len > SSIZE_MAX || !in_range(offset, len))
		return -EBADMSG; /* no file is that long */
	ssize_t n = io_read_some(io, fd, data, len, offset);
	if (n < 0)
		return (int)n;
	return (size_t)n == len ? 0 : -EBADMSG;
}

int io_read_file(const struct io *io, int dirfd, const char *path, size_t limit, void **data, size_t *len)
{
	uint8_t *bytes = NULL;
	uint64_t size;
	int fd = io_open_regular(io, dirfd, path, &size);
	if (fd < 0)
		return fd;
	int r = -EFBIG;
	if (size > limit || size >= SSIZE_MAX)
		goto out;
	r = -ENOMEM;
	bytes = malloc((size_t)size + 1);
	if (!bytes)
		goto out;
	/* One byte more than fstat promised tells whether the file grew. */
	ssize_t n = io_read_some(io, fd, bytes, (size_t)size + 1, 0);
	if (n < 0) {
		r = (int)n;
	} else if ((uint64_t)n != size) {
		r = -EBADMSG;
	} else {
		r = 0;
		bytes[size] = 0;
		*data = bytes;
		*len = (size_t)size;
		bytes = NULL;
	}
out:
	free(bytes);
	io_close(io, fd);
	return r;
}

int io_write_exact(const struct io *io, int fd, const void *data, size_t len, uint64_t offset)
{
	if (len > SSIZE_MAX || !in_range(offset, len))
		return -EFBIG;
	const uint8_t *p = data;
	size_t done = 0;
	while (done < len) {
		ssize_t n = io->ops->pwrite(io->arg, fd, p + done, len - done, (off_t)(offset + done));
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

int io_chmod(const struct io *io, int fd, mode_t mode)
{
	return io->ops->fchmod(io->arg, fd, mode);
}

void io_share_file(const struct io *io, int dirfd, int fd)
{
	struct stat folder, file;
	if (io->ops->fstat(io->arg, dirfd, &folder) < 0 || io->ops->fstat(io->arg, fd, &file) < 0)
		return;
	if ((folder.st_mode & S_IWGRP) && (folder.st_mode & 0666 & ~file.st_mode))
		io_chmod(io, fd, (file.st_mode | (folder.st_mode & 0666)) & 07777);
}

int io_fsync(const struct io *io, int fd)
{
	int r;
	do
		r = io->ops->fsync(io->arg, fd);
	while (r == -EINTR);
	return r;
}

void io_start_sync(const struct io *io, int fd, uint64_t offset, uint64_t len)
{
	if (io->ops->sync_file_range)
		io->ops->sync_file_range(io->arg, fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

int io_fsync_dir(const struct io *io, int dirfd, const char *path)
{
	int fd = io_open(io, dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	int r = io_fsync(io, fd);
	io_close(io, fd);
	/* File systems that cannot sync a folder (some network ones) say so by EINVAL; nothing more can be done there.
	 */
	return r == -EINVAL ? 0 : r;
}

/* Write, sync and close the file FD, mode included. */
static int fill_file(const struct io *io, int fd, const void *data, size_t len, mode_t mode)
{
	int r = io_write_exact(io, fd, data, len, 0);
	if (r == 0)
		r = io_chmod(io, fd, mode);
	if (r == 0)
		r = io_fsync(io, fd);
	io_close(io, fd);
	return r;
}

int io_replace_file(const struct io *io, int dirfd, const char *folder, const char *path, const void *data, size_t len,
                    mode_t mode)
{
	uint64_t salt;
	io_random(io, &salt, sizeof(salt));
	char *sibling;
	if (asprintf(&sibling, "%s.%016llx.tmp", path, (unsigned long long)salt) < 0)
		return -ENOMEM;
	int fd = io_open(io, dirfd, sibling, O_WRONLY | O_CREAT | O_EXCL, 0600);
	int r = fd;
	if (fd < 0)
		goto out;
	r = fill_file(io, fd, data, len, mode);
	if (r == 0)
		r = io_rename(io, dirfd, sibling, dirfd, path);
	if (r < 0) {
		io_unlink(io, dirfd, sibling);
		goto out;
	}
	r = io_fsync_dir(io, dirfd, folder);
out:
	free(sibling);
	return r;
}

int io_rename(const struct io *io, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	return io->ops->renameat(io->arg, old_dirfd, old_path, new_dirfd, new_path);
}

int io_link(const struct io *io, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	return io->ops->linkat(io->arg, old_dirfd, old_path, new_dirfd, new_path);
}

int io_publish(const struct io *io, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path)
{
	struct stat st;
	int r = io_link(io, old_dirfd, old_path, new_dirfd, new_path);
	if (r == 0) {
		io_unlink(io, old_dirfd, old_path);
		return 0;
	}
	if (r != -EPERM && r != -EOPNOTSUPP && r != -ENOSYS)
		return r;
	r = io_stat(io, new_dirfd, new_path, &st);
	if (r == 0)
		return -EEXIST;
	return r == -ENOENT ? io_rename(io, old_dirfd, old_path, new_dirfd, new_path) : r;
}

int io_unlink(const struct io *io, int dirfd, const char *path)
{
	return io->ops->unlinkat(io->arg, dirfd, path, 0);
}

int io_mkdir(const struct io *io, int dirfd, const char *path, mode_t mode)
{
	int r = io->ops->mkdirat(io->arg, dirfd, path, mode);
	if (r != -EEXIST)
		return r;
	struct stat st;
	r = io_stat(io, dirfd, path, &st);
	if (r < 0)
		return r;
	return S_ISDIR(st.st_mode) ? 0 : -EEXIST;
}

int io_stat(const struct io *io, int dirfd, const char *path, struct stat *st)
{
	return io->ops->fstatat(io->arg, dirfd, path, st, AT_SYMLINK_NOFOLLOW);
}

/* Hand the names of LEN bytes of directory entries to EACH. */
static int list_names(const char *entries, size_t len, int (*each)(void *arg, const char *name), void *arg)
{
	for (size_t at = 0; at < len;) {
		const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
		at += entry->d_reclen;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		int r = each(arg, entry->d_name);
		if (r != 0)
			return r;
	}
	return 0;
}

int io_list(const struct io *io, int dirfd, const char *path, int (*each)(void *arg, const char *name), void *arg)
{
	int fd = io_open(io, dirfd, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	int r = -ENOMEM;
	char *entries = malloc(LIST_BYTES);
	if (!entries)
		goto out;
	for (;;) {
		ssize_t n = io->ops->getdents(io->arg, fd, entries, LIST_BYTES);
		r = (int)n;
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		r = list_names(entries, (size_t)n, each, arg);
		if (r != 0)
			break;
	}
out:
	free(entries);
	io_close(io, fd);
	return r;
}

int io_lock(const struct io *io, int fd, bool exclusive, unsigned timeout_ms)
{
	const int operation = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
	const uint64_t begin = io_monotonic_ns(io);
	for (;;) {
		int r = io->ops->flock(io->arg, fd, operation);
		if (r == -EINTR)
			continue;
		if (r != -EWOULDBLOCK)
			return r;
		uint64_t waited_ms = (io_monotonic_ns(io) - begin) / 1000000;
		if (waited_ms >= timeout_ms)
			return -EBUSY;
		uint64_t left_ms = timeout_ms - waited_ms;
		io->ops->sleep_ms(io->arg, left_ms < LOCK_POLL_MS ? (unsigned)left_ms : LOCK_POLL_MS);
	}
}

static struct timespec clock_now(const struct io *io, int clock)
{
	struct timespec now;
	if (io->ops->now(io->arg, clock, &now) < 0)
		abort(); /* both clocks always exist */
	return now;
}

int io_touch(const struct io *io, int dirfd, const char *path)
{
	return io->ops->touch ? io->ops->touch(io->arg, dirfd, path) : 0;
}

int io_free_bytes(const struct io *io, int fd, uint64_t *bytes)
{
	return io->ops->free_bytes ? io->ops->free_bytes(io->arg, fd, bytes) : -ENOSYS;
}

int io_next_data(const struct io *io, int fd, uint64_t from, uint64_t *begin, uint64_t *end)
{
	return io->ops->next_data ? io->ops->next_data(io->arg, fd, from, begin, end) : -ENOSYS;
}

struct timespec io_now(const struct io *io)
{
	return clock_now(io, CLOCK_REALTIME);
}

uint64_t io_monotonic_ns(const struct io *io)
{
	struct timespec now = clock_now(io, CLOCK_MONOTONIC);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct timespec io_deadline(const struct io *io, uint64_t after_ns)
{
	const uint64_t ns = io_monotonic_ns(io) + after_ns;
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

void io_sleep_ms(const struct io *io, unsigned ms)
{
	io->ops->sleep_ms(io->arg, ms);
}

void io_random(const struct io *io, void *data, size_t len)
{
	if (io->ops->random(io->arg, data, len) < 0)
		abort(); /* names and ids rest on it */
}
