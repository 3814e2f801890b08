#include "fs/registration.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "registered"
#define FIRST_LINE "revfs-registered 1\n"
#define FILE_MAX ((size_t)64 << 20)
#define PATH_SIZE 64

struct registration {
	struct store *store; /* borrowed */
	int fd;              /* locked while we live */
	char path[PATH_SIZE];
	pthread_mutex_t lock; /* of what follows */
	char last[ID_HEX_SIZE + 16];
	uint64_t end;
};

/* "registered/<name>", where NAME is that of a registration.  False for other names. */
static bool file_path(const char *name, char path[PATH_SIZE])
{
	struct pack_id id;

	if (pack_id_parse(name, strlen(name), &id) < 0)
		return false;
	snprintf(path, PATH_SIZE, FOLDER "/%.32s", name);
	return true;
}

/* The file under a name of its own, with its first line, locked: nobody can take it for one that was left. */
static int make_file(struct registration *r)
{
	const struct io *io = store_io(r->store);
	int dirfd = store_dirfd(r->store), error;
	char hex[PACK_ID_HEX_SIZE], tmp[PATH_SIZE];
	struct pack_id random;

	io_random(io, &random, sizeof(random));
	pack_id_format(&random, hex);
	snprintf(tmp, sizeof(tmp), "tmp/%s", hex);
	file_path(hex, r->path);
	error = store_make_folder(r->store, FOLDER);
	if (error)
		return error;
	r->fd = io_open(io, dirfd, tmp, O_RDWR | O_CREAT | O_EXCL, 0666);
	if (r->fd < 0)
		return r->fd;
	error = io_write_exact(io, r->fd, FIRST_LINE, strlen(FIRST_LINE), 0);
	if (!error)
		error = io_lock(io, r->fd, true, 0);
	if (!error)
		error = io_rename(io, dirfd, tmp, dirfd, r->path);
	if (error)
		io_unlink(io, dirfd, tmp);
	r->end = strlen(FIRST_LINE);
	return error;
}

int registration_open(struct store *store, struct registration **registration)
{
	struct registration *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->store = store;
	r->fd = -1;
	pthread_mutex_init(&r->lock, NULL);
	error = make_file(r);
	if (error) {
		io_close(store_io(store), r->fd);
		pthread_mutex_destroy(&r->lock);
		free(r);
		return error;
	}
	*registration = r;
	return 0;
}

void registration_close(struct registration *registration)
{
	if (!registration)
		return;
	io_unlink(store_io(registration->store), store_dirfd(registration->store), registration->path);
	io_close(store_io(registration->store), registration->fd);
	pthread_mutex_destroy(&registration->lock);
	free(registration);
}

/* A line goes to a place of its own, so that it is written without the lock; a half line at the end is passed over. */
static int add_line(struct registration *r, const char *line)
{
	size_t len = strlen(line);
	uint64_t at;
	bool again;
	int error;

	pthread_mutex_lock(&r->lock);
	again = strcmp(r->last, line) == 0;
	at = r->end;
	if (!again) {
		memcpy(r->last, line, len + 1);
		r->end += len;
	}
	pthread_mutex_unlock(&r->lock);
	error = again ? 0 : io_write_exact(store_io(r->store), r->fd, line, len, at);
	if (error) {
		/* The next call writes it again, over what there is of it where no other line came behind. */
		pthread_mutex_lock(&r->lock);
		r->last[0] = '\0';
		if (r->end == at + len)
			r->end = at;
		pthread_mutex_unlock(&r->lock);
	}
	return error;
}

int registration_add_commit(struct registration *registration, const struct oid *commit)
{
	char line[ID_HEX_SIZE + 16], hex[OID_HEX_MAX];

	snprintf(line, sizeof(line), "commit %s\n", oid_format(commit, hex));
	return add_line(registration, line);
}

int registration_add_root(struct registration *registration, const struct id *root)
{
	char line[ID_HEX_SIZE + 16], hex[ID_HEX_SIZE];

	snprintf(line, sizeof(line), "root %s\n", id_format(root, hex));
	return add_line(registration, line);
}

struct walk {
	struct store *store;
	int64_t before; /* what was written before this, and is not locked, counts for nothing */
	int (*each)(void *arg, const struct oid *commit, const struct id *root);
	void *arg;
	ssize_t removed;
};

/*
 * Whether the file was left by a process that ended, long enough ago.  A disk without locks says no.
 */
static int is_left(const struct walk *w, const char *path)
{
	const struct io *io = store_io(w->store);
	struct stat st;
	int fd, r;

	fd = io_open_regular(io, store_dirfd(w->store), path, NULL);
	if (fd < 0)
		return fd;
	r = io->ops->fstat(io->arg, fd, &st);
	if (!r && st.st_mtime <= w->before)
		r = io_lock(io, fd, true, 0) == 0;
	io_close(io, fd);
	return r;
}

static int tell_line(const struct walk *w, const char *line, size_t len)
{
	struct oid commit;
	struct id root;

	/* Another thread's line may not be written yet where a later one is: a gap of zeros in front of it. */
	while (len > 0 && *line == '\0') {
		line++;
		len--;
	}
	if (len == 0)
		return 0;
	if (len > 7 && memcmp(line, "commit ", 7) == 0 && oid_parse(line + 7, len - 7, &commit) == 0)
		return w->each(w->arg, &commit, NULL);
	if (len > 5 && memcmp(line, "root ", 5) == 0 && id_parse(line + 5, len - 5, &root) == 0)
		return w->each(w->arg, NULL, &root);
	return -EBADMSG;
}

static int tell_lines(const struct walk *w, const char *text, size_t len)
{
	const size_t first = strlen(FIRST_LINE);
	const char *line, *lf;
	int r = 0;

	if (len < first || memcmp(text, FIRST_LINE, first) != 0)
		return -EBADMSG;
	for (line = text + first; !r; line = lf + 1) {
		lf = memchr(line, '\n', (size_t)(text + len - line));
		if (!lf)
			break;
		r = tell_line(w, line, (size_t)(lf - line));
	}
	return r;
}

/* What the file holds now; it may grow meanwhile.  malloc'ed. */
static int read_text(const struct walk *w, const char *path, char **text, size_t *len)
{
	const struct io *io = store_io(w->store);
	uint64_t size;
	ssize_t n;
	int fd;

	fd = io_open_regular(io, store_dirfd(w->store), path, &size);
	if (fd < 0)
		return fd;
	*text = size <= FILE_MAX ? malloc((size_t)size + 1) : NULL;
	n = *text ? io_read_some(io, fd, *text, (size_t)size, 0) : size <= FILE_MAX ? -ENOMEM : -EBADMSG;
	io_close(io, fd);
	if (n < 0) {
		free(*text);
		return (int)n;
	}
	*len = (size_t)n;
	return 0;
}

static int tell_file(void *arg, const char *name)
{
	const struct walk *w = arg;
	char path[PATH_SIZE], *text = NULL;
	size_t len = 0;
	int r;

	if (!file_path(name, path))
		return 0;
	r = is_left(w, path);
	if (!r)
		r = read_text(w, path, &text, &len);
	if (r)
		return r == -ENOENT || r > 0 ? 0 : r;
	r = tell_lines(w, text, len);
	free(text);
	return r;
}

int registration_each(struct store *store, unsigned age_s,
                      int (*each)(void *arg, const struct oid *commit, const struct id *root), void *arg)
{
	struct walk w = {.store = store, .each = each, .arg = arg};
	int r;

	w.before = io_now(store_io(store)).tv_sec - (int64_t)age_s;
	r = io_list(store_io(store), store_dirfd(store), FOLDER, tell_file, &w);
	return r == -ENOENT ? 0 : r;
}

static int sweep_file(void *arg, const char *name)
{
	struct walk *w = arg;
	char path[PATH_SIZE];

	if (file_path(name, path) && is_left(w, path) > 0 &&
	    io_unlink(store_io(w->store), store_dirfd(w->store), path) == 0)
		w->removed++;
	return 0;
}

ssize_t registration_sweep(struct store *store, unsigned age_s)
{
	struct walk w = {.store = store};
	int r;

	w.before = io_now(store_io(store)).tv_sec - (int64_t)age_s;
	r = io_list(store_io(store), store_dirfd(store), FOLDER, sweep_file, &w);
	return r && r != -ENOENT ? r : w.removed;
}
