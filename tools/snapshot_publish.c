#include "tools/snapshot_publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/commit.h"
#include "tools/setup.h"
#include "tools/shown.h"
#include "tools/snapshot_report.h"
#include "tools/stop.h"

static bool same_pointer(const struct pointer *a, const struct pointer *b)
{
	return a->is_file == b->is_file && id_equal(&a->root, &b->root) && a->files == b->files && a->bytes == b->bytes;
}

/*
 * Pointer and in-step record move together: the record first says both what is to come and what it replaces, so that
 * whoever is killed in between finds one of the two.
 */
static int write_pointer(struct snapshot_publish *p, struct snapshot_item *item)
{
	struct instep record = {.has_root = true, .root = item->result.pointer.root};
	struct worktree *wt = p->wt;
	int folder = item->is_attached ? item->attached.records : wt->folder;
	bool same = item->has_work && same_pointer(&item->work_pointer, &item->result.pointer);
	int error = 0;

	if (!same) {
		record.has_replaces = item->has_work;
		record.replaces = item->work_pointer.root;
		record.is_first = !item->has_work;
		error = instep_write(wt->io, folder, item->path, &record);
		if (!error)
			error = worktree_write_pointer(wt, item->path, &item->result.pointer);
		record.has_replaces = record.is_first = false;
	}
	if (!error && (!same || !item->has_record || item->record.has_checkout || item->record.has_replaces ||
	               item->record.is_first || !item->record.has_root || !id_equal(&item->record.root, &record.root)))
		error = instep_write(wt->io, folder, item->path, &record);
	return error;
}

/* The .gitignore is looked at again: two datasets may share it. */
static int write_ignore(struct snapshot_publish *p, struct snapshot_item *item)
{
	struct snapshot_plan *plan = p->plan;
	struct ignore_plan again;
	int error = 0;

	if (item->ignore.write) {
		error = ignore_line_plan(p->wt, plan->has_tree ? &plan->tree : NULL, item->path, plan->paths, &again);
		if (!error) {
			error = ignore_plan_write(p->wt, &again);
			ignore_plan_release(&again);
		}
	}
	return error ? error : ignore_line_exclude(p->wt, item->path);
}

/* Git may have moved the pointer files meanwhile: what was planned is nothing to write over them. */
static int check_pointers(const struct snapshot_publish *p)
{
	for (size_t i = 0; i < p->plan->count; i++) {
		const struct snapshot_item *item = &p->plan->items[i];
		struct pointer pointer;
		int error = item->ready ? worktree_pointer(p->wt, item->path, &pointer, NULL, NULL) : 0;

		if (!item->ready)
			continue;
		if (item->has_work ? error || !same_pointer(&pointer, &item->work_pointer) : error != -ENOENT)
			return fail(EXIT_TEMPORARY,
			            "'%s" POINTER_SUFFIX "' changed while '%s' was recorded (git switch, git pull?): "
			            "nothing was committed, run this again",
			            shown(item->path), shown(item->path));
	}
	return EXIT_DONE;
}

int snapshot_publish_files(struct snapshot_publish *p)
{
	int status = check_pointers(p);

	if (status)
		return status;
	for (size_t i = 0; i < p->plan->count; i++) {
		struct snapshot_item *item = &p->plan->items[i];
		int error;

		if (!item->ready)
			continue;
		error = write_pointer(p, item);
		if (!error)
			error = write_ignore(p, item);
		if (error)
			return fail(exit_code_of(error),
			            "cannot write '%s" POINTER_SUFFIX "' and its ignore lines: %s; its data is "
			            "in the store, run this again",
			            shown(item->path), error_text(error));
		snapshot_keep_cache(&item->result);
	}
	return EXIT_DONE;
}

/* The paths to be staged and committed, NULL-terminated; *PATHS and each of them malloc'ed. */
static int list_paths(struct snapshot_publish *p, char ***paths)
{
	size_t n = 0;
	char **list = calloc(2 * p->plan->count + 2, sizeof(*list));
	bool failed = !list;

	for (size_t i = 0; !failed && i < p->plan->count; i++) {
		const struct snapshot_item *item = &p->plan->items[i];

		if (!item->ready || snapshot_item_is_committed(item))
			continue;
		failed = asprintf(&list[n], "%s" POINTER_SUFFIX, item->path) < 0;
		n += !failed;
		if (failed || !item->ignore.stage || (n > 1 && !strcmp(list[n - 2], item->ignore.path)))
			continue;
		list[n] = strdup(item->ignore.path);
		failed = !list[n];
		n += !failed;
	}
	if (!failed && n && !p->has_config) {
		list[n] = strdup(SETUP_PATH);
		failed = !list[n];
	}
	*paths = list;
	return failed ? fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM)) : EXIT_DONE;
}

static void free_paths(char **paths)
{
	for (size_t i = 0; paths && paths[i]; i++)
		free(paths[i]);
	free(paths);
}

static int stage(struct snapshot_publish *p, char **paths)
{
	char *message;
	int error = commit_stage(p->wt, (const char *const *)paths, &message), status = EXIT_DONE;

	if (error == -ECANCELED)
		status = fail(EXIT_REFUSED, "the pointers are written, but 'git add' refused them: %s",
		              message ? message : "");
	else if (error == -EINTR)
		status = stop_status();
	else if (error)
		status = fail(exit_code_of(error), "cannot run 'git add': %s", error_text(error));
	free(message);
	return status;
}

static int commit(struct snapshot_publish *p, char **paths)
{
	char *made_up = p->message ? NULL : snapshot_report_message(p->plan);
	struct commit_request request = {
	    .paths = (const char *const *)paths,
	    .message = p->message ? p->message : made_up,
	    .edit = !p->message,
	};
	int error;

	if (!request.message)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	error = commit_make(p->wt, &request, &p->commit);
	free(made_up);
	p->committed = !error;
	if (error == -ECANCELED)
		return fail(EXIT_REFUSED,
		            "git refused the commit; everything is staged: 'revfs snapshot' or 'git commit' commits "
		            "it");
	if (error == -EINTR)
		return stop_status();
	return error ? fail(exit_code_of(error), "cannot run 'git commit': %s", error_text(error)) : EXIT_DONE;
}

int snapshot_publish_git(struct snapshot_publish *p)
{
	char **paths = NULL;
	int error, status = list_paths(p, &paths);

	if (!status && paths[0]) {
		error = commit_begin(p->wt);
		if (error)
			status = fail(exit_code_of(error), "cannot write to the Git directory: %s", error_text(error));
		if (!status)
			status = stage(p, paths);
		if (!p->operation)
			p->operation = worktree_in_progress(p->wt);
		if (!status && p->operation)
			snprintf(p->note, sizeof(p->note), "staged, not committed: a %s is in progress", p->operation);
		else if (!status && p->no_commit)
			snprintf(p->note, sizeof(p->note), "staged, not committed");
		else if (!status)
			status = commit(p, paths);
		error = commit_sync(p->wt);
		if (!status && error)
			status = fail(exit_code_of(error), "cannot sync the Git directory: %s", error_text(error));
	}
	free_paths(paths);
	return status;
}
