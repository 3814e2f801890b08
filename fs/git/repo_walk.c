/*
 * Going through history, and finding what Git still holds on to.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/git/git_child.h"
#include "fs/git/oid_set.h"
#include "fs/git/repo.h"
#include "fs/git/repo_reader.h"

#define PATH_LINE_MAX 8192

/* Commits to come: a heap, the newest on top, the first that was added before others of its second. */
struct waiting {
	struct oid oid;
	struct repo_commit commit;
	uint64_t serial;
};

struct walk {
	struct repo *repo;
	struct oid_set seen;
	struct waiting *heap;
	size_t count;
	size_t size;
	uint64_t serial;
};

static bool comes_before(const struct waiting *a, const struct waiting *b)
{
	if (a->commit.time != b->commit.time)
		return a->commit.time > b->commit.time;
	return a->serial < b->serial;
}

static void heap_push(struct walk *w, const struct waiting *item)
{
	size_t at = w->count++;

	for (size_t parent; at && comes_before(item, &w->heap[parent = (at - 1) / 2]); at = parent)
		w->heap[at] = w->heap[parent];
	w->heap[at] = *item;
}

static void heap_pop(struct walk *w, struct waiting *top)
{
	const struct waiting *last = &w->heap[--w->count];
	size_t at = 0, child;

	*top = w->heap[0];
	while ((child = 2 * at + 1) < w->count) {
		if (child + 1 < w->count && comes_before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!comes_before(&w->heap[child], last))
			break;
		w->heap[at] = w->heap[child];
		at = child;
	}
	w->heap[at] = *last;
}

/* Let a commit wait its turn, unless it has been met. */
static int walk_add(struct walk *w, const struct oid *oid)
{
	struct waiting item = {.oid = *oid, .serial = w->serial++};
	struct waiting *heap;
	size_t size;
	int r;

	r = oid_set_add(&w->seen, oid);
	if (r <= 0)
		return r;
	if (w->count == w->size) {
		size = w->size ? 2 * w->size : 64;
		heap = realloc(w->heap, size * sizeof(*heap));
		if (!heap)
			return -ENOMEM;
		w->heap = heap;
		w->size = size;
	}
	r = repo_commit(w->repo, oid, &item.commit);
	/* A commit that history needs and that is not here is no ordinary absence. */
	if (r == -ENOENT || r == -EINVAL)
		r = -EBADMSG;
	if (!r)
		heap_push(w, &item);
	return r;
}

static int walk_next(struct walk *w, int (*each)(void *arg, const struct oid *oid, const struct repo_commit *commit),
                     void *arg)
{
	struct waiting item;
	int r;

	heap_pop(w, &item);
	r = each(arg, &item.oid, &item.commit);
	for (unsigned i = 0; !r && i < item.commit.parents_count; i++)
		r = walk_add(w, &item.commit.parents[i]);
	repo_commit_release(&item.commit);
	return r;
}

int repo_each_commit(struct repo *repo, const struct oid *tips, size_t count,
                     int (*each)(void *arg, const struct oid *oid, const struct repo_commit *commit), void *arg)
{
	struct walk w = {.repo = repo};
	int r = 0;

	for (size_t i = 0; !r && i < count; i++)
		r = walk_add(&w, &tips[i]);
	while (!r && w.count)
		r = walk_next(&w, each, arg);
	for (size_t i = 0; i < w.count; i++)
		repo_commit_release(&w.heap[i].commit);
	free(w.heap);
	oid_set_release(&w.seen);
	return r;
}

/* End CHILD after R: an error of git's own counts where we have none. */
static int end_child(struct git_child *child, int r)
{
	int status = git_child_end(child, r != 0);

	return !r && status ? -EBADMSG : r;
}

int repo_each_reflog_commit(struct repo *repo, int (*each)(void *arg, const struct oid *oid), void *arg)
{
	static const char *const args[] = {"rev-list", "--no-walk=unsorted", "--all", "--reflog", NULL};
	struct git_child child;
	char line[OID_HEX_MAX + 1];
	struct oid oid;
	ssize_t len;
	int r;

	r = git_child_start(&child, &repo_location(repo)->reading, args, GIT_RUN_READING);
	if (r)
		return r;
	while (!r) {
		len = git_child_line(&child, '\n', line, sizeof(line));
		if (len < 0) {
			r = len == -EPIPE ? 0 : (int)len;
			break;
		}
		r = oid_parse(line, (size_t)len, &oid) ? -EBADMSG : each(arg, &oid);
	}
	return end_child(&child, r);
}

/* "100644 <id> 0<TAB>path" */
static int parse_index_line(char *line, struct oid *oid, const char **path)
{
	char *tab = strchr(line, '\t'), *id = strchr(line, ' '), *id_end;

	if (!tab || !id || id > tab)
		return -EBADMSG;
	id_end = strchr(++id, ' ');
	if (!id_end || id_end > tab)
		return -EBADMSG;
	*path = tab + 1;
	return oid_parse(id, (size_t)(id_end - id), oid) ? -EBADMSG : 0;
}

static int each_in_index(struct repo *repo, const char *git_dir, const char *index_file,
                         int (*each)(void *arg, const char *path, const struct oid *oid), void *arg)
{
	static const char *const args[] = {"ls-files", "--stage", "-z", "--", "*.revfs", NULL};
	struct git_where where = repo_location(repo)->reading;
	struct git_child child;
	char line[PATH_LINE_MAX];
	const char *path;
	struct oid oid;
	ssize_t len;
	int r;

	where.dir = where.git_dir = git_dir;
	where.work_tree = NULL;
	where.index_file = index_file;
	r = git_child_start(&child, &where, args, GIT_RUN_READING);
	if (r)
		return r;
	while (!r) {
		len = git_child_line(&child, '\0', line, sizeof(line));
		if (len < 0) {
			r = len == -EPIPE ? 0 : (int)len;
			break;
		}
		r = parse_index_line(line, &oid, &path);
		if (!r)
			r = each(arg, path, &oid);
	}
	return end_child(&child, r);
}

/* The index of the worktree whose Git folder is GIT_DIR, where it has one. */
static int each_in_worktree(struct repo *repo, const char *git_dir,
                            int (*each)(void *arg, const char *path, const struct oid *oid), void *arg)
{
	char *index;
	int r = 0;

	if (asprintf(&index, "%s/index", git_dir) < 0)
		return -ENOMEM;
	if (!access(index, F_OK))
		r = each_in_index(repo, git_dir, NULL, each, arg);
	free(index);
	return r;
}

int repo_each_index_pointer(struct repo *repo, int (*each)(void *arg, const char *path, const struct oid *oid),
                            void *arg)
{
	const struct repo_location *l = repo_location(repo);
	struct dirent *entry;
	char *folder = NULL, *worktree;
	DIR *dir = NULL;
	int r;

	r = each_in_worktree(repo, l->common_dir, each, arg);
	if (!r && l->index_file)
		r = each_in_index(repo, l->git_dir, l->index_file, each, arg);
	if (!r && asprintf(&folder, "%s/worktrees", l->common_dir) < 0) {
		folder = NULL;
		r = -ENOMEM;
	}
	if (r)
		goto out;
	dir = opendir(folder);
	if (!dir) {
		r = errno == ENOENT ? 0 : -errno;
		goto out;
	}
	while (!r && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (asprintf(&worktree, "%s/%s", folder, entry->d_name) < 0) {
			r = -ENOMEM;
			break;
		}
		r = each_in_worktree(repo, worktree, each, arg);
		free(worktree);
	}
out:
	if (dir)
		closedir(dir);
	free(folder);
	return r;
}
