#include "fs/checkout_site.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/id_set.h"
#include "cache/wire.h"
#include "fs/compare.h"
#include "fs/likeness.h"
#include "fs/materialise.h"
#include "fs/restamp.h"
#include "fs/stamp_set.h"
#include "fs/stat_cache.h"

struct checkout_site {
	const struct checkout_request *request;
	struct checkout_result *result; /* its counts, and tell(), under LOCK */
	pthread_mutex_t lock;
	bool fresh;
	struct materialise *writing; /* NULL in a dry run, and between finish and the next write */
	struct likeness *likeness;
	struct stat_cache *cache;
	struct buffer cache_path; /* the directory that the cache is in, each name with a slash behind it */
	struct stamp_set *stamps;
	struct buffer path; /* the dataset's, and that of what is looked at behind it */
	struct buffer parent_path;
	int parent;     /* the directory PARENT_PATH of the work tree; -1: none open */
	char **leaving; /* directories to be removed when everything in them was met; each in the one before */
	size_t leaving_count, leaving_capacity;
	/* Conflicts, failures, and in a dry run, where nothing that is done can be seen later, everything that was
	 * told: each with its event.  Under LOCK. */
	struct id_set told;
};

/* Beside the events: in a dry run, what would be gone. */
#define GONE (CHECKOUT_FAILED + 1)

static void told_key(unsigned event, const char *path, size_t len, struct id *key)
{
	id_of(path, len, key);
	key->bytes[0] ^= (uint8_t)(event + 1);
}

/* Whether the same was told of PATH before. */
static bool was_told(struct checkout_site *s, unsigned event, const char *path, size_t len)
{
	struct id key;
	bool told = false;

	pthread_mutex_lock(&s->lock);
	if (s->told.count) {
		told_key(event, path, len, &key);
		told = id_set_has(&s->told, &key);
	}
	pthread_mutex_unlock(&s->lock);
	return told;
}

static void tell(struct checkout_site *s, enum checkout_event event, const char *path, int error, bool of_store)
{
	struct checkout_result *r = s->result;
	bool is_new = true;
	struct id key;

	pthread_mutex_lock(&s->lock);
	if (s->request->dry || event == CHECKOUT_CONFLICT || event == CHECKOUT_FAILED) {
		told_key(event, path, strlen(path), &key);
		/* Where memory runs out it is told twice. */
		is_new = id_set_add(&s->told, &key) != 0;
	}
	if (is_new) {
		r->removed += event == CHECKOUT_REMOVE;
		r->conflicts += event == CHECKOUT_CONFLICT;
		r->failed += event == CHECKOUT_FAILED;
		s->request->tell(s->request->arg, event, path, error, of_store);
	}
	pthread_mutex_unlock(&s->lock);
}

/* Of a change of kind, both halves meet what is in the way, and so do both comparisons: it is told once. */
static void tell_conflict(struct checkout_site *s, const char *path)
{
	tell(s, CHECKOUT_CONFLICT, path, 0, false);
}

/* The path below the dataset, of one from the root of the work tree. */
static const char *inner(const struct checkout_site *s, const char *path)
{
	path += strlen(s->request->path);
	return *path == '/' ? path + 1 : path;
}

static void on_written(void *arg, const char *path, const struct place *place, const struct deposited *result)
{
	struct checkout_site *s = arg;

	stamp_set_add(s->stamps, inner(s, path), &result->st);
	pthread_mutex_lock(&s->lock);
	s->result->written++;
	s->result->bytes += place->size;
	pthread_mutex_unlock(&s->lock);
	if (s->request->progress)
		s->request->progress(s->request->arg, 1, place->size);
}

static void on_failed(void *arg, const char *path, int error, bool cannot_write)
{
	struct checkout_site *s = arg;

	tell(s, CHECKOUT_FAILED, inner(s, path), error, !cannot_write);
}

int site_open(const struct checkout_request *request, struct checkout_result *result, bool fresh, const struct id *base,
              struct checkout_site **site)
{
	struct checkout_site *s = calloc(1, sizeof(*s));
	char stat_name[INSTEP_NAME_SIZE];
	struct id root;
	int error;

	if (!s)
		return -ENOMEM;
	s->request = request;
	s->result = result;
	s->fresh = fresh;
	s->parent = -1;
	pthread_mutex_init(&s->lock, NULL);
	instep_stat_name(request->path, stat_name);
	if (base && request->wt->folder >= 0 &&
	    !stat_cache_open(request->wt->io, request->wt->folder, stat_name, &s->cache, &root) &&
	    !id_equal(&root, base)) {
		stat_cache_close(s->cache);
		s->cache = NULL;
	}
	error = likeness_new(request->world->source, &s->likeness);
	if (!error)
		error = stamp_set_new(&s->stamps);
	if (error)
		site_close(s);
	else
		*site = s;
	return error;
}

void site_close(struct checkout_site *s)
{
	if (!s)
		return;
	if (s->writing)
		materialise_finish(s->writing, NULL);
	while (s->leaving_count)
		free(s->leaving[--s->leaving_count]);
	free(s->leaving);
	id_set_release(&s->told);
	stat_cache_close(s->cache);
	likeness_free(s->likeness);
	stamp_set_free(s->stamps);
	buffer_release(&s->cache_path);
	buffer_release(&s->path);
	buffer_release(&s->parent_path);
	if (s->parent >= 0)
		close(s->parent);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The path from the root of the work tree, NUL-terminated; NULL where memory ran out. */
static const char *full_path(struct checkout_site *s, const char *path)
{
	buffer_clear(&s->path);
	buffer_append(&s->path, s->request->path, strlen(s->request->path));
	if (*path)
		buffer_put8(&s->path, '/');
	buffer_append(&s->path, path, strlen(path) + 1);
	return s->path.failed ? NULL : (const char *)s->path.data;
}

/* The directory that holds the full path FULL: kept open for the next one.  *NAME points into FULL. */
static int open_parent(struct checkout_site *s, const char *full, const char **name)
{
	const char *slash = strrchr(full, '/');
	size_t len = slash ? (size_t)(slash - full) : 0;
	int fd;

	*name = slash ? slash + 1 : full;
	if (s->parent >= 0 && s->parent_path.len == len && (!len || !memcmp(s->parent_path.data, full, len)))
		return s->parent;
	fd = worktree_open_parent(s->request->wt, full, false, name);
	if (fd < 0)
		return fd;
	if (s->parent >= 0)
		close(s->parent);
	s->parent = fd;
	buffer_clear(&s->parent_path);
	buffer_append(&s->parent_path, full, len);
	return s->parent_path.failed ? -ENOMEM : fd;
}

/* Go with the cache's reader into the directory of PATH. */
static int enter_cache(struct checkout_site *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t want = slash ? (size_t)(slash - path) + 1 : 0;
	struct buffer *at = &s->cache_path;

	while (at->len && (at->len > want || memcmp(at->data, path, at->len))) {
		stat_cache_leave(s->cache);
		do
			at->len--;
		while (at->len && at->data[at->len - 1] != '/');
	}
	while (at->len < want) {
		size_t len = strcspn(path + at->len, "/");

		stat_cache_enter(s->cache, path + at->len, len);
		buffer_append(at, path + at->len, len + 1);
		if (at->failed)
			return -ENOMEM;
	}
	return 0;
}

/* Whether the stat cache shows that what stands at PATH is what the base has there. */
static int is_as_cached(struct checkout_site *s, const char *path, const struct stat *st, bool *same)
{
	struct stat_cache_entry cached;
	struct file_stamp stamp;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	int error;

	*same = false;
	if (!s->cache)
		return 0;
	error = enter_cache(s, path);
	if (error || stat_cache_find(s->cache, name, strlen(name), &cached))
		return error;
	file_stamp_of(st, &stamp);
	*same = !cached.racy && file_stamp_equal(&cached.stamp, &stamp) &&
	        cached.kind == (S_ISLNK(st->st_mode) ? ENTRY_SYMLINK : ENTRY_FILE);
	return 0;
}

static int compare(struct checkout_site *s, int dirfd, const char *name, const struct stat *st,
                   const struct entry *entry, bool *same)
{
	bool of_store;
	int error;

	*same = false;
	if (!entry)
		return 0;
	error = likeness_compare(s->likeness, dirfd, name, st, NULL, entry, same, &of_store);
	/* A file that cannot be read is the user's; a tree that cannot be read ends it. */
	return error && (of_store || error == -ENOMEM) ? error : 0;
}

/* Whether it is any of what may be replaced, too. */
static int compare_others(struct checkout_site *s, int dirfd, const char *name, const struct stat *st,
                          const struct site_states *states, bool *same)
{
	int error = 0;

	*same = false;
	for (size_t i = 0; !error && !*same && i < states->others_count; i++)
		error = compare(s, dirfd, name, st, states->others[i], same);
	return error;
}

enum verdict {
	VERDICT_ABSENT, /* nothing stands there */
	VERDICT_DONE,   /* it is as it shall be */
	VERDICT_SAFE,   /* it is something that may be replaced */
	VERDICT_LATER,  /* it is a folder of an unfinished checkout, which may go when everything in it was met */
	VERDICT_OTHER,  /* it is the user's */
};

static int judge(struct checkout_site *s, const char *path, const struct site_states *states, int dirfd,
                 const char *name, struct stat *st, enum verdict *verdict)
{
	bool same = false;
	int error;

	*verdict = VERDICT_OTHER;
	if (fstatat(dirfd, name, st, AT_SYMLINK_NOFOLLOW) < 0) {
		*verdict = VERDICT_ABSENT;
		return errno == ENOENT ? 0 : -errno;
	}
	error = states->cached && states->own ? is_as_cached(s, path, st, &same) : 0;
	if (error || same) {
		*verdict = VERDICT_SAFE;
		return error;
	}
	error = S_ISDIR(st->st_mode) && !states->wanted
	            ? 0
	            : compare(s, dirfd, name, st, states->wanted ? states->wanted : states->later, &same);
	if (error || same) {
		*verdict = VERDICT_DONE;
		return error;
	}
	error = compare(s, dirfd, name, st, states->own, &same);
	if (!error && !same)
		error = compare_others(s, dirfd, name, st, states, &same);
	if (same)
		*verdict = S_ISDIR(st->st_mode) ? VERDICT_LATER : VERDICT_SAFE;
	return error;
}

static int start_writing(struct checkout_site *s)
{
	struct materialise_options options = {
	    .world = s->request->world,
	    .way = DEPOSIT_REPLACE,
	    .threads = s->request->jobs,
	    .stop = s->request->stop,
	    .written = on_written,
	    .failed = on_failed,
	    .arg = s,
	};

	return s->writing ? 0 : materialise_open(&options, s->request->wt->root, &s->writing);
}

/* Have ENTRY written at FULL.  Directories are there when this returns. */
static int write_entry(struct checkout_site *s, const char *path, const char *full, const struct entry *entry)
{
	struct place place;
	int error;

	if (entry->kind != ENTRY_DIRECTORY)
		tell(s, CHECKOUT_WRITE, path, 0, false);
	place_of_entry(entry, 0, &place);
	if (s->request->dry) {
		s->result->written += entry->kind != ENTRY_DIRECTORY;
		s->result->bytes += entry->kind != ENTRY_DIRECTORY ? place.size : 0;
		return 0;
	}
	error = start_writing(s);
	if (error)
		return error;
	return materialise_add(s->writing, full, &place);
}

/* Remove NAME with all that is in it. */
static int remove_all(int dirfd, const char *name)
{
	struct dirent *d;
	int error = 0, fd;
	DIR *dir;

	if (!unlinkat(dirfd, name, 0))
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (!error && (d = readdir(dir))) {
		if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
			error = remove_all(fd, d->d_name);
	}
	closedir(dir);
	if (!error && unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
		error = -errno;
	return error;
}

/* PATH would be gone now, if this were no dry run. */
static void note_gone(struct checkout_site *s, const char *path)
{
	struct id key;

	if (!s->request->dry)
		return;
	pthread_mutex_lock(&s->lock);
	told_key(GONE, path, strlen(path), &key);
	id_set_add(&s->told, &key);
	pthread_mutex_unlock(&s->lock);
}

/* In a dry run, whether PATH, or a directory above it, would be gone. */
static bool is_gone(struct checkout_site *s, const char *path)
{
	size_t len = 0;

	if (!s->request->dry || was_told(s, GONE, "", 0))
		return s->request->dry;
	while (path[len]) {
		len += strcspn(path + len, "/");
		if (was_told(s, GONE, path, len))
			return true;
		len += path[len] == '/';
	}
	return false;
}

/* Remove what stands at PATH.  A failure is the path's own. */
static int remove_entry(struct checkout_site *s, const char *path, int dirfd, const char *name, bool all)
{
	int error = 0;

	if (!s->request->dry)
		error = all ? remove_all(dirfd, name) : unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
	if (!error)
		note_gone(s, path);
	tell(s, error ? CHECKOUT_FAILED : CHECKOUT_REMOVE, path, error, false);
	return error;
}

/* Note that PATH is to be removed once it is empty. */
static int leave_later(struct checkout_site *s, const char *path)
{
	char *copy = strdup(path);

	if (copy && s->leaving_count == s->leaving_capacity) {
		size_t capacity = s->leaving_capacity ? 2 * s->leaving_capacity : 16;
		char **more = reallocarray(s->leaving, capacity, sizeof(*more));

		if (!more) {
			free(copy);
			copy = NULL;
		} else {
			s->leaving = more;
			s->leaving_capacity = capacity;
		}
	}
	if (!copy)
		return -ENOMEM;
	s->leaving[s->leaving_count++] = copy;
	return 0;
}

struct left {
	struct checkout_site *site;
	const char *path; /* of the directory */
};

/* Whether NAME would be left in a directory of a dry run: 1 or 0. */
static int is_left(void *arg, const char *name)
{
	const struct left *left = arg;
	char *path;
	bool gone;

	if (asprintf(&path, "%s%s%s", left->path, *left->path ? "/" : "", name) < 0)
		return -ENOMEM;
	gone = was_told(left->site, GONE, path, strlen(path));
	free(path);
	return !gone;
}

/* Remove a directory that was to be removed, or see whether it would be: what is left in it keeps it. */
static void leave(struct checkout_site *s, const char *path, int dirfd, const char *name)
{
	struct left left = {.site = s, .path = path};

	if (!s->request->dry)
		unlinkat(dirfd, name, AT_REMOVEDIR);
	else if (!io_list(s->request->wt->io, dirfd, name, is_left, &left))
		note_gone(s, path);
}

/* Remove directories that were to be removed and do not hold PATH (NULL: all). */
static int leave_before(struct checkout_site *s, const char *path)
{
	while (s->leaving_count) {
		char *last = s->leaving[s->leaving_count - 1];
		size_t len = strlen(last);
		const char *full, *name;
		int dirfd;

		if (path && (!len || (!strncmp(path, last, len) && path[len] == '/')))
			return 0;
		full = full_path(s, last);
		if (!full)
			return -ENOMEM;
		dirfd = open_parent(s, full, &name);
		s->leaving_count--;
		if (dirfd >= 0)
			leave(s, last, dirfd, name);
		free(last);
	}
	return 0;
}

int site_settle(struct checkout_site *s)
{
	return leave_before(s, NULL);
}

/* Only the executable bit of a regular file that is ours changes. */
static bool only_mode(const struct site_states *states, const struct stat *st)
{
	struct content a, b;

	return states->own && states->wanted->kind == ENTRY_FILE && states->own->kind == ENTRY_FILE &&
	       S_ISREG(st->st_mode) && states->own->executable != states->wanted->executable &&
	       !!(st->st_mode & S_IXUSR) == states->own->executable && !content_of(states->own, &a) &&
	       !content_of(states->wanted, &b) && content_equal(&a, &b) && (uint64_t)st->st_size == b.size;
}

/* No link that took the place of the file meanwhile is followed. */
static int set_mode(int dirfd, const char *name, const struct stat *st, mode_t mode)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), error = 0;
	struct stat now;

	if (fd < 0 || fstat(fd, &now) < 0)
		error = -errno;
	else if (now.st_dev != st->st_dev || now.st_ino != st->st_ino)
		error = -ESTALE;
	else if (fchmod(fd, mode & 07777) < 0)
		error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

static int change_mode(struct checkout_site *s, const char *path, int dirfd, const char *name, const struct stat *st,
                       bool executable)
{
	mode_t mode = executable ? st->st_mode | (st->st_mode & 0444) >> 2 : st->st_mode & ~0111u;
	struct stat now;
	int error;

	tell(s, CHECKOUT_WRITE, path, 0, false);
	if (s->request->dry) {
		s->result->written++;
		return 0;
	}
	error = set_mode(dirfd, name, st, mode);
	if (!error && fstatat(dirfd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		error = -errno;
	if (error) {
		tell(s, CHECKOUT_FAILED, path, error, false);
		return 0;
	}
	stamp_set_add(s->stamps, path, &now);
	pthread_mutex_lock(&s->lock);
	s->result->written++;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* What stands at PATH is in the way, or the user's. */
static int obstruct(struct checkout_site *s, const char *path, const char *full, const struct site_states *states,
                    int dirfd, const char *name, const struct stat *st)
{
	int error = 0;

	if (states->keep_others && !s->request->force)
		return 1;
	if (!s->request->force || s->request->spare) {
		tell_conflict(s, path);
		return 1;
	}
	s->result->destroyed++;
	if (!states->wanted) {
		remove_entry(s, path, dirfd, name, true);
		return 1;
	}
	/* A file takes another's place all at once; anything else must be out of the way first. */
	if (states->wanted->kind == ENTRY_DIRECTORY || S_ISDIR(st->st_mode))
		error = s->request->dry ? 0 : remove_all(dirfd, name);
	if (error) {
		tell(s, CHECKOUT_FAILED, path, error, false);
		return 1;
	}
	note_gone(s, path);
	return write_entry(s, path, full, states->wanted);
}

/* A directory that shall be there, or shall not. */
static int take_directory(struct checkout_site *s, const char *path, const char *full, const struct site_states *states,
                          int dirfd, const char *name, bool absent, const struct stat *st)
{
	bool same;
	int error;

	if (states->wanted && absent)
		return write_entry(s, path, full, states->wanted);
	if (states->wanted && S_ISDIR(st->st_mode))
		return 0;
	if (states->wanted) {
		/* A file of an unfinished checkout makes place. */
		error = compare_others(s, dirfd, name, st, states, &same);
		if (error)
			return error;
		if (!same)
			return obstruct(s, path, full, states, dirfd, name, st);
		return remove_entry(s, path, dirfd, name, false) ? 1 : write_entry(s, path, full, states->wanted);
	}
	if (absent || !S_ISDIR(st->st_mode))
		return 1;
	return leave_later(s, path);
}

static int take_file(struct checkout_site *s, const char *path, const char *full, const struct site_states *states,
                     int dirfd, const char *name)
{
	enum verdict verdict;
	struct stat st;
	int error = judge(s, path, states, dirfd, name, &st, &verdict);

	if (error)
		return error;
	switch (verdict) {
	case VERDICT_ABSENT:
		return states->wanted ? write_entry(s, path, full, states->wanted) : 0;
	case VERDICT_DONE:
		stamp_set_add(s->stamps, path, &st);
		return 0;
	case VERDICT_SAFE:
		if (!states->wanted)
			remove_entry(s, path, dirfd, name, false);
		else if (only_mode(states, &st))
			return change_mode(s, path, dirfd, name, &st, states->wanted->executable);
		return states->wanted ? write_entry(s, path, full, states->wanted) : 0;
	case VERDICT_LATER:
		return 0;
	case VERDICT_OTHER:
		break;
	}
	/* Something else in the place of a file that shall go: the next that is told may want it. */
	if (!states->wanted && (states->replaced || S_ISDIR(st.st_mode)))
		return 0;
	return obstruct(s, path, full, states, dirfd, name, &st);
}

static bool is_directory(const struct entry *entry)
{
	return entry && entry->kind == ENTRY_DIRECTORY;
}

int site_take(struct checkout_site *s, const char *path, const struct site_states *states)
{
	const struct entry *told = states->wanted ? states->wanted : states->own;
	const char *full, *name;
	struct stat st;
	int dirfd, error = leave_before(s, path);

	full = error ? NULL : full_path(s, path);
	if (!full)
		return error ? error : -ENOMEM;
	/* What failed once is not tried again; what a dry run would have written is what is wanted. */
	if (was_told(s, CHECKOUT_FAILED, path, strlen(path)) ||
	    (s->request->dry && was_told(s, CHECKOUT_WRITE, path, strlen(path))))
		return 1;
	if (s->fresh || is_gone(s, path))
		return states->wanted ? write_entry(s, path, full, states->wanted) : 1;
	dirfd = open_parent(s, full, &name);
	if (dirfd == -ENOENT)
		return states->wanted ? write_entry(s, path, full, states->wanted) : 1;
	if (dirfd == -ENOTDIR || dirfd == -ELOOP) {
		/* Something of the user's stands where a directory was or shall be.  Force removes it when it comes to
		 * what is not as it shall be, though no revision changed it. */
		if (!states->wanted || states->keep_others || states->blocked || s->request->force)
			return 1;
		tell_conflict(s, path);
		return 1;
	}
	if (dirfd < 0)
		return dirfd;
	if (!is_directory(told))
		return take_file(s, path, full, states, dirfd, name);
	error = fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	if (error && error != -ENOENT)
		return error;
	return take_directory(s, path, full, states, dirfd, name, error == -ENOENT, &st);
}

int site_restore(struct checkout_site *s, const char *path, const struct entry *entry)
{
	struct site_states states = {.wanted = entry, .keep_others = true};

	return site_take(s, path, &states);
}

int site_finish(struct checkout_site *s, const struct directory *base, const struct directory *target)
{
	struct restamp restamp = {
	    .source = s->request->world->source,
	    .wt = s->request->wt,
	    .path = s->request->path,
	    .base = base,
	    .target = target,
	    .stamps = s->stamps,
	    .root = s->request->target->root,
	    .has_cache = s->cache,
	};
	int error = site_settle(s);

	if (s->writing) {
		int failed = materialise_finish(s->writing, NULL);

		s->writing = NULL;
		error = error ? error : failed;
	}
	if (error || !target || s->request->dry || *s->request->inside || s->result->conflicts || s->result->failed)
		return error;
	stamp_set_seal(s->stamps);
	restamp_write(&restamp);
	return 0;
}
