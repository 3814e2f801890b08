#include "tools/snapshot_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dataset.h"
#include "fs/name.h"
#include "tools/attached.h"
#include "tools/path.h"
#include "tools/shown.h"

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const struct work_dataset *find_known(const struct snapshot_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->known_count; i++) {
		if (!strcmp(plan->known[i].path, path))
			return &plan->known[i];
	}
	return NULL;
}

/* NAME.revfs means NAME where it is a pointer file; anything else of that name is refused. */
static int strip_suffix(const struct snapshot_plan *plan, char *path)
{
	const char *name = last_name(path);
	struct pointer pointer;
	size_t base;

	if (!pointer_name(name, strlen(name), &base))
		return EXIT_DONE;
	path[(size_t)(name - path) + base] = '\0';
	if (find_known(plan, path) || !worktree_pointer(plan->wt, path, &pointer, NULL, NULL))
		return EXIT_DONE;
	return fail(EXIT_REFUSED,
	            "'%s" POINTER_SUFFIX "' cannot be a dataset: names that end in " POINTER_SUFFIX
	            " are those of pointer files",
	            shown(path));
}

static int check_name(const struct snapshot_plan *plan, const char *path)
{
	if (!*path)
		return fail(EXIT_REFUSED, "the whole work tree cannot be a dataset: name a directory or file in it");
	if (strlen(last_name(path)) > WORKTREE_NAME_MAX)
		return fail(EXIT_REFUSED, "'%s': the name of a dataset has at most %d bytes, for its pointer file",
		            shown(path), WORKTREE_NAME_MAX);
	if (path_is_in(path, ".revfs") || path_is_in(path, ".git") ||
	    name_is_dotgit(last_name(path), strlen(last_name(path))))
		return fail(EXIT_REFUSED, "'%s' cannot be a dataset", shown(path));
	for (const char **other = plan->paths; *other; other++) {
		const char *known = *other;

		if (!strcmp(known, path))
			continue;
		if (path_is_in(path, known))
			return fail(EXIT_REFUSED, "'%s' lies in the dataset '%s': 'revfs snapshot %s' records it",
			            shown(path), shown(known), shown(known));
		if (path_is_in(known, path))
			return fail(EXIT_REFUSED, "'%s' holds the dataset '%s', and datasets do not nest: name '%s'",
			            shown(path), shown(known), shown(known));
	}
	return EXIT_DONE;
}

/* The pointer file in the work tree, which must be one that we understand. */
static int check_pointer(struct snapshot_plan *plan, struct snapshot_item *item)
{
	const char *path = item->path, *why;
	unsigned line;
	int error = worktree_pointer(plan->wt, path, &item->work_pointer, &line, &why);

	item->has_work = !error;
	if (error == -ENOENT)
		return EXIT_DONE;
	if (error == -ENOTSUP || (!error && item->work_pointer.unknown_keys))
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "' was written by a later version of revfs: upgrade this one",
		            shown(path));
	if (error == -ELOOP)
		return fail(EXIT_REFUSED, "'%s" POINTER_SUFFIX "' is a symlink, not a pointer file: move it away",
		            shown(path));
	if (error == -EINVAL)
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "', line %u: %s; 'git checkout HEAD -- %s" POINTER_SUFFIX
		            "' takes the committed one",
		            shown(path), line, why, shown(path));
	if (error)
		return fail(exit_code_of(error), "cannot read '%s" POINTER_SUFFIX "': %s", shown(path),
		            error_text(error));
	return EXIT_DONE;
}

/* What is seen of an attached dataset must be above what the pointer names. */
static int check_attached_in_step(struct snapshot_plan *plan, struct snapshot_item *item)
{
	const struct instep *r = &item->record;
	const char *path = shown(item->path);

	if (plan->force || !item->has_work || instep_names(r, &item->work_pointer.root))
		return EXIT_DONE;
	if (item->unmerged)
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX
		            "' has what was merged, and '%s', which is attached, does not show it: "
		            "'revfs detach %s', then 'revfs checkout %s' bring it",
		            path, path, path, path);
	return fail(EXIT_REFUSED,
	            "'%s" POINTER_SUFFIX "' is another version than '%s' shows (another branch?): 'revfs attach %s' "
	            "follows it where nothing was changed, with --rebase carries changes over, and 'revfs snapshot "
	            "--force %s' records what is there",
	            path, path, path, path);
}

/* The files must be those that the pointer names, as they were last in step, and changed since by the user alone. */
static int check_in_step(struct snapshot_plan *plan, struct snapshot_item *item)
{
	const struct instep *r = &item->record;
	const char *path = shown(item->path);

	if (item->is_attached)
		return check_attached_in_step(plan, item);
	if (plan->force)
		return EXIT_DONE;
	if (item->has_record && r->has_checkout)
		return fail(EXIT_REFUSED, "a checkout of '%s' was not finished: 'revfs checkout %s' finishes it", path,
		            path);
	if (!item->has_work)
		return EXIT_DONE;
	if (!item->has_record || !r->has_root)
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "' came without its files, and '%s' was never the same as it: "
		            "'revfs checkout %s' brings them together, --force records what is there",
		            path, path, path);
	if (!instep_names(r, &item->work_pointer.root))
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "' changed since '%s' was last the same as it (another branch?): "
		            "'revfs checkout %s' takes the pointer's files, --force records these",
		            path, path, path);
	return EXIT_DONE;
}

static int check_tracked(struct snapshot_plan *plan, struct snapshot_item *item)
{
	const char *path = shown(item->path);
	bool in_index, in_head;
	int error = worktree_tracked(plan->wt, plan->has_tree ? &plan->tree : NULL, item->path, &in_index, &in_head);

	if (error)
		return fail(exit_code_of(error), "cannot ask git what it tracks in '%s': %s", path, error_text(error));
	if (in_index)
		return fail(EXIT_REFUSED,
		            "git tracks files in '%s': run 'git rm -r --cached %s' and 'git commit' first", path, path);
	if (in_head)
		return fail(EXIT_REFUSED, "the removal of '%s' from git is only staged: run 'git commit' first", path);
	return EXIT_DONE;
}

static int check_ignore_line(struct snapshot_plan *plan, struct snapshot_item *item)
{
	const char *path = shown(item->path);
	int error =
	    ignore_line_plan(plan->wt, plan->has_tree ? &plan->tree : NULL, item->path, plan->paths, &item->ignore);

	switch (-error) {
	case 0:
		return EXIT_DONE;
	case EBUSY:
		return fail(EXIT_REFUSED,
		            "the .gitignore beside '%s' needs a line for it and has edits that are not staged: "
		            "'git add' or undo them first",
		            path);
	case ELOOP:
		return fail(EXIT_REFUSED, "the .gitignore beside '%s' is no regular file: git would not read it", path);
	case EINVAL:
		return fail(EXIT_REFUSED, "git would not ignore '%s' by a line in .gitignore: rename it", path);
	default:
		return fail(exit_code_of(error), "cannot plan the .gitignore beside '%s': %s", path, error_text(error));
	}
}

/* One that is attached is what its overlay shows, and nothing without it. */
static int look_if_attached(struct snapshot_plan *plan, struct snapshot_item *item)
{
	struct repo *repo = plan->session->repo;
	const struct attachment *attachment = attachments_find(&plan->attachments, repo_work_tree(repo), item->path);
	int status, error;

	if (!attachment)
		return EXIT_DONE;
	status = attached_check_mounted(attachment);
	if (status)
		return status;
	error = attached_open(plan->wt->io, repo_common_dir(repo), attachment, &item->attached);
	if (error)
		return attached_unreadable(attachment, error);
	item->is_attached = item->has_record = true;
	item->record = item->attached.record;
	return EXIT_DONE;
}

/* What stands in the work tree, if anything, must be something that can be recorded. */
static int look(struct snapshot_plan *plan, struct snapshot_item *item, enum work_kind *kind)
{
	const char *path = shown(item->path);
	int status = look_if_attached(plan, item), error;

	if (status)
		return status;
	error = worktree_kind(plan->wt, item->path, kind);
	if (error)
		return fail(exit_code_of(error), "cannot look at '%s': %s", path, error_text(error));
	item->is_file = *kind == WORK_FILE;
	if (*kind == WORK_LINK)
		return fail(EXIT_REFUSED, "'%s' is, or lies behind, a symlink: name what it leads to", path);
	if (*kind == WORK_OTHER)
		return fail(EXIT_REFUSED, "'%s' is neither a directory nor a regular file", path);
	return EXIT_DONE;
}

/* Files that are missing are no deletion.  Absent ones are passed over where nobody named them. */
static int check_files(struct snapshot_plan *plan, struct snapshot_item *item, enum work_kind kind)
{
	const char *path = shown(item->path);

	if (kind == WORK_ABSENT && !item->named)
		return EXIT_DONE;
	if (kind == WORK_ABSENT && (item->has_work || item->has_head))
		return fail(EXIT_REFUSED,
		            "'%s' is not in the work tree, which is not taken for a deletion: 'revfs checkout %s' "
		            "brings it back, 'git rm %s" POINTER_SUFFIX "' deletes the dataset",
		            path, path, path);
	if (kind == WORK_ABSENT)
		return fail(EXIT_NOT_FOUND, "there is no '%s'", path);
	/* Of an overlay it takes long to ask, and is told by what the upper folder hides. */
	if (!plan->force && !item->is_attached && item->has_work && item->work_pointer.files &&
	    kind == WORK_DIRECTORY && worktree_is_empty(plan->wt, item->path))
		return fail(EXIT_REFUSED,
		            "'%s' is empty, and had %llu files: 'revfs checkout %s' brings them back, --force "
		            "records the empty directory",
		            path, (unsigned long long)item->work_pointer.files, path);
	return EXIT_DONE;
}

static int read_head(struct snapshot_plan *plan, struct snapshot_item *item)
{
	int error =
	    plan->has_tree ? dataset_find(plan->session->repo, &plan->tree, item->path, &item->head_pointer) : -ENOENT;

	item->has_head = !error;
	/* What HEAD has in that place and is no pointer is somebody else's concern: the index decides. */
	if (error && error != -ENOENT && error != -EINVAL && error != -ENOTDIR && error != -ENOTSUP)
		return fail(exit_code_of(error), "cannot read HEAD's '%s" POINTER_SUFFIX "': %s", shown(item->path),
		            error_text(error));
	return EXIT_DONE;
}

static int check_item(struct snapshot_plan *plan, struct snapshot_item *item)
{
	const struct work_dataset *known = find_known(plan, item->path);
	enum work_kind kind = WORK_ABSENT;
	int status = check_name(plan, item->path);

	if (known) {
		item->has_record = known->has_record;
		item->record = known->record;
		item->unmerged = known->unmerged;
	}
	if (!status)
		status = look(plan, item, &kind);
	if (!status)
		status = read_head(plan, item);
	if (!status)
		status = check_pointer(plan, item);
	if (!status)
		status = check_files(plan, item, kind);
	if (status || kind == WORK_ABSENT)
		return status;
	status = check_tracked(plan, item);
	/* Only the user knows when a conflict is resolved. */
	if (!status && item->unmerged && !item->named)
		status = fail(EXIT_REFUSED,
		              "'%s" POINTER_SUFFIX "' is in conflict: 'revfs snapshot %s' says that it is resolved",
		              shown(item->path), shown(item->path));
	if (!status)
		status = check_in_step(plan, item);
	if (!status)
		status = check_ignore_line(plan, item);
	item->ready = !status;
	return status;
}

static int add_item(struct snapshot_plan *plan, char *path, bool named)
{
	struct snapshot_item *items;

	for (size_t i = 0; i < plan->count; i++) {
		if (!strcmp(plan->items[i].path, path)) {
			free(path);
			return EXIT_DONE;
		}
	}
	items = reallocarray(plan->items, plan->count + 1, sizeof(*items));
	if (!items) {
		free(path);
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	}
	plan->items = items;
	items[plan->count++] = (struct snapshot_item){.path = path, .named = named};
	return EXIT_DONE;
}

static int add_arguments(struct snapshot_plan *plan, char **arguments, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *path;
		int status = session_work_path(plan->session, arguments[i], &path);

		if (status)
			return status;
		status = strip_suffix(plan, path);
		if (status) {
			free(path);
			return status;
		}
		status = add_item(plan, path, true);
		if (status)
			return status;
	}
	return EXIT_DONE;
}

static int add_all(struct snapshot_plan *plan)
{
	for (size_t i = 0; i < plan->known_count; i++) {
		char *path = strdup(plan->known[i].path);
		int status = path ? add_item(plan, path, false) : fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));

		if (status)
			return status;
	}
	return EXIT_DONE;
}

static int list_paths(struct snapshot_plan *plan)
{
	size_t n = 0;

	plan->paths = calloc(plan->known_count + plan->count + 1, sizeof(*plan->paths));
	if (!plan->paths)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; i < plan->known_count; i++)
		plan->paths[n++] = plan->known[i].path;
	for (size_t i = 0; i < plan->count; i++)
		plan->paths[n++] = plan->items[i].path;
	return EXIT_DONE;
}

/* The tree of HEAD, where there is a commit. */
static int read_tree(struct snapshot_plan *plan)
{
	struct repo *repo = plan->session->repo;
	struct repo_commit commit = {0};
	struct oid head;
	int error = repo_ref(repo, "HEAD", &head);

	if (!error)
		error = repo_commit(repo, &head, &commit);
	if (!error) {
		plan->has_tree = true;
		plan->tree = commit.tree;
		repo_commit_release(&commit);
	}
	return error && error != -ENOENT ? fail(exit_code_of(error), "cannot read HEAD: %s", error_text(error))
	                                 : EXIT_DONE;
}

int snapshot_plan_make(struct session *session, struct worktree *wt, char **arguments, size_t count, bool force,
                       struct snapshot_plan *plan)
{
	int error, status;

	*plan = (struct snapshot_plan){.session = session, .wt = wt, .force = force};
	status = read_tree(plan);
	if (status)
		return status;
	error = attachments_read(repo_common_dir(session->repo), &plan->attachments);
	if (error)
		return fail(exit_code_of(error), "cannot read what is attached: %s", error_text(error));
	error = worktree_datasets(wt, &plan->known, &plan->known_count);
	if (error)
		return fail(exit_code_of(error), "cannot list the datasets of the work tree: %s", error_text(error));
	status = count ? add_arguments(plan, arguments, count) : add_all(plan);
	if (!status)
		status = list_paths(plan);
	if (status)
		return status;
	for (size_t i = 0; i < plan->count; i++) {
		status = check_item(plan, &plan->items[i]);
		if (status)
			outcome_add(&plan->outcome, status);
	}
	return EXIT_DONE;
}

void snapshot_plan_release(struct snapshot_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		stat_cache_writer_abort(plan->items[i].result.cache);
		ignore_plan_release(&plan->items[i].ignore);
		if (plan->items[i].is_attached)
			attached_close(plan->wt->io, &plan->items[i].attached);
		free(plan->items[i].path);
	}
	free(plan->items);
	free(plan->paths);
	worktree_datasets_free(plan->known, plan->known_count);
	attachments_release(&plan->attachments);
	*plan = (struct snapshot_plan){0};
}

bool snapshot_item_is_committed(const struct snapshot_item *item)
{
	const struct pointer *a = &item->head_pointer, *b = &item->result.pointer;

	return item->has_head && a->is_file == b->is_file && id_equal(&a->root, &b->root) && a->files == b->files &&
	       a->bytes == b->bytes && !item->ignore.stage && !item->unmerged;
}
