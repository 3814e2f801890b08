#include "fs/restamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/compare.h"
#include "fs/content.h"
#include "fs/stat_cache.h"

struct state {
	const struct restamp *restamp;
	struct stat_cache *old;
	struct stat_cache_writer *new;
	struct buffer at; /* the directory that both are in, each name with a slash behind it */
	int folder;       /* the directory AT of the work tree; -1: not open */
	int dataset;
	bool incomplete; /* NEW lacks something that the target has */
};

static void go_up(struct state *s)
{
	stat_cache_copy(s->old, NULL, 0, s->new);
	stat_cache_leave(s->old);
	stat_cache_writer_leave(s->new);
	do
		s->at.len--;
	while (s->at.len && s->at.data[s->at.len - 1] != '/');
	if (s->folder >= 0)
		close(s->folder);
	s->folder = -1;
}

static int go_down(struct state *s, const char *name, size_t len)
{
	stat_cache_copy(s->old, name, len, s->new);
	stat_cache_enter(s->old, name, len);
	stat_cache_writer_enter(s->new, name, len);
	buffer_append(&s->at, name, len);
	buffer_put8(&s->at, '/');
	if (s->folder >= 0)
		close(s->folder);
	s->folder = -1;
	return s->at.failed ? -ENOMEM : 0;
}

/* Go to the directory that holds PATH; *NAME is its last component. */
static int go(struct state *s, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	size_t want = slash ? (size_t)(slash - path) + 1 : 0;
	int error = 0;

	*name = path + want;
	while (s->at.len && (s->at.len > want || memcmp(s->at.data, path, s->at.len)))
		go_up(s);
	while (!error && s->at.len < want)
		error = go_down(s, path + s->at.len, strcspn(path + s->at.len, "/"));
	return error;
}

/* lstat of NAME in the present directory. */
static int look(struct state *s, const char *name, struct stat *st)
{
	if (s->folder < 0) {
		/* Ended for the call, and only for that. */
		buffer_put8(&s->at, '\0');
		if (s->at.failed)
			return -ENOMEM;
		s->at.len--;
		s->folder =
		    openat(s->dataset, s->at.len ? (const char *)s->at.data : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (s->folder < 0)
			return -errno;
	}
	return fstatat(s->folder, name, st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* PATH differs: its old line goes, and where it was written it gets a new one. */
static int each(void *arg, const char *path, size_t path_len, const struct entry *a, const struct entry *b)
{
	struct state *s = arg;
	struct stat_cache_entry entry = {0}, old;
	const char *name;
	struct stat st;
	int error;

	(void)path_len;
	error = go(s, path, &name);
	if (error)
		return error;
	stat_cache_copy(s->old, name, strlen(name), s->new);
	if (a && a->kind == ENTRY_DIRECTORY) {
		/* It is gone, and takes its lines along. */
		stat_cache_enter(s->old, name, strlen(name));
		stat_cache_leave(s->old);
		return 1;
	}
	if (a)
		stat_cache_find(s->old, name, strlen(name), &old);
	if (!b)
		return 0;
	if (b->kind == ENTRY_DIRECTORY)
		return go_down(s, name, strlen(name));
	if (look(s, name, &st) || !stamp_set_has(s->restamp->stamps, path, &st) || content_of(b, &entry.content) ||
	    (uint64_t)st.st_size != entry.content.size) {
		s->incomplete = true;
		return 0;
	}
	entry.kind = b->kind;
	file_stamp_of(&st, &entry.stamp);
	stat_cache_writer_add(s->new, name, strlen(name), &entry);
	return 0;
}

void restamp_write(const struct restamp *restamp)
{
	const struct worktree *wt = restamp->wt;
	struct state s = {.restamp = restamp, .folder = -1, .dataset = -1};
	struct timespec now = io_now(wt->io);
	char name[INSTEP_NAME_SIZE];
	struct id root;
	int error;

	instep_stat_name(restamp->path, name);
	s.dataset = openat(wt->root, restamp->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s.dataset < 0 || stat_cache_writer_open(wt->io, wt->folder, name, &now, &s.new))
		goto out;
	if (restamp->has_cache)
		stat_cache_open(wt->io, wt->folder, name, &s.old, &root);
	s.incomplete = restamp->base && !s.old;
	error = compare_trees(restamp->source, restamp->base, restamp->target, each, &s);
	while (s.at.len)
		go_up(&s);
	stat_cache_copy(s.old, NULL, 0, s.new);
	if (error)
		stat_cache_writer_abort(s.new);
	else
		/* A cache that names a tree has all of it: what is in neither the cache nor the work tree would not be
		 * missed. */
		stat_cache_writer_finish(s.new, s.incomplete ? NULL : &restamp->root);
out:
	stat_cache_close(s.old);
	buffer_release(&s.at);
	if (s.folder >= 0)
		close(s.folder);
	if (s.dataset >= 0)
		close(s.dataset);
}
