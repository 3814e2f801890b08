#include "tools/attach/upper_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/io.h"

#define UPPER "upper"
#define WORK "work"
#define DROPPED "dropped"

/* --- removing --- */

/*
 * Whatever is in TOP goes: files at once, folders after what they hold, of which folders are brought up to TOP first.
 * So neither depth nor the length of paths counts, and nothing is reached by more than one name.
 */
struct removal {
	int top;
	uint64_t number; /* of the names that are given here */
	bool any;        /* something was listed, so that it is to be listed again */
};

static int bring_up(struct removal *r, int dirfd, const char *name)
{
	char here[32];
	int error;

	do
		snprintf(here, sizeof(here), "%llu", (unsigned long long)r->number++);
	while ((error = renameat2(dirfd, name, r->top, here, RENAME_NOREPLACE) ? -errno : 0) == -EEXIST);
	return error;
}

struct emptying {
	struct removal *removal;
	int dirfd;
	bool any;
};

static int empty_entry(void *arg, const char *name)
{
	struct emptying *e = arg;

	e->any = true;
	if (!unlinkat(e->dirfd, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	/* To be moved a folder must be open to its owner, as its `..` changes. */
	if (fchmodat(e->dirfd, name, 0700, AT_SYMLINK_NOFOLLOW))
		return -errno;
	return bring_up(e->removal, e->dirfd, name);
}

/* Open the folder NAME of DIRFD so that its entries can go.  A descriptor or -errno. */
static int open_to_empty(int dirfd, const char *name)
{
	int fd = io_open(io_system(), dirfd, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd == -EACCES && !fchmodat(dirfd, name, 0700, AT_SYMLINK_NOFOLLOW))
		fd = io_open(io_system(), dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		fchmod(fd, 0700);
	return fd;
}

static int empty_folder(struct removal *r, const char *name)
{
	struct emptying e = {.removal = r};
	int fd = open_to_empty(r->top, name), error = fd < 0 ? fd : 0;

	e.dirfd = fd;
	for (e.any = true; !error && e.any;) {
		e.any = false;
		error = io_list(io_system(), fd, ".", empty_entry, &e);
	}
	io_close(io_system(), fd);
	return error;
}

static int remove_entry(void *arg, const char *name)
{
	struct removal *r = arg;
	int error;

	r->any = true;
	if (!unlinkat(r->top, name, 0) || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (!unlinkat(r->top, name, AT_REMOVEDIR))
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	error = empty_folder(r, name);
	if (!error && unlinkat(r->top, name, AT_REMOVEDIR) && errno != ENOENT)
		error = -errno;
	return error;
}

/* Remove all that is in the folder NAME of DIRFD, and, unless it STAYS, the folder. */
static int remove_folder(int dirfd, const char *name, bool stays)
{
	struct removal r = {.top = open_to_empty(dirfd, name)};
	int error = r.top < 0 ? r.top : 0;

	if (error)
		return error == -ENOENT ? 0 : error;
	for (r.any = true; !error && r.any;) {
		r.any = false;
		error = io_list(io_system(), r.top, ".", remove_entry, &r);
	}
	io_close(io_system(), r.top);
	if (!error && !stays && unlinkat(dirfd, name, AT_REMOVEDIR))
		error = -errno;
	return error;
}

/* --- the folder --- */

static int open_folder(const char *path)
{
	return io_open(io_system(), AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

int upper_folder_make(const char *folder)
{
	const struct io *io = io_system();
	struct stat st;
	int fd, error = io_mkdir(io, AT_FDCWD, folder, 0777);

	if (error)
		return error == -EEXIST ? -ENOTDIR : error;
	fd = open_folder(folder);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st))
		error = -errno;
	else if (st.st_uid != geteuid())
		error = -EPERM;
	if (!error)
		error = io_mkdir(io, fd, UPPER, 0777);
	if (!error)
		error = io_mkdir(io, fd, WORK, 0777);
	/* Last, as it says that `upper` is missing because nobody wants it. */
	if (!error)
		error = remove_folder(fd, DROPPED, false);
	if (!error)
		error = io_fsync(io, fd);
	io_close(io, fd);
	return error == -EEXIST ? -ENOTDIR : error;
}

static int found_one(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 1;
}

int upper_folder_is_empty(const char *folder)
{
	const struct io *io = io_system();
	int fd = open_folder(folder), upper, found;

	if (fd < 0)
		return fd;
	upper = io_open(io, fd, UPPER, O_RDONLY | O_DIRECTORY, 0);
	io_close(io, fd);
	if (upper < 0)
		return upper;
	found = io_list(io, upper, ".", found_one, NULL);
	io_close(io, upper);
	return found < 0 ? found : !found;
}

/* 1, 0 or -errno. */
static int is_there(int fd, const char *name)
{
	struct stat st;

	return !fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) ? 1 : errno == ENOENT ? 0 : -errno;
}

int upper_folder_is_dropped(const char *folder)
{
	int fd = open_folder(folder), is;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	is = is_there(fd, UPPER);
	is = is > 0 ? 0 : is ? is : is_there(fd, DROPPED);
	io_close(io_system(), fd);
	return is;
}

int upper_folder_drop(const char *folder)
{
	const struct io *io = io_system();
	int fd = open_folder(folder), found, error;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	found = is_there(fd, UPPER);
	error = found < 0 ? found : 0;
	if (found > 0) {
		error = remove_folder(fd, DROPPED, false);
		if (!error)
			error = io_rename(io, fd, UPPER, fd, DROPPED);
	}
	if (!error)
		error = io_fsync(io, fd);
	if (!error)
		error = remove_folder(fd, DROPPED, true);
	if (!error)
		error = remove_folder(fd, WORK, false);
	io_close(io, fd);
	return error;
}

int upper_folder_remove(const char *folder)
{
	int error = upper_folder_drop(folder), fd = error ? error : open_folder(folder);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	error = remove_folder(fd, DROPPED, false);
	io_close(io_system(), fd);
	if (!error && rmdir(folder) && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
		error = -errno;
	return error;
}
