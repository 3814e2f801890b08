/*
 * Remotes that are folders: of this machine, of NFS or of a cluster file system.  No locks, nothing mapped; what
 * appears does so by a link or a rename.  The folder is opened anew for every operation, so that one that is unmounted
 * and mounted again, or made later, is found.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/remote.h"

#define PIECE ((size_t)1 << 20)

struct folder {
	const struct io *io;
	char *path;
};

/* What stands behind file:// may have %XX in it, and an empty host or "localhost" in front. */
static char *path_of(const char *url)
{
	const char *from = url;
	char *path, *to;

	if (!strncmp(from, "file://", 7)) {
		from += 7;
		if (!strncmp(from, "localhost/", 10))
			from += 9;
		if (*from != '/')
			return NULL;
	}
	path = to = calloc(1, strlen(from) + 3);
	while (path && *from) {
		unsigned value;

		if (url[0] != '/' && sscanf(from, "%%%2x", &value) == 1 && strlen(from) >= 3 && value) {
			*to++ = (char)value;
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	if (path)
		strcpy(to, "/."); /* the folder itself may be a link */
	return path;
}

static int folder_open(const struct remote_setup *setup, void **state)
{
	struct folder *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->io = setup->io;
	f->path = path_of(setup->url);
	if (!f->path) {
		free(f);
		return -EINVAL;
	}
	*state = f;
	return 0;
}

static void folder_close(void *state)
{
	struct folder *f = state;

	free(f->path);
	free(f);
}

static int open_top(const struct folder *f)
{
	return io_open(f->io, AT_FDCWD, f->path, O_RDONLY | O_DIRECTORY, 0);
}

static ssize_t folder_read(void *state, const char *path, uint64_t offset, void *data, size_t len,
                           const struct arrival *arrival)
{
	struct folder *f = state;
	int top = open_top(f), fd = top < 0 ? top : io_open_regular(f->io, top, path, NULL);
	ssize_t got = fd < 0 ? fd : io_read_some(f->io, fd, data, len, offset);

	(void)arrival;
	io_close(f->io, fd);
	io_close(f->io, top);
	/* A folder that is gone altogether is not one that lacks a file. */
	return top == -ENOENT ? -EHOSTDOWN : got == -EBADMSG ? -EPROTO : got;
}

static int folder_stat(void *state, const char *path, struct remote_stat *st)
{
	struct folder *f = state;
	int top = open_top(f);
	struct stat found;
	int error = top < 0 ? top : io_stat(f->io, top, path, &found);

	io_close(f->io, top);
	if (error)
		return top == -ENOENT ? -EHOSTDOWN : error;
	if (!S_ISREG(found.st_mode))
		return -EPROTO;
	*st = (struct remote_stat){.size = (uint64_t)found.st_size, .time = found.st_mtim};
	return 0;
}

/* Make the folder PATH below TOP, with TOP's mode and group; one that is there is left as it is. */
static int make_folder(const struct folder *f, int top, const char *path)
{
	struct stat st;
	int fd, error = io_stat(f->io, top, path, &st);

	if (error != -ENOENT)
		return error ? error : S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	error = f->io->ops->fstat(f->io->arg, top, &st);
	if (!error)
		error = io_mkdir(f->io, top, path, st.st_mode & 0777);
	if (error)
		return error;
	fd = io_open(f->io, top, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	error = io_chmod(f->io, fd, st.st_mode & 07777);
	io_close(f->io, fd);
	return error == -EPERM ? 0 : error; /* another was faster */
}

/* Make the folders that lead to PATH, and see to it that they last.  *FOLDER: the one that holds it; "." for TOP. */
static int make_way(const struct folder *f, int top, const char *path, char folder[REMOTE_PATH_SIZE])
{
	int error = 0;

	strcpy(folder, ".");
	for (const char *slash = strchr(path, '/'); slash && !error; slash = strchr(slash + 1, '/')) {
		char above[REMOTE_PATH_SIZE];

		strcpy(above, folder);
		snprintf(folder, REMOTE_PATH_SIZE, "%.*s", (int)(slash - path), path);
		error = make_folder(f, top, folder);
		if (!error)
			error = io_fsync_dir(f->io, top, above);
	}
	return error;
}

static int copy_body(const struct folder *f, int to, const struct remote_body *body)
{
	uint8_t *piece = malloc(PIECE);
	int error = piece ? 0 : -ENOMEM;

	for (uint64_t at = 0; !error && at < body->len;) {
		size_t len = body->len - at < PIECE ? (size_t)(body->len - at) : PIECE;

		error = body->next ? body->next(body->arg, piece, len) : io_read_exact(f->io, body->fd, piece, len, at);
		if (!error)
			error = io_write_exact(f->io, to, piece, len, at);
		at += len;
	}
	free(piece);
	return error;
}

/* Write BODY to the new file TMP_NAME below TOP. */
static int fill(const struct folder *f, int top, const char *tmp_name, const struct remote_body *body)
{
	struct stat st;
	int fd = io_open(f->io, top, tmp_name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	int error = fd < 0 ? fd : f->io->ops->fstat(f->io->arg, top, &st);

	if (!error)
		error =
		    body->data ? io_write_exact(f->io, fd, body->data, (size_t)body->len, 0) : copy_body(f, fd, body);
	if (!error)
		error = io_chmod(f->io, fd, st.st_mode & 0444);
	if (!error)
		error = io_fsync(f->io, fd);
	io_close(f->io, fd);
	if (error && fd >= 0)
		io_unlink(f->io, top, tmp_name);
	return error;
}

/* The top folder, made where only that one is missing. */
static int make_top(const struct folder *f)
{
	char *path = strndup(f->path, strlen(f->path) - 2), *slash = path ? strrchr(path, '/') : NULL;
	int error = slash ? io_mkdir(f->io, AT_FDCWD, path, 0777) : -ENOMEM;

	if (!error && slash > path) {
		*slash = '\0';
		error = io_fsync_dir(f->io, AT_FDCWD, path);
	}
	free(path);
	return error ? error : open_top(f);
}

static int folder_put(void *state, const char *path, const struct remote_body *body, bool replace)
{
	struct folder *f = state;
	char folder[REMOTE_PATH_SIZE], tmp_name[REMOTE_PATH_SIZE];
	uint64_t random[2];
	struct stat st;
	int top = open_top(f), error;

	if (top == -ENOENT)
		top = make_top(f);
	if (top < 0)
		return top;
	error = replace ? 0 : io_stat(f->io, top, path, &st);
	if (!replace)
		error = !error ? -EEXIST : error == -ENOENT ? 0 : error;
	if (!error)
		error = make_way(f, top, path, folder);
	if (!error)
		error = make_folder(f, top, REMOTE_TMP);
	io_random(f->io, random, sizeof(random));
	snprintf(tmp_name, sizeof(tmp_name), REMOTE_TMP "/%016llx%016llx", (unsigned long long)random[0],
	         (unsigned long long)random[1]);
	if (!error)
		error = fill(f, top, tmp_name, body);
	if (!error) {
		error =
		    replace ? io_rename(f->io, top, tmp_name, top, path) : io_publish(f->io, top, tmp_name, top, path);
		if (error)
			io_unlink(f->io, top, tmp_name);
	}
	if (!error)
		error = io_fsync_dir(f->io, top, folder);
	io_close(f->io, top);
	return error == -EDQUOT ? -ENOSPC : error;
}

static int folder_remove(void *state, const char *path)
{
	struct folder *f = state;
	const char *slash = strrchr(path, '/');
	char folder[REMOTE_PATH_SIZE];
	int top = open_top(f), error = top < 0 ? top : io_unlink(f->io, top, path);

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	if (!error)
		error = io_fsync_dir(f->io, top, folder);
	io_close(f->io, top);
	return top == -ENOENT ? -EHOSTDOWN : error;
}

struct listing {
	const struct folder *folder;
	int top;
	const char *path;
	unsigned depth;
	remote_each each;
	void *arg;
};

static int list_one(void *arg, const char *name);

static int list_below(const struct listing *l)
{
	int error = io_list(l->folder->io, l->top, l->path, list_one, (void *)l);

	return error == -ENOENT ? 0 : error;
}

static int list_one(void *arg, const char *name)
{
	const struct listing *l = arg;
	struct listing below = *l;
	char path[REMOTE_PATH_SIZE];
	struct stat st;
	int len = snprintf(path, sizeof(path), "%s/%s", l->path, name), error;

	if (len < 0 || (size_t)len >= sizeof(path))
		return 0; /* no name of a store */
	error = io_stat(l->folder->io, l->top, path, &st);
	if (error)
		return error == -ENOENT ? 0 : error;
	if (S_ISREG(st.st_mode))
		return l->each(l->arg, path, &(struct remote_stat){.size = (uint64_t)st.st_size, .time = st.st_mtim});
	below.path = path;
	below.depth++;
	return S_ISDIR(st.st_mode) && below.depth < 4 ? list_below(&below) : 0;
}

static int folder_list(void *state, const char *path, remote_each each, void *arg)
{
	struct folder *f = state;
	struct listing l = {.folder = f, .top = open_top(f), .path = path, .each = each, .arg = arg};
	int error = l.top < 0 ? l.top : list_below(&l);

	io_close(f->io, l.top);
	return l.top == -ENOENT ? -EHOSTDOWN : error;
}

const struct remote_kind remote_kind_folder = {
    .name = "folder",
    .open = folder_open,
    .close = folder_close,
    .read = folder_read,
    .stat = folder_stat,
    .put = folder_put,
    .remove = folder_remove,
    .list = folder_list,
};
