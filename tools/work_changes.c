#include "tools/work_changes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/drift.h"
#include "fs/name.h"
#include "fs/scan.h"
#include "tools/attached.h"
#include "tools/path.h"
#include "tools/shown.h"
#include "tools/snapshot_report.h"
#include "tools/stop.h"

/* A dataset of the tree, of the work tree, or of both. */
struct dataset {
	char *path;
	bool in_tree;
	struct pointer pointer;              /* of the tree */
	const struct work_dataset *record;   /* NULL: the work tree never had it */
	const struct attachment *attachment; /* NULL: not attached */
};

struct datasets {
	struct dataset *list;
	size_t count;
	const struct work_changes *changes;
	struct attachments attachments;
};

/* What goes on for one dataset. */
struct collection {
	const struct work_changes *changes;
	const char *dataset;
};

static int join_path(const char *folder, const char *name, char **path)
{
	*path = *name ? path_join(folder, name) : strdup(folder);
	return *path ? 0 : -ENOMEM;
}

static bool is_within(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) && path[len] == '/';
}

/* A directory that was added for itself is told by what turns out to be in it. */
static void drop_parent(struct change_list *list, const char *path)
{
	struct listed_change *last = list->count ? &list->items[list->count - 1] : NULL;

	if (!last || last->a.kind || last->b.kind != ENTRY_DIRECTORY || !is_within(path, last->path))
		return;
	free(last->path);
	list->count--;
}

/* Add what is at NAME below the dataset in the work tree (KIND 0: nothing), and was (OLD). */
static int add(const struct collection *c, const char *name, const struct entry *old, uint8_t kind,
               const struct stat *st)
{
	char *path;
	int ret;

	/* What was in a directory is told; it speaks for itself only where nothing was. */
	if (old && old->kind == ENTRY_DIRECTORY && !old->broken && old->totals.entries)
		old = NULL;
	if (!old && !kind)
		return 0;
	ret = join_path(c->dataset, name, &path);
	if (ret)
		return ret;
	if (path_limits_hold(c->changes->limits, path)) {
		drop_parent(c->changes->list, path);
		ret = change_list_add_work(c->changes->list, path, old, kind, st);
	}
	free(path);
	return ret;
}

/* What can't be recorded or looked at; the rest goes on. */
static int add_problem(const struct collection *c, const char *name, uint8_t problem, int error)
{
	char *path;
	int ret = join_path(c->dataset, name, &path);

	if (ret)
		return ret;
	if (path_limits_hold(c->changes->limits, path))
		outcome_add(c->changes->outcome, snapshot_report_problem(path, problem, error));
	free(path);
	return 0;
}

/* What the base of an attached dataset has, and nobody changed. */
static int add_from_base(const struct collection *c, const struct drift_difference *d)
{
	char *path;
	int ret = join_path(c->dataset, d->path, &path);

	if (ret)
		return ret;
	if (path_limits_hold(c->changes->limits, path)) {
		drop_parent(c->changes->list, path);
		ret = change_list_add(c->changes->list, path, d->old, d->now);
	}
	free(path);
	return ret;
}

static int add_difference(void *arg, const struct drift_difference *d)
{
	if (d->problem)
		return add_problem(arg, d->path, d->problem, d->error);
	if (d->now)
		return add_from_base(arg, d);
	return add(arg, d->path, d->old, d->kind, d->st);
}

/* One step of a walk through files that are all new. */
static int add_step(const struct collection *c, struct scan *scan, const struct scan_step *step)
{
	const char *name = scan_path(scan);
	bool is_directory = step->event == SCAN_ENTER;
	char *path;
	bool excluded;

	if (step->event == SCAN_LEAVE)
		return 0;
	if (step->event == SCAN_FAILED)
		return add_problem(c, name, step->error == -ENAMETOOLONG ? PROBLEM_TOO_DEEP : PROBLEM_UNREADABLE,
		                   step->error);
	if (join_path(c->dataset, name, &path))
		return -ENOMEM;
	excluded = exclude_matches(c->changes->exclude, path, is_directory);
	free(path);
	if (is_directory && (excluded || name_is_dotgit(step->name, step->name_len)))
		scan_skip(scan);
	if (excluded)
		return 0;
	if (name_is_dotgit(step->name, step->name_len))
		return add_problem(c, name, PROBLEM_DOTGIT, 0);
	if (is_directory)
		return add(c, name, NULL, ENTRY_DIRECTORY, &step->st);
	if (!S_ISREG(step->st.st_mode) && !S_ISLNK(step->st.st_mode))
		return add_problem(c, name, PROBLEM_SPECIAL, 0);
	return add(c, name, NULL, S_ISLNK(step->st.st_mode) ? ENTRY_SYMLINK : ENTRY_FILE, &step->st);
}

/* Everything that lies at the dataset in the work tree is new. */
static int add_all_files(const struct collection *c, enum work_kind kind)
{
	const struct worktree *wt = c->changes->wt;
	struct scan_step step;
	struct scan *scan;
	struct stat st;
	int ret;

	if (fstatat(wt->root, c->dataset, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (kind == WORK_FILE)
		return add(c, "", NULL, ENTRY_FILE, &st);
	ret = add(c, "", NULL, ENTRY_DIRECTORY, &st);
	if (!ret)
		ret = scan_open(wt->root, c->dataset, &scan);
	if (ret)
		return ret;
	while (!ret && !(ret = scan_next(scan, &step)))
		ret = atomic_load(stop_flag()) ? -EINTR : add_step(c, scan, &step);
	scan_close(scan);
	return ret == -ENOENT ? 0 : ret;
}

static int add_change(void *arg, const struct change *change)
{
	const struct collection *c = arg;

	return change_list_add(c->changes->list, change->path, change->a, change->b);
}

/* What changed from one pointer to another; either may be NULL. */
static int add_by_pages(const struct collection *c, const struct pointer *a, const struct pointer *b)
{
	const struct changes_request request = {
	    .repo = c->changes->session->repo,
	    .source = c->changes->session->source,
	    .limits = c->changes->limits,
	    .each = add_change,
	    .arg = (void *)c,
	};

	return changes_each_in(&request, c->dataset, a, b);
}

/* What changed from the pointer to the files. */
static int add_drift(const struct collection *c, const struct pointer *pointer, enum work_kind kind)
{
	const struct drift_request request = {
	    .source = c->changes->session->source,
	    .io = io_system(),
	    .dirfd = c->changes->wt->root,
	    .path = c->dataset,
	    .is_file = kind == WORK_FILE,
	    .pointer = pointer,
	    .folder = c->changes->wt->folder,
	    .exclude = c->changes->exclude,
	    .cancelled = stop_flag(),
	};

	return request.source ? drift_compare(&request, add_difference, (void *)c) : -ENODATA;
}

/* What changed from the pointer (NULL: nothing) to what an attached dataset shows. */
static int add_attached(const struct collection *c, const struct attachment *attachment, const struct pointer *pointer)
{
	const struct work_changes *changes = c->changes;
	struct session *session = changes->session;
	struct attached attached;
	int ret = attached_open(io_system(), repo_common_dir(session->repo), attachment, &attached);

	if (!ret) {
		ret = session->source ? attached_compare(session, changes->wt, changes->exclude, &attached, pointer,
		                                         add_difference, (void *)c)
		                      : -ENODATA;
		attached_close(io_system(), &attached);
	}
	if (ret != -ENOENT && ret != -ENOTDIR && ret != -EPERM)
		return ret;
	outcome_add(changes->outcome, attached_unreadable(attachment, ret));
	return 0;
}

/* Whether the files of a dataset are there, so that they can be compared. */
static bool is_checked_out(const struct work_changes *changes, const struct dataset *d, const struct pointer *now,
                           enum work_kind kind)
{
	if (kind != WORK_FILE && kind != WORK_DIRECTORY)
		return false;
	if (d->record && d->record->has_record && d->record->record.has_checkout)
		return false;
	return kind == WORK_FILE || !now->files || !worktree_is_empty(changes->wt, d->path);
}

/* Add what changed in a dataset.  -EINVAL where its pointer in the work tree is none: *LINE and *WHY say why. */
static int add_dataset(const struct work_changes *changes, const struct dataset *d, unsigned *line, const char **why)
{
	const struct pointer *before = d->in_tree ? &d->pointer : NULL;
	struct collection c = {changes, d->path};
	struct pointer now;
	enum work_kind kind;
	bool is_file, other;
	int ret = worktree_pointer(changes->wt, d->path, &now, line, why);

	if (ret == -ENOENT)
		return before ? add_by_pages(&c, before, NULL) : 0;
	if (!ret)
		ret = worktree_kind(changes->wt, d->path, &kind);
	if (ret)
		return ret;
	if (!d->attachment && !is_checked_out(changes, d, &now, kind))
		return add_by_pages(&c, before, &now);
	is_file = !d->attachment && kind == WORK_FILE;
	other = before && before->is_file != is_file;
	if (other)
		ret = add_by_pages(&c, before, NULL);
	if (ret)
		return ret;
	if (d->attachment)
		return add_attached(&c, d->attachment, other ? NULL : before);
	return before && !other ? add_drift(&c, before, kind) : add_all_files(&c, kind);
}

/* --- all datasets --- */

static int note_dataset(struct datasets *all, const char *path, struct dataset **dataset)
{
	struct dataset *list = reallocarray(all->list, all->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	all->list = list;
	*dataset = &list[all->count];
	**dataset = (struct dataset){.path = strdup(path)};
	if (!(*dataset)->path)
		return -ENOMEM;
	all->count++;
	return 0;
}

static int note_in_tree(void *arg, const char *path, const struct pointer *pointer, int error)
{
	struct datasets *all = arg;
	struct dataset *dataset;
	int ret;

	if (!path_limits_meet(all->changes->limits, path))
		return 0;
	if (error) {
		outcome_add(all->changes->outcome, session_unreadable(all->changes->session, path, error));
		return 0;
	}
	ret = note_dataset(all, path, &dataset);
	if (!ret) {
		dataset->in_tree = true;
		dataset->pointer = *pointer;
	}
	return ret;
}

static int compare_datasets(const void *a, const void *b)
{
	const struct dataset *x = a, *y = b;
	int order = path_compare(x->path, y->path);

	return order ? order : y->in_tree - x->in_tree;
}

/* Those of the tree and those of the work tree, in path order, each once. */
static int note_all(struct datasets *all, const struct work_dataset *work, size_t work_count)
{
	struct dataset *dataset;
	size_t kept = 0;
	int ret = 0;

	if (all->changes->tree)
		ret = dataset_each(all->changes->session->repo, all->changes->tree, note_in_tree, all);
	for (size_t i = 0; !ret && i < work_count; i++) {
		if (!path_limits_meet(all->changes->limits, work[i].path))
			continue;
		ret = note_dataset(all, work[i].path, &dataset);
		if (!ret)
			dataset->record = &work[i];
	}
	if (ret || !all->count)
		return ret;
	qsort(all->list, all->count, sizeof(*all->list), compare_datasets);
	for (size_t i = 0; i < all->count; i++) {
		struct dataset *last = kept ? &all->list[kept - 1] : NULL;

		if (!last || strcmp(last->path, all->list[i].path)) {
			all->list[kept++] = all->list[i];
			continue;
		}
		last->record = all->list[i].record;
		free(all->list[i].path);
	}
	all->count = kept;
	for (size_t i = 0; i < kept; i++)
		all->list[i].attachment =
		    attachments_find(&all->attachments, repo_work_tree(all->changes->session->repo), all->list[i].path);
	return 0;
}

/* Add one dataset; what is wrong with it alone is printed. */
static int collect_dataset(const struct work_changes *changes, const struct dataset *dataset)
{
	const char *why = "not a pointer file";
	unsigned line = 0;
	int ret = change_list_begin(changes->list, dataset->path);

	if (!ret)
		ret = add_dataset(changes, dataset, &line, &why);
	if (!ret || ret == -EINTR || ret == -ENOMEM)
		return ret;
	if (ret == -EINVAL || ret == -ELOOP)
		outcome_add(changes->outcome, fail(EXIT_REFUSED,
		                                   "'%s" POINTER_SUFFIX "', line %u: %s: resolve it, or 'git checkout "
		                                   "HEAD -- %s" POINTER_SUFFIX "'",
		                                   shown(dataset->path), line ? line : 1,
		                                   ret == -ELOOP ? "a symlink" : why, shown(dataset->path)));
	else
		outcome_add(changes->outcome, session_unreadable(changes->session, dataset->path, ret));
	return 0;
}

int work_changes_collect(const struct work_changes *changes)
{
	struct datasets all = {.changes = changes};
	struct work_dataset *work = NULL;
	size_t count = 0;
	int ret = worktree_datasets(changes->wt, &work, &count);

	if (!ret)
		ret = attachments_read(repo_common_dir(changes->session->repo), &all.attachments);
	if (!ret)
		ret = note_all(&all, work, count);
	for (size_t i = 0; !ret && i < all.count; i++)
		ret = collect_dataset(changes, &all.list[i]);
	for (size_t i = 0; i < all.count; i++)
		free(all.list[i].path);
	free(all.list);
	worktree_datasets_free(work, count);
	attachments_release(&all.attachments);
	return ret;
}
