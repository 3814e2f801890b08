#include "fs/checkout_site.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/wire.h"
#include "fs/checkout_judge.h"
#include "fs/checkout_told.h"
#include "fs/compare.h"
#include "fs/materialise.h"
#include "fs/restamp.h"
#include "fs/stamp_set.h"

struct checkout_site {
	const struct checkout_request *request;
	struct checkout_result *result; /* what TOLD does not count is this thread's */
	struct told told;
	bool fresh;
	struct materialise *writing; /* NULL in a dry run, and between finish and the next write */
	struct judge *judge;
	struct stamp_set *stamps;
	struct buffer path; /* the dataset's, and that of what is looked at behind it */
	struct buffer parent_path;
	int parent;     /* the directory PARENT_PATH of the work tree; -1: none open */
	char **leaving; /* directories to be removed when everything in them was met; each in the one before */
	size_t leaving_count, leaving_capacity;
};

/* Of a change of kind, both halves meet what is in the way, and so do both comparisons: it is told once. */
static void tell_conflict(struct checkout_site *s, const char *path)
{
	told_tell(&s->told, CHECKOUT_CONFLICT, path, 0, false);
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
	told_written(&s->told, place->size);
	if (s->request->progress)
		s->request->progress(s->request->arg, 1, place->size);
}

static void on_failed(void *arg, const char *path, int error, bool cannot_write)
{
	struct checkout_site *s = arg;

	told_tell(&s->told, CHECKOUT_FAILED, inner(s, path), error, !cannot_write);
}

int site_open(const struct checkout_request *request, struct checkout_result *result, bool fresh, const struct id *base,
              struct checkout_site **site)
{
	struct checkout_site *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->request = request;
	s->result = result;
	s->fresh = fresh;
	s->parent = -1;
	told_init(&s->told, request, result);
	error = judge_open(request, base, &s->judge);
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
	judge_close(s->judge);
	stamp_set_free(s->stamps);
	buffer_release(&s->path);
	buffer_release(&s->parent_path);
	if (s->parent >= 0)
		close(s->parent);
	told_release(&s->told);
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
		told_tell(&s->told, CHECKOUT_WRITE, path, 0, false);
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

/* Remove what stands at PATH.  A failure is the path's own. */
static int remove_entry(struct checkout_site *s, const char *path, int dirfd, const char *name, bool all)
{
	int error = 0;

	if (!s->request->dry)
		error = all ? remove_all(dirfd, name) : unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
	if (!error)
		told_note_gone(&s->told, path);
	told_tell(&s->told, error ? CHECKOUT_FAILED : CHECKOUT_REMOVE, path, error, false);
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
	gone = told_is_noted(&left->site->told, path, strlen(path));
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
		told_note_gone(&s->told, path);
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

	told_tell(&s->told, CHECKOUT_WRITE, path, 0, false);
	if (s->request->dry) {
		s->result->written++;
		return 0;
	}
	error = set_mode(dirfd, name, st, mode);
	if (!error && fstatat(dirfd, name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		error = -errno;
	if (error) {
		told_tell(&s->told, CHECKOUT_FAILED, path, error, false);
		return 0;
	}
	stamp_set_add(s->stamps, path, &now);
	told_written(&s->told, 0);
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
		told_tell(&s->told, CHECKOUT_FAILED, path, error, false);
		return 1;
	}
	told_note_gone(&s->told, path);
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
		error = judge_compare_others(s->judge, dirfd, name, st, states, &same);
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
	int error = judge_path(s->judge, path, states, dirfd, name, &st, &verdict);

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
	if (told_was(&s->told, CHECKOUT_FAILED, path, strlen(path)) ||
	    (s->request->dry && told_was(&s->told, CHECKOUT_WRITE, path, strlen(path))))
		return 1;
	if (s->fresh || told_is_gone(&s->told, path))
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
	    .has_cache = judge_has_cache(s->judge),
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
