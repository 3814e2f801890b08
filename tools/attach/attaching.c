#include "tools/attach/attaching.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dataset.h"
#include "fs/ignore_settle.h"
#include "tools/attach/stray.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/shown.h"

#define LOCK_WAIT_MS 10000

static int lock_all(struct attaching *a)
{
	int error = worktree_open(io_system(), a->session.repo, true, &a->wt);

	if (error)
		return fail(exit_code_of(error), "cannot open the work tree: %s", error_text(error));
	error = worktree_lock(&a->wt, LOCK_WAIT_MS);
	if (error == -EBUSY)
		return fail(EXIT_BUSY, "a snapshot, a checkout or another attach is at work in this work tree");
	if (error)
		return fail(exit_code_of(error), "cannot lock the work tree: %s", error_text(error));
	a->lock = attachments_lock(a->git_dir, LOCK_WAIT_MS);
	if (a->lock == -EBUSY)
		return fail(EXIT_BUSY, "another attach or detach is at work in this repository");
	if (a->lock < 0)
		return fail(exit_code_of(a->lock), "cannot lock the attached datasets: %s", error_text(a->lock));
	return EXIT_DONE;
}

int attaching_reread(struct attaching *a)
{
	int error;

	attachments_release(&a->known);
	error = attachments_read(a->git_dir, &a->known);
	if (error)
		return fail(exit_code_of(error), "cannot read what is attached: %s", error_text(error));
	return EXIT_DONE;
}

int attaching_open(struct attaching *a)
{
	int error, status = session_open(&a->session, SESSION_STORE | SESSION_CREATE_BESIDE | SESSION_WORK_TREE);

	*a = (struct attaching){.session = a->session, .lock = -1, .rows = json_array()};
	if (status)
		return status;
	a->git_dir = repo_common_dir(a->session.repo);
	a->worktree = repo_work_tree(a->session.repo);
	status = lock_all(a);
	if (!status)
		status = exit_code_of(config_open(a->session.repo, &a->config));
	if (!status)
		status = attaching_reread(a);
	if (!status)
		status = stray_settle(a);
	if (status)
		return status;
	if (a->known.damaged)
		warn("%zu of the records in '%s/" ATTACHMENTS_FOLDER "' cannot be read, and are left as they are",
		     a->known.damaged, a->git_dir);
	error = worktree_datasets(&a->wt, &a->datasets, &a->count);
	return error ? fail(exit_code_of(error), "cannot list the datasets of the work tree: %s", error_text(error))
	             : EXIT_DONE;
}

void attaching_close(struct attaching *a)
{
	below_release(&a->below);
	worktree_datasets_free(a->datasets, a->count);
	attachments_release(&a->known);
	if (a->rows && a->lock >= 0)
		io_close(io_system(), a->lock);
	if (a->config)
		config_close(a->config);
	if (a->wt.io)
		worktree_close(&a->wt);
	session_close(&a->session);
	json_decref(a->rows);
	*a = (struct attaching){0};
}

int attaching_below(struct attaching *a)
{
	int status = a->has_below ? EXIT_DONE : below_start(a->session.repo, &a->below);

	a->has_below = !status;
	return status;
}

int attaching_base(struct attaching *a, const struct oid *commit, const char *what, const char *path,
                   struct pointer *base)
{
	struct repo_commit read;
	int error = repo_commit(a->session.repo, commit, &read);

	if (!error) {
		error = dataset_find(a->session.repo, &read.tree, path, base);
		repo_commit_release(&read);
	}
	if (error == -ENOENT || error == -ENOTDIR)
		return fail(EXIT_NOT_FOUND, "there is no dataset '%s' in %s", shown(path), what);
	if (error == -EINVAL)
		return fail(EXIT_REFUSED, "'%s" POINTER_SUFFIX "' in %s is no pointer file", shown(path), what);
	if (error == -ENOTSUP || (!error && base->unknown_keys))
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "' was written by a later version of revfs: upgrade this one",
		            shown(path));
	if (error)
		return fail(exit_code_of(error), "cannot read '%s" POINTER_SUFFIX "' in %s: %s", shown(path), what,
		            error_text(error));
	return EXIT_DONE;
}

static bool is_dataset(const struct attaching *a, const char *path)
{
	for (size_t i = 0; i < a->count; i++)
		if (!strcmp(a->datasets[i].path, path))
			return true;
	return attachments_find(&a->known, a->worktree, path);
}

int attaching_path(struct attaching *a, const char *typed, char **path)
{
	int status = session_work_path(&a->session, typed, path);
	const char *slash;
	size_t len, base;

	if (status || is_dataset(a, *path))
		return status;
	slash = strrchr(*path, '/');
	slash = slash ? slash + 1 : *path;
	len = (size_t)(slash - *path);
	if (!pointer_name(slash, strlen(slash), &base))
		return EXIT_DONE;
	(*path)[len + base] = '\0';
	/* Then what was typed is to be named, as it is. */
	if (!is_dataset(a, *path))
		(*path)[len + base] = POINTER_SUFFIX[0];
	return EXIT_DONE;
}

bool attaching_is_meant(const char *path, const char *named)
{
	size_t len = strlen(named);

	return !len || (!strncmp(path, named, len) && (!path[len] || path[len] == '/'));
}

void attaching_tell(struct attaching *a, const char *path, const char *state, const char *text)
{
	json_t *row;

	if (a->is_for_program) {
		inform_verbose("%s: %s", shown(path), text);
		return;
	}
	if (!globals.json) {
		if (!globals.quiet)
			printf("%s: %s\n", shown(path), text);
		return;
	}
	row = json_object();
	output_json_path(row, "path", path);
	json_object_set_new(row, "state", json_string(state));
	json_array_append_new(a->rows, row);
}
