/*
 * The one door from cache/ to the machine: files, clocks, randomness.
 *
 * Every function of cache/ that touches the outside takes a struct io.  io_system() is the real machine; a test
 * passes its own table to make a disk fail, fill up or lose what was not synced.
 *
 * Thread-safe as far as the table is.  The functions return 0 or -errno; they retry EINTR and short transfers.  A
 * program that writes ignores SIGXFSZ, so that a file-size limit is -EFBIG like any other failure.
 */
#ifndef CACHE_IO_H
#define CACHE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/*
 * The table behind the door: each entry is the system call of that name and returns its result or -errno.  Paths are
 * relative to a directory descriptor (or AT_FDCWD).
 */
struct io_ops {
	int (*openat)(void *arg, int dirfd, const char *path, int flags, mode_t mode);
	int (*close)(void *arg, int fd);
	ssize_t (*pread)(void *arg, int fd, void *data, size_t len, off_t offset);
	ssize_t (*pwrite)(void *arg, int fd, const void *data, size_t len, off_t offset);
	ssize_t (*getdents)(void *arg, int fd, void *data, size_t len); /* struct dirent64, as getdents64(2) */
	int (*fsync)(void *arg, int fd);
	int (*sync_file_range)(void *arg, int fd, off_t offset, off_t len,
	                       unsigned flags); /* may be NULL: never done */
	int (*ftruncate)(void *arg, int fd, off_t len);
	int (*fchmod)(void *arg, int fd, mode_t mode);
	int (*renameat)(void *arg, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path);
	int (*linkat)(void *arg, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path);
	int (*unlinkat)(void *arg, int dirfd, const char *path, int flags);
	int (*mkdirat)(void *arg, int dirfd, const char *path, mode_t mode);
	int (*fstat)(void *arg, int fd, struct stat *st);
	int (*fstatat)(void *arg, int dirfd, const char *path, struct stat *st, int flags);
	int (*flock)(void *arg, int fd, int operation);
	int (*touch)(void *arg, int dirfd, const char *path);  /* utimensat(2) to now; may be NULL: never done */
	int (*free_bytes)(void *arg, int fd, uint64_t *bytes); /* fstatvfs(3); may be NULL: not known */
	int (*next_data)(void *arg, int fd, uint64_t from, uint64_t *begin,
	                 uint64_t *end); /* lseek(2), SEEK_DATA and SEEK_HOLE; may be NULL: not known */
	int (*random)(void *arg, void *data, size_t len);
	int (*now)(void *arg, int clock, struct timespec *now); /* clock: CLOCK_REALTIME or CLOCK_MONOTONIC */
	int (*sleep_ms)(void *arg, unsigned ms);
};

struct io {
	const struct io_ops *ops;
	void *arg;
};

/* The real machine.  Never NULL; static. */
const struct io *io_system(void);

/* Open PATH below DIRFD; O_CLOEXEC, O_NOFOLLOW and O_NOCTTY are added.  Returns the descriptor or -errno. */
int io_open(const struct io *io, int dirfd, const char *path, int flags, mode_t mode);

/*
 * Open an existing regular file for reading, without blocking on a FIFO and without following a link in the last
 * component.  Returns the descriptor, or -errno; -EBADMSG where PATH is not a regular file.  *SIZE may be NULL.
 */
int io_open_regular(const struct io *io, int dirfd, const char *path, uint64_t *size);

/* Close FD; a negative FD is ignored.  The result of close(2) is ignored: what must last was synced before. */
void io_close(const struct io *io, int fd);

/* Read exactly LEN bytes at OFFSET.  Returns 0, -EBADMSG where the file ends before, or -errno. */
int io_read_exact(const struct io *io, int fd, void *data, size_t len, uint64_t offset);

/* Read up to LEN bytes at OFFSET, fewer only at the end of the file.  Returns the count or -errno. */
ssize_t io_read_some(const struct io *io, int fd, void *data, size_t len, uint64_t offset);

/* Read a whole regular file of at most LIMIT bytes.  *DATA is malloc'ed (one NUL byte behind it), the caller frees it.
 * Returns 0, -EFBIG above the limit, -EBADMSG for what is not a regular file, or -errno. */
int io_read_file(const struct io *io, int dirfd, const char *path, size_t limit, void **data, size_t *len);

/* Write exactly LEN bytes at OFFSET.  Returns 0 or -errno (-EIO where the disk takes no byte). */
int io_write_exact(const struct io *io, int fd, const void *data, size_t len, uint64_t offset);

/* Set the permission bits of the open file FD, whatever the umask. */
int io_chmod(const struct io *io, int fd, mode_t mode);

/*
 * Where the group may write to the folder DIRFD (Git's core.sharedRepository), give the open file FD in it the rights
 * of the folder's users, whatever the umask; another user's file stays as it is.
 */
void io_share_file(const struct io *io, int dirfd, int fd);

/* Flush FD to the disk.  Returns 0 or -errno; after a failure the data must be taken as lost. */
int io_fsync(const struct io *io, int fd);

/* Let the LEN bytes at OFFSET of FD begin their way to the disk, so that io_fsync() has less to wait for; promises
 * nothing. */
void io_start_sync(const struct io *io, int fd, uint64_t offset, uint64_t len);

/* Flush the folder PATH below DIRFD, so that names made or removed in it last. */
int io_fsync_dir(const struct io *io, int dirfd, const char *path);

/*
 * Replace PATH below DIRFD by LEN bytes, durably and all at once: temporary sibling, fsync, rename, fsync of FOLDER
 * (the folder that holds PATH, below DIRFD).  Returns 0 or -errno; on failure the old file stands and no sibling is
 * left.
 */
int io_replace_file(const struct io *io, int dirfd, const char *folder, const char *path, const void *data, size_t len,
                    mode_t mode);

/* rename(2), link(2), unlink(2) and mkdir(2) below directory descriptors.  mkdir: an existing folder is no error. */
int io_rename(const struct io *io, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path);

/* link(2); -EEXIST where NEW_PATH is there.  0 or -errno. */
int io_link(const struct io *io, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path);

/*
 * Give the file OLD_PATH its final name NEW_PATH, which must be free: -EEXIST.  Where there are no hard links a rename
 * has to do, and two who give one name at once may both succeed: for names that stand for their content or are random.
 * 0 or -errno.
 */
int io_publish(const struct io *io, int old_dirfd, const char *old_path, int new_dirfd, const char *new_path);

/* unlink(2) of a file.  0 or -errno. */
int io_unlink(const struct io *io, int dirfd, const char *path);

/* mkdir(2); -EEXIST where it is there.  0 or -errno. */
int io_mkdir(const struct io *io, int dirfd, const char *path, mode_t mode);

/* lstat of PATH below DIRFD. */
int io_stat(const struct io *io, int dirfd, const char *path, struct stat *st);

/*
 * Call EACH for every name in the folder PATH below DIRFD but "." and "..", in no order.  A non-zero answer of EACH
 * ends the walk and is returned.  Returns 0 or -errno; -ENOENT where there is no such folder.
 */
int io_list(const struct io *io, int dirfd, const char *path, int (*each)(void *arg, const char *name), void *arg);

/*
 * Lock the open file FD (flock), shared or exclusive, waiting at most TIMEOUT_MS (0: do not wait).  The lock ends with
 * the descriptor.  Returns 0, -EBUSY where it is held, or -errno.
 */
int io_lock(const struct io *io, int fd, bool exclusive, unsigned timeout_ms);

/* Set the times of the file PATH below DIRFD to now.  0 or -errno; 0 where the table has no such call. */
int io_touch(const struct io *io, int dirfd, const char *path);

/* Bytes that a user may still write where FD lies.  0; -ENOSYS where that is not known; -errno. */
int io_free_bytes(const struct io *io, int fd, uint64_t *bytes);

/* Where FD has data, from FROM on: *BEGIN to *END.  0; -ENXIO where there is none; -ENOSYS where that is not known;
 * -errno. */
int io_next_data(const struct io *io, int fd, uint64_t from, uint64_t *begin, uint64_t *end);

/* Seconds and nanoseconds since 1970. */
struct timespec io_now(const struct io *io);

/* Nanoseconds of a clock that never goes back; only differences mean something. */
uint64_t io_monotonic_ns(const struct io *io);

/* The moment AFTER_NS from now by that clock, for pthread_cond_clockwait(3) with CLOCK_MONOTONIC. */
struct timespec io_deadline(const struct io *io, uint64_t after_ns);

/* Let MS milliseconds pass, or fewer where a signal comes. */
void io_sleep_ms(const struct io *io, unsigned ms);

/* Fill DATA with LEN unpredictable bytes.  Aborts the process where the system has none. */
void io_random(const struct io *io, void *data, size_t len);

#endif
