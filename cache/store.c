#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cache/store_inside.h"

#define OPEN_PACKS_MAX 64
#define OPEN_PACKS_MIN 8
#define MODE_BITS 07777
#define SHARED_GROUP 0070

/* Opening. */

/* One descriptor in eight may be a pack's. */
static unsigned open_packs_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return OPEN_PACKS_MIN;
	if (limit.rlim_cur / 8 >= OPEN_PACKS_MAX)
		return OPEN_PACKS_MAX;
	return limit.rlim_cur / 8 < OPEN_PACKS_MIN ? OPEN_PACKS_MIN : (unsigned)(limit.rlim_cur / 8);
}

/* A line of the version file, LEN characters.  The first names the version, the others what must be known. */
static int check_line(const char *line, size_t len, bool first)
{
	static const char title[] = "revfs-store ", require[] = "require ";
	const char *wanted = first ? title : require;
	const size_t wanted_len = strlen(wanted);
	bool is_wanted = len > wanted_len && memcmp(line, wanted, wanted_len) == 0;
	if (!first)
		return is_wanted ? -ENOTSUP : 0; /* no feature exists; other lines are of a later minor version */
	if (!is_wanted)
		return -EBADMSG;
	/* "1." and a minor number of any size. */
	const char *number = line + wanted_len;
	const size_t major_len = strspn(number, "0123456789");
	if (major_len == 0 || wanted_len + major_len + 1 >= len || number[major_len] != '.')
		return -EBADMSG;
	const size_t minor_len = strspn(number + major_len + 1, "0123456789");
	if (wanted_len + major_len + 1 + minor_len != len)
		return -EBADMSG;
	return major_len == 1 && number[0] == '1' ? 0 : -ENOTSUP;
}

int store_check_version(const char *text)
{
	const char *line = text;
	int r = 0;
	for (bool first = true; r == 0 && (first || *line); first = false) {
		const char *lf = strchr(line, '\n');
		if (!lf)
			return -EBADMSG;
		r = check_line(line, (size_t)(lf - line), first);
		line = lf + 1;
	}
	return r;
}

static int check_version(struct store *store)
{
	void *data;
	size_t len;
	int r = io_read_file(store->io, store->dirfd, STORE_VERSION_FILE, STORE_VERSION_MAX, &data, &len);
	if (r == -EFBIG)
		return -EBADMSG;
	if (r < 0)
		return r;
	r = store_check_version(data);
	free(data);
	return r;
}

/* The folder that PATH stands in. */
static char *parent_of(const char *path)
{
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	return len == 0 ? strdup(".") : strndup(path, len);
}

static int make_top(const struct io *io, const char *path)
{
	int r = io_mkdir(io, AT_FDCWD, path, 0777);
	if (r < 0)
		return r;
	char *parent = parent_of(path);
	if (!parent)
		return -ENOMEM;
	r = io_fsync_dir(io, AT_FDCWD, parent);
	free(parent);
	return r;
}

/* The folder itself may be a link (a store on another disk): the dot behind it lets it be followed. */
static int open_top(struct store *store)
{
	char *path;
	if (asprintf(&path, "%s/.", store->path) < 0)
		return -ENOMEM;
	int fd = io_open(store->io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	free(path);
	return fd;
}

/* What is made in the store takes its modes from the top folder, as Git's sharedRepository does. */
static int take_modes(struct store *store, mode_t group_mode)
{
	struct stat st;
	int r = store->io->ops->fstat(store->io->arg, store->dirfd, &st);
	if (r < 0)
		return r;
	store->dir_mode = (st.st_mode & MODE_BITS) | group_mode;
	if (group_mode & SHARED_GROUP)
		store->dir_mode |= S_ISGID;
	store->file_mode = 0444 & store->dir_mode;
	return 0;
}

/* The version file comes last, so that a store with one is complete. */
static int create(struct store *store)
{
	int r = io_chmod(store->io, store->dirfd, store->dir_mode);
	if (r < 0 && r != -EPERM)
		return r;
	r = store_make_folders(store);
	if (r < 0)
		return r;
	return store_write_file(store, ".", STORE_VERSION_FILE, STORE_VERSION_TEXT, strlen(STORE_VERSION_TEXT), true);
}

static int open_or_create(struct store *store, unsigned flags, mode_t group_mode)
{
	const bool may_create = (flags & STORE_CREATE) && !store->read_only;
	store->dirfd = open_top(store);
	if (store->dirfd == -ENOENT && may_create) {
		int made = make_top(store->io, store->path);
		if (made < 0)
			return made;
		store->dirfd = open_top(store);
	}
	if (store->dirfd < 0)
		return store->dirfd == -ENOTDIR ? -ENOENT : store->dirfd;
	int r = take_modes(store, group_mode);
	if (r == 0)
		r = check_version(store);
	if (r == -ENOENT && may_create)
		r = create(store);
	if (r == 0)
		r = shelf_open(store->io, store->dirfd, open_packs_limit(), &store->shelf);
	return r;
}

int store_open(const struct io *io, const char *path, unsigned flags, mode_t group_mode, struct store **store)
{
	struct store *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->io = io;
	s->dirfd = -1;
	s->read_only = flags & STORE_READ_ONLY;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	s->path = strdup(path);
	int r = s->path ? open_or_create(s, flags, group_mode) : -ENOMEM;
	if (r < 0)
		store_close(s);
	else
		*store = s;
	return r;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	store_write_hints(store);
	hint_close(store->hint);
	shelf_close(store->shelf);
	io_close(store->io, store->dirfd);
	pthread_cond_destroy(&store->idle);
	pthread_mutex_destroy(&store->lock);
	free(store->packs);
	free(store->condemned);
	free(store->blanks);
	free(store->path);
	free(store);
}

const char *store_path(const struct store *store)
{
	return store->path;
}

const struct io *store_io(const struct store *store)
{
	return store->io;
}

int store_dirfd(const struct store *store)
{
	return store->dirfd;
}

/* The lock. */

/* Whoever may write to the store may write to its lock file, which NFS wants for an exclusive lock. */
static int open_lock(struct store *store)
{
	const mode_t mode = 0666 & store->dir_mode;
	int fd = io_open(store->io, store->dirfd, "lock", O_RDWR | O_CREAT | O_EXCL, mode);
	if (fd >= 0) {
		int r = io_chmod(store->io, fd, mode);
		if (r == 0)
			return fd;
		io_close(store->io, fd);
		return r;
	}
	if (fd == -EEXIST)
		fd = io_open(store->io, store->dirfd, "lock", O_RDWR, 0);
	if (fd == -EACCES || fd == -EROFS)
		fd = io_open(store->io, store->dirfd, "lock", O_RDONLY, 0);
	return fd;
}

int store_lock(struct store *store, bool exclusive, unsigned timeout_ms)
{
	if (store->read_only)
		return -EROFS;
	int fd = open_lock(store);
	if (fd < 0)
		return fd;
	int r = io_lock(store->io, fd, exclusive, timeout_ms);
	/* A file system without locks must not keep anybody from working: correctness never rests on them. */
	if (r < 0 && r != -EBUSY && r != -EINTR)
		r = 0;
	if (r < 0) {
		io_close(store->io, fd);
		return r;
	}
	return fd;
}

void store_unlock(struct store *store, int lock)
{
	io_close(store->io, lock);
}
