#include "tests/support/upper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/garden.h"

#define PATH_SIZE 512
#define SIZES 8

static const unsigned sizes[SIZES] = {0, 1, 100, 129, 5000, 40000, 3, 128};

enum { WRITE = 0, WRITE_MORE, REMOVE, REMOVE_TREE, MAKE, LINK, MODE, TOUCH, MOVE, SHORTEN, KINDS };

/* Names around those of marks, and with bytes below and above the slash. */
static void random_path(char path[64], uint64_t *random)
{
	static const char *const names[] = {"a", "b", "-x", ".a", ".w", ".wi", ".x", "d!", "m.t", "z"};
	unsigned depth = 1 + garden_random(random, 4);

	path[0] = '\0';
	while (depth--) {
		strcat(path, names[garden_random(random, sizeof(names) / sizeof(*names))]);
		strcat(path, depth ? "/" : "");
	}
}

struct change change_random(uint64_t *random)
{
	struct change c = {.kind = garden_random(random, KINDS), .seed = garden_random(random, 1000)};

	random_path(c.path, random);
	random_path(c.to, random);
	return c;
}

static int make_above(int dirfd, const char *path)
{
	char above[PATH_SIZE];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(above, path, (size_t)(slash - path));
		above[slash - path] = '\0';
		if (mkdirat(dirfd, above, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int write_file(int dirfd, const char *path, unsigned size, unsigned seed)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	unsigned char *data;
	uint64_t random = seed + 1;
	bool whole;

	if (fd < 0)
		return -errno;
	data = malloc(size + 1);
	for (unsigned i = 0; i < size; i++)
		data[i] = (unsigned char)garden_random(&random, 256);
	whole = write(fd, data, size) == (ssize_t)size;
	free(data);
	close(fd);
	return whole ? 0 : -EIO;
}

static int remove_tree(int dirfd, const char *path)
{
	int fd;
	DIR *dir;
	struct dirent *d;

	if (!unlinkat(dirfd, path, 0))
		return 0;
	if (errno != EISDIR)
		return -errno;
	fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (d = readdir(dir))) {
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			remove_tree(fd, d->d_name);
	}
	if (dir)
		closedir(dir);
	return unlinkat(dirfd, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int answer(int result)
{
	return result < 0 ? -errno : 0;
}

int change_prepare(int dirfd, const struct change *c)
{
	if (c->kind == WRITE || c->kind == WRITE_MORE || c->kind == MAKE || c->kind == LINK)
		return make_above(dirfd, c->path);
	return c->kind == MOVE ? make_above(dirfd, c->to) : 0;
}

int change_apply(int dirfd, const struct change *c)
{
	struct stat st;
	int error = change_prepare(dirfd, c), fd;

	if (error)
		return error;
	switch (c->kind) {
	case WRITE:
	case WRITE_MORE:
		return write_file(dirfd, c->path, sizes[c->seed % SIZES], c->seed);
	case REMOVE:
		return answer(unlinkat(dirfd, c->path, c->seed % 2 ? AT_REMOVEDIR : 0));
	case REMOVE_TREE:
		return remove_tree(dirfd, c->path);
	case MAKE:
		return answer(mkdirat(dirfd, c->path, 0755));
	case LINK:
		return answer(symlinkat(c->seed % 2 ? "z" : "a", dirfd, c->path));
	case MODE:
		if (fstatat(dirfd, c->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		return S_ISREG(st.st_mode) ? answer(fchmodat(dirfd, c->path, c->seed % 2 ? 0755 : 0644, 0)) : 0;
	case TOUCH:
		return answer(utimensat(dirfd, c->path, NULL, AT_SYMLINK_NOFOLLOW));
	case MOVE:
		return answer(renameat(dirfd, c->path, dirfd, c->to));
	default:
		fd = openat(dirfd, c->path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		error = answer(ftruncate(fd, c->seed % 200));
		close(fd);
		return error;
	}
}

static void join(char path[PATH_SIZE], const char *folder, const char *name)
{
	assert_true(snprintf(path, PATH_SIZE, "%s/%s", folder, name) < PATH_SIZE);
}

static const char *space_of(enum layer_dialect dialect)
{
	return dialect == LAYER_KERNEL ? "trusted.overlay" : "user.overlay";
}

static void set_mark(enum layer_dialect dialect, const char *path, const char *mark, const char *value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", space_of(dialect), mark);
	assert_int_equal(setxattr(path, name, value, strlen(value), 0), 0);
}

void change_folder(int dirfd, const char *name, uint64_t *random, unsigned count)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	while (count--) {
		struct change change = change_random(random);

		change_apply(fd, &change);
	}
	close(fd);
}

bool upper_marks_work(enum layer_dialect dialect, int fd)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.test", space_of(dialect));
	return !fsetxattr(fd, name, "y", 1, 0) && !fremovexattr(fd, name);
}

void upper_set_opaque(enum layer_dialect dialect, const char *folder)
{
	char path[PATH_SIZE];

	if (dialect != LAYER_FUSE) {
		set_mark(dialect, folder, "opaque", "y");
		return;
	}
	join(path, folder, ".wh..wh..opq");
	assert_int_equal(write_file(AT_FDCWD, path, 0, 0), 0);
}

void upper_hide(enum layer_dialect dialect, const char *folder, const char *name)
{
	char path[PATH_SIZE], marked[300];

	if (dialect != LAYER_FUSE) {
		join(path, folder, name);
		assert_int_equal(mknod(path, S_IFCHR | 0, makedev(0, 0)), 0);
		return;
	}
	snprintf(marked, sizeof(marked), ".wh.%s", name);
	join(path, folder, marked);
	assert_int_equal(write_file(AT_FDCWD, path, 0, 0), 0);
}

/* A folder of an upper one: how it marks. */
struct style {
	enum layer_dialect dialect;
	uint64_t *random;
	bool empty_files; /* whiteouts are empty files with an attribute */
	bool top;
};

static void mark_opaque(const struct style *s, const char *folder)
{
	if (s->dialect == LAYER_FUSE && garden_random(s->random, 2))
		assert_int_equal(
		    setxattr(folder, garden_random(s->random, 2) ? "user.overlay.opaque" : "user.fuseoverlayfs.opaque",
		             "y", 1, 0),
		    0);
	else
		upper_set_opaque(s->dialect, folder);
}

static void hide(const struct style *s, const char *folder, const char *name)
{
	char path[PATH_SIZE];

	if (s->empty_files) {
		join(path, folder, name);
		assert_int_equal(write_file(AT_FDCWD, path, 0, 0), 0);
		set_mark(s->dialect, path, "whiteout", "");
	} else {
		/* A device is a whiteout in every dialect. */
		upper_hide(garden_random(s->random, 2) ? s->dialect : LAYER_KERNEL, folder, name);
	}
}

static void copy_file(const char *from, const char *to, const struct stat *st)
{
	char data[65536];
	ssize_t len;
	int fd;

	if (S_ISLNK(st->st_mode)) {
		len = readlink(from, data, sizeof(data) - 1);
		assert_true(len > 0);
		data[len] = '\0';
		assert_int_equal(symlink(data, to), 0);
		return;
	}
	fd = open(from, O_RDONLY | O_CLOEXEC);
	len = read(fd, data, sizeof(data));
	assert_true(len >= 0 && len < (ssize_t)sizeof(data));
	close(fd);
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode & 0777);
	assert_int_equal(write(fd, data, (size_t)len), len);
	close(fd);
}

static bool same_file(const char *a, const char *b, const struct stat *st, const struct stat *other)
{
	char x[65536], y[65536];
	ssize_t x_len, y_len;
	int fd;

	if ((st->st_mode & (S_IFMT | S_IXUSR)) != (other->st_mode & (S_IFMT | S_IXUSR)))
		return false;
	if (S_ISLNK(st->st_mode)) {
		x_len = readlink(a, x, sizeof(x));
		y_len = readlink(b, y, sizeof(y));
	} else {
		fd = open(a, O_RDONLY | O_CLOEXEC);
		x_len = read(fd, x, sizeof(x));
		close(fd);
		fd = open(b, O_RDONLY | O_CLOEXEC);
		y_len = read(fd, y, sizeof(y));
		close(fd);
	}
	return x_len == y_len && !memcmp(x, y, (size_t)x_len);
}

static bool write_folder(const struct style *above, const char *base, const char *merged, const char *upper);

/* A directory of the merged tree; BASE is NULL where the base has none. */
static void write_directory(const struct style *s, const char *base, const char *merged, const char *upper)
{
	assert_int_equal(mkdir(upper, 0755), 0);
	/* One that says nothing need not be there; one that was copied up is. */
	if (!write_folder(s, base, merged, upper) && base && garden_random(s->random, 2))
		rmdir(upper);
}

/* NAME of the merged tree. */
static void write_name(const struct style *s, const char *base, const char *merged, const char *upper)
{
	struct stat st, old;
	bool was = base && !lstat(base, &old);

	assert_int_equal(lstat(merged, &st), 0);
	if (S_ISDIR(st.st_mode))
		write_directory(s, was && S_ISDIR(old.st_mode) ? base : NULL, merged, upper);
	else if (!was || !same_file(base, merged, &old, &st) || !garden_random(s->random, 4))
		copy_file(merged, upper, &st);
}

/* Whether UPPER is opaque; without a base it need not be. */
static bool write_folder(const struct style *above, const char *base, const char *merged, const char *upper)
{
	struct style s = *above;
	char in_base[PATH_SIZE], in_merged[PATH_SIZE], in_upper[PATH_SIZE];
	DIR *dir = opendir(merged);
	struct dirent *d;
	struct stat st;
	bool opaque = base ? !garden_random(s.random, 5) : garden_random(s.random, 2);

	/* The kernel does not look at the top. */
	opaque = opaque && !(s.top && s.dialect != LAYER_FUSE);
	s.top = false;
	s.empty_files = s.dialect != LAYER_FUSE && !opaque && !garden_random(s.random, 3);
	if (s.empty_files)
		set_mark(s.dialect, upper, "opaque", "x");
	if (opaque) {
		mark_opaque(&s, upper);
		base = NULL;
	}
	assert_non_null(dir);
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		join(in_merged, merged, d->d_name);
		join(in_upper, upper, d->d_name);
		if (base)
			join(in_base, base, d->d_name);
		write_name(&s, base ? in_base : NULL, in_merged, in_upper);
	}
	closedir(dir);
	dir = base ? opendir(base) : NULL;
	while (dir && (d = readdir(dir))) {
		join(in_merged, merged, d->d_name);
		if (lstat(in_merged, &st) < 0)
			hide(&s, upper, d->d_name);
	}
	if (dir)
		closedir(dir);
	return opaque;
}

void upper_write(enum layer_dialect dialect, const char *base, const char *merged, const char *upper, uint64_t *random)
{
	const struct style style = {.dialect = dialect, .random = random, .top = true};

	write_folder(&style, base, merged, upper);
}
