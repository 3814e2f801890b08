/*
 * revfs status: how the datasets of the work tree stand to their pointers, and what is mounted where.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dataset.h"
#include "fs/drift.h"
#include "fs/git/worktree.h"
#include "tools/attached.h"
#include "tools/commands.h"
#include "tools/config.h"
#include "tools/conflict.h"
#include "tools/output.h"
#include "tools/path.h"
#include "tools/registry.h"
#include "tools/session.h"
#include "tools/shown.h"
#include "tools/status_row.h"
#include "tools/stop.h"
#include "tools/unpushed.h"

struct status {
	struct session session;
	struct worktree wt;
	struct config *config;
	struct exclude *exclude;
	struct work_dataset *datasets;
	size_t count;
	struct attachments attachments;
	struct oid tree;
	bool has_tree;
	struct outcome outcome;
	bool holds_data; /* some dataset's root is in this repository's store */
	json_t *rows, *mounts, *remotes;
};

static int count_difference(void *arg, const struct drift_difference *difference)
{
	struct status_row *row = arg;

	bool folder = difference->old ? difference->old->kind == ENTRY_DIRECTORY : difference->kind == ENTRY_DIRECTORY;

	if (difference->problem)
		row->problems++;
	else if (folder)
		row->folders++;
	else if (difference->old && difference->kind)
		row->modified++;
	else if (difference->old)
		row->deleted++;
	else
		row->added++;
	return 0;
}

/* Compare the files with the tree they were last the same as. */
static int count_changes(struct status *s, struct status_row *row, bool is_file)
{
	struct drift_request request = {
	    .source = s->session.source,
	    .io = io_system(),
	    .dirfd = s->wt.root,
	    .path = row->dataset->path,
	    .is_file = is_file,
	    .pointer = &row->pointer,
	    .folder = s->wt.folder,
	    .exclude = s->exclude,
	    .cancelled = stop_flag(),
	};
	int error;

	row->became_other = is_file != row->pointer.is_file;
	if (row->became_other) {
		row->state = STATUS_CHANGED;
		return EXIT_DONE;
	}
	error = s->session.source ? drift_compare(&request, count_difference, row) : -ENODATA;
	if (error == -EINTR)
		return stop_status();
	if (error)
		return session_unreadable(&s->session, row->dataset->path, error);
	if (status_row_has_changes(row))
		row->state = STATUS_CHANGED;
	return EXIT_DONE;
}

/* Count what was changed of an attached dataset since TREE. */
static int count_attached(struct status *s, struct status_row *row, const struct attached *attached,
                          const struct pointer *tree)
{
	int error = s->session.source
	                ? attached_compare(&s->session, &s->wt, s->exclude, attached, tree, count_difference, row)
	                : -ENODATA;

	if (error == -EINTR)
		return stop_status();
	if (error == -EPERM || error == -ENOENT || error == -ENOTDIR)
		return attached_unreadable(attached->attachment, error);
	return error ? session_unreadable(&s->session, row->dataset->path, error) : EXIT_DONE;
}

/* What an attached dataset shows, or would show where it is not mounted. */
static int look_at_attached(struct status *s, struct status_row *row, const struct attachment *attachment)
{
	const char *path = row->dataset->path;
	struct pointer recorded = row->pointer;
	struct attached attached;
	bool in_step;
	int status, error = attached_open(io_system(), repo_common_dir(s->session.repo), attachment, &attached);

	if (error)
		return attached_unreadable(attachment, error);
	in_step = instep_names(&attached.record, &row->pointer.root);
	if (!in_step)
		error = s->session.source ? attached_recorded(s->session.source, &attached, &recorded) : -ENODATA;
	status = error ? session_unreadable(&s->session, path, error) : count_attached(s, row, &attached, &recorded);
	attached_close(io_system(), &attached);
	if (!in_step)
		row->state = STATUS_POINTER_CHANGED;
	else if (status_row_has_changes(row))
		row->state = STATUS_CHANGED;
	return status;
}

static int look(struct status *s, struct status_row *row, const struct attachment *attachment)
{
	const struct work_dataset *d = row->dataset;
	enum work_kind kind;
	int error;

	if (attachment)
		return look_at_attached(s, row, attachment);
	error = worktree_kind(&s->wt, d->path, &kind);
	if (error)
		return fail(exit_code_of(error), "cannot look at '%s': %s", shown(d->path), error_text(error));
	if (d->has_record && d->record.has_checkout)
		row->state = STATUS_UNFINISHED;
	else if (kind != WORK_DIRECTORY && kind != WORK_FILE)
		row->state = STATUS_ABSENT;
	else if (kind == WORK_DIRECTORY && row->pointer.files && worktree_is_empty(&s->wt, d->path))
		row->state = STATUS_EMPTY;
	else if (!d->has_record || !d->record.has_root)
		row->state = STATUS_UNKNOWN;
	else if (!instep_names(&d->record, &row->pointer.root))
		row->state = STATUS_POINTER_CHANGED;
	else
		return count_changes(s, row, kind == WORK_FILE);
	return EXIT_DONE;
}

static int examine(struct status *s, struct status_row *row)
{
	const char *path = row->dataset->path;
	const struct attachment *attachment = attachments_find(&s->attachments, repo_work_tree(s->session.repo), path);
	struct pointer head;
	int error = worktree_pointer(&s->wt, path, &row->pointer, &row->line, &row->why);

	if (attachment)
		row->attached = attachment_is_mounted(attachment) == 1 ? STATUS_MOUNTED : STATUS_NOT_MOUNTED;
	if (error == -ENOENT) {
		row->state = STATUS_POINTER_MISSING;
	} else if (error == -EINVAL || error == -ELOOP) {
		row->state = STATUS_CONFLICT;
	} else if (error == -ENOTSUP || (!error && row->pointer.unknown_keys)) {
		row->state = STATUS_LATER;
	} else if (error) {
		return fail(exit_code_of(error), "cannot read '%s" POINTER_SUFFIX "': %s", shown(path),
		            error_text(error));
	} else {
		row->committed = s->has_tree && !dataset_find(s->session.repo, &s->tree, path, &head) &&
		                 head.is_file == row->pointer.is_file && id_equal(&head.root, &row->pointer.root);
		s->holds_data |= s->session.store && store_has_root(s->session.store, &row->pointer.root) == 0;
		return look(s, row, attachment);
	}
	return EXIT_DONE;
}

static int tell_row(struct status *s, const struct status_row *row)
{
	json_t *value = globals.json ? status_row_json(row) : NULL;

	if (value)
		json_array_append_new(s->rows, value);
	else
		status_row_print(row);
	return status_row_is_unmerged(row) ? conflict_tell(&s->session, &s->wt, row->dataset->path, value) : EXIT_DONE;
}

/* Whether the dataset PATH is, lies in, or holds NAMED ("": everything). */
static bool is_meant(const char *path, const char *named)
{
	return path_is_in(path, named) || path_is_in(named, path);
}

/* Whether any of NAMED (none: everything) means the dataset PATH. */
static bool is_any_meant(const char *path, char *const *named, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_meant(path, named[i]))
			return true;
	}
	return !count;
}

/* Name what was named and is no dataset. */
static void name_unmet(struct status *s, char *const *named, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool met = !*named[i];

		for (size_t j = 0; !met && j < s->count; j++)
			met = is_meant(s->datasets[j].path, named[i]);
		if (!met)
			outcome_add(&s->outcome, fail(EXIT_NOT_FOUND, "there is no dataset at '%s'", shown(named[i])));
	}
}

static int print_mount(void *arg, const struct registered *mount)
{
	struct status *s = arg;
	json_t *value;

	if (strcmp(mount->repository, repo_git_dir(s->session.repo)) &&
	    strcmp(mount->repository, repo_common_dir(s->session.repo)) &&
	    strcmp(mount->repository, repo_work_tree(s->session.repo)))
		return 0;
	if (!globals.json) {
		printf("mounted at %s%s\n", shown(mount->mountpoint), mount->alive ? "" : " (dead)");
		return 0;
	}
	value = json_object();
	output_json_path(value, "mountpoint", mount->mountpoint);
	json_object_set_new(value, "pid", json_integer(mount->pid));
	json_object_set_new(value, "alive", json_boolean(mount->alive));
	json_array_append_new(s->mounts, value);
	return 0;
}

static void print_remote(struct status *s, const struct remotes_item *item)
{
	uint64_t commits;
	int error = unpushed_count(s->session.repo, s->session.store, item, &commits);
	char text[32];

	if (error) {
		outcome_add(&s->outcome, fail(exit_code_of(error), "cannot tell what the remote '%s' has: %s",
		                              shown(item->name), error_text(error)));
		return;
	}
	if (globals.json)
		json_array_append_new(
		    s->remotes, json_pack("{sssI}", "name", item->name, "unconfirmed_commits", (json_int_t)commits));
	else if (commits)
		printf("not known to be at '%s': the data of %s commit%s ('revfs push %s')\n", item->name,
		       output_count(commits, text), commits == 1 ? "" : "s", item->name);
}

/* What may be nowhere but here.  A clone that has read all from a remote has nothing of that kind. */
static int look_at_remotes(struct status *s)
{
	struct remotes_item *items;
	size_t count;
	int status;

	if (!s->holds_data || !s->has_tree)
		return EXIT_DONE;
	status = remotes_list(s->session.repo, &items, &count);
	if (status)
		return status;
	for (size_t i = 0; i < count; i++)
		print_remote(s, &items[i]);
	remotes_list_free(items, count);
	return EXIT_DONE;
}

static int examine_all(struct status *s, char *const *named, size_t named_count)
{
	size_t met = 0;

	for (size_t i = 0; i < s->count; i++) {
		struct status_row row = {.dataset = &s->datasets[i]};
		int status;

		if (!is_any_meant(row.dataset->path, named, named_count))
			continue;
		met++;
		status = examine(s, &row);
		outcome_add(&s->outcome, status);
		if (status > EXIT_SYSTEM)
			return status;
		if (status)
			continue;
		status = tell_row(s, &row);
		if (status)
			outcome_add(&s->outcome, status);
	}
	name_unmet(s, named, named_count);
	if (!met && !s->outcome.failure && !globals.json && !globals.quiet)
		puts("no datasets: 'revfs snapshot DIR' makes one of a directory");
	return EXIT_DONE;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct work_dataset *)a)->path, ((const struct work_dataset *)b)->path);
}

/* What is attached and no dataset of the work tree any more, as after `git switch`, is told of, too. */
static int add_attached(struct status *s)
{
	const char *top = repo_work_tree(s->session.repo);
	struct work_dataset *datasets =
	    reallocarray(s->datasets, s->count + s->attachments.count + 1, sizeof(*datasets));
	size_t known = s->count;

	if (!datasets)
		return -ENOMEM;
	s->datasets = datasets;
	for (size_t i = 0; i < s->attachments.count; i++) {
		const struct attachment *a = &s->attachments.items[i];
		const struct work_dataset key = {.path = a->path};

		if (strcmp(a->worktree, top) || bsearch(&key, datasets, known, sizeof(key), compare_paths))
			continue;
		datasets[s->count] = (struct work_dataset){.path = strdup(a->path)};
		if (!datasets[s->count].path)
			return -ENOMEM;
		s->count++;
	}
	qsort(datasets, s->count, sizeof(*datasets), compare_paths);
	return 0;
}

static int open_all(struct status *s)
{
	const char *const *patterns;
	struct repo_commit commit;
	struct oid head;
	int error, status = session_open(&s->session, SESSION_STORE | SESSION_WORK_TREE);

	if (status)
		return status;
	error = worktree_open(io_system(), s->session.repo, false, &s->wt);
	if (error)
		return fail(exit_code_of(error), "cannot open the work tree: %s", error_text(error));
	if (config_open(s->session.repo, &s->config))
		return EXIT_USAGE;
	patterns = config_all(s->config, "snapshot.exclude");
	if (!patterns || exclude_new(patterns, &s->exclude))
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	if (!repo_ref(s->session.repo, "HEAD", &head) && !repo_commit(s->session.repo, &head, &commit)) {
		s->has_tree = true;
		s->tree = commit.tree;
		repo_commit_release(&commit);
	}
	error = attachments_read(repo_common_dir(s->session.repo), &s->attachments);
	if (error)
		return fail(exit_code_of(error), "cannot read what is attached: %s", error_text(error));
	error = worktree_datasets(&s->wt, &s->datasets, &s->count);
	if (!error)
		error = add_attached(s);
	if (error)
		return fail(exit_code_of(error), "cannot list the datasets of the work tree: %s", error_text(error));
	return EXIT_DONE;
}

static int run_status(struct status *s, char **arguments, size_t count)
{
	char **named = calloc(count + 1, sizeof(*named));
	int status = named ? open_all(s) : fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));

	for (size_t i = 0; !status && i < count; i++) {
		const char *slash;
		size_t base;

		status = session_work_path(&s->session, arguments[i], &named[i]);
		slash = status ? NULL : strrchr(named[i], '/');
		slash = slash ? slash + 1 : named[i];
		if (!status && pointer_name(slash, strlen(slash), &base))
			named[i][(size_t)(slash - named[i]) + base] = '\0';
	}
	if (!status)
		status = examine_all(s, named, count);
	if (!status)
		status = look_at_remotes(s);
	for (size_t i = 0; named && i < count; i++)
		free(named[i]);
	free(named);
	return status;
}

static void release(struct status *s)
{
	worktree_datasets_free(s->datasets, s->count);
	attachments_release(&s->attachments);
	exclude_free(s->exclude);
	if (s->config)
		config_close(s->config);
	if (s->wt.io)
		worktree_close(&s->wt);
	session_close(&s->session);
	json_decref(s->rows);
	json_decref(s->mounts);
	json_decref(s->remotes);
}

static int run(int argc, char **argv)
{
	struct status s = {0};
	int status;

	while (command_option_shared(&command_status, argc, argv, "", NULL, COMMAND_JSON, NULL) != -1)
		;
	s.rows = json_array();
	s.mounts = json_array();
	s.remotes = json_array();
	stop_catch();
	status = run_status(&s, argv + optind, (size_t)(argc - optind));
	if (!status) {
		status = outcome_status(&s.outcome);
		if (status == EXIT_DONE || status == EXIT_PARTIAL)
			registry_each(print_mount, &s);
		if (globals.json && (status == EXIT_DONE || status == EXIT_PARTIAL))
			output_json(stdout, json_pack("{sOsOsO}", "datasets", s.rows, "mounts", s.mounts, "remotes",
			                              s.remotes));
	}
	release(&s);
	return stop_finish(status);
}

const struct command command_status = {
    .name = "status",
    .run = run,
    .usage = "revfs status [--json] [PATH...]",
    .summary = "show how datasets of the work tree stand to their last snapshot",
};
