#include "fs/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/name.h"

struct folder {
	int fd;
	struct folder *above; /* pinned; NULL: the first */
	atomic_uint pins;
	bool has_time;
	struct timespec time;
};

/* One more folder around FD, which is taken over, also on failure. */
static int wrap(int fd, struct folder *above, struct folder **folder)
{
	struct folder *f;

	if (fd < 0)
		return fd;
	f = calloc(1, sizeof(*f));
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	f->fd = fd;
	f->above = above ? folder_pin(above) : NULL;
	atomic_init(&f->pins, 1);
	*folder = f;
	return 0;
}

int folder_open(int fd, struct folder **folder)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return wrap(own < 0 ? -errno : own, NULL, folder);
}

/* Open the directory NAME, one component; the descriptor or -errno. */
static int open_component(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return fd;
}

int folder_make(struct folder *above, const char *name, struct folder **folder)
{
	if (mkdirat(above->fd, name, 0777) < 0 && errno != EEXIST)
		return -errno;
	int fd = open_component(above->fd, name);
	return wrap(fd == -ELOOP ? -ENOTDIR : fd, above, folder);
}

/* Several components in one call.  -ENOSYS where the kernel or a sandbox does not let us. */
static int open_beneath(int dirfd, const char *path)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
	                       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Component by component, which a path of any length allows. */
static int step_down(struct folder *above, const char *path, bool make, struct folder **folder)
{
	struct folder *here = folder_pin(above);
	int r = 0;

	while (*path && r == 0) {
		size_t len = strcspn(path, "/");
		struct folder *below = NULL;
		char name[NAME_SIZE_MAX + 1];

		if (!name_is_component(path, len)) {
			r = -EINVAL;
			break;
		}
		memcpy(name, path, len);
		name[len] = '\0';
		r = make ? folder_make(here, name, &below) : wrap(open_component(here->fd, name), here, &below);
		folder_unpin(here);
		here = below;
		path += len;
		path += *path == '/';
	}
	if (r < 0) {
		folder_unpin(here);
		return r;
	}
	*folder = here;
	return 0;
}

int folder_reach(struct folder *above, const char *path, bool make, struct folder **folder)
{
	int fd = *path ? open_beneath(above->fd, path) : -ENOSYS;

	/* What the one call cannot do, the steps can, or give the reason for; they are as strict. */
	if (fd == -ENOSYS || fd == -EPERM || fd == -ENAMETOOLONG || fd == -EAGAIN || (fd == -ENOENT && make))
		return step_down(above, path, make, folder);
	return wrap(fd, above, folder);
}

int folder_fd(const struct folder *folder)
{
	return folder->fd;
}

void folder_set_time(struct folder *folder, const struct timespec *time)
{
	folder->time = *time;
	folder->has_time = true;
}

struct folder *folder_pin(struct folder *folder)
{
	atomic_fetch_add_explicit(&folder->pins, 1, memory_order_relaxed);
	return folder;
}

void folder_unpin(struct folder *folder)
{
	while (folder && atomic_fetch_sub_explicit(&folder->pins, 1, memory_order_acq_rel) == 1) {
		struct folder *above = folder->above;
		struct timespec times[2] = {folder->time, folder->time};

		/* A label: where the file system takes none, the copy is still whole. */
		if (folder->has_time)
			(void)futimens(folder->fd, times);
		close(folder->fd);
		free(folder);
		folder = above;
	}
}
