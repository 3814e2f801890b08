#include "tools/attach/attach_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/dataset.h"
#include "tools/attach/attach_one.h"
#include "tools/attach/given.h"
#include "tools/attach/private.h"
#include "tools/command.h"
#include "tools/shown.h"

struct run {
	struct attaching *a;
	struct attach_target target; /* of the dataset in the works */
	bool has_revision;
	bool follow;  /* what is attached already, and nothing else */
	char **paths; /* that were named, from the root of the work tree; NULL-terminated */
	size_t count;
};

/* --- arguments --- */

/* Take the revision that may stand first; *TAKEN says whether one did.  SURE: what stands here is no path. */
static int take_revision(struct run *run, const char *text, bool sure, bool *taken)
{
	struct session *s = &run->a->session;
	struct revision revision;
	bool names_revision = *text && !revision_resolve(s->repo, text, &revision);
	bool names_path = !sure && session_is_path(s, text);

	*taken = false;
	if (names_revision && names_path)
		return fail(EXIT_USAGE,
		            "'%s' is both a revision and a path: write '%s --' for the revision, '-- %s' for the path",
		            text, text, text);
	/* What is neither is rather a path: more of them are typed. */
	if (!sure && !names_revision)
		return EXIT_DONE;
	*taken = true;
	run->has_revision = true;
	run->target.name = text;
	return session_revision(s, text, &run->target.commit);
}

static int take_arguments(struct run *run, char **arguments, size_t count, char **paths, size_t paths_count)
{
	bool taken = false;
	int status = EXIT_DONE;

	run->paths = calloc(count + paths_count + 1, sizeof(*run->paths));
	if (!run->paths)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	if (count)
		status = take_revision(run, arguments[0], paths != NULL, &taken);
	if (!status && paths && count > taken)
		return fail_usage("'%s': more than one revision", arguments[1]);
	for (size_t i = taken; !status && i < count; i++)
		status = attaching_path(run->a, arguments[i], &run->paths[run->count++]);
	for (size_t i = 0; !status && i < paths_count; i++)
		status = attaching_path(run->a, paths[i], &run->paths[run->count++]);
	if (status || run->has_revision)
		return status;
	run->target.name = "HEAD";
	return session_revision(&run->a->session, "HEAD", &run->target.commit);
}

/* --- datasets --- */

static bool is_unmerged(const struct run *run, const char *path)
{
	for (size_t i = 0; i < run->a->count; i++)
		if (!strcmp(run->a->datasets[i].path, path))
			return run->a->datasets[i].unmerged;
	return false;
}

/* What the pointer file says must be what HEAD has: else it is not clear which of the two is meant. */
static int check_pointer(struct run *run, const char *path)
{
	struct pointer pointer;
	int error = worktree_pointer(&run->a->wt, path, &pointer, NULL, NULL);

	if (!error && id_equal(&pointer.root, &run->target.base.root))
		return EXIT_DONE;
	if (error == -ENOENT)
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "' is gone from the work tree: 'git checkout HEAD -- %s" POINTER_SUFFIX
		            "' brings it back",
		            shown(path), shown(path));
	if (is_unmerged(run, path))
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX
		            "' is in conflict: 'revfs checkout %s' and 'revfs snapshot %s' resolve "
		            "it, 'git merge --abort' goes back; or name a revision",
		            shown(path), shown(path), shown(path));
	return fail(EXIT_REFUSED,
	            "'%s" POINTER_SUFFIX "' is not as HEAD has it: 'git commit' it first, or 'git checkout HEAD -- "
	            "%s" POINTER_SUFFIX "', or name a revision",
	            shown(path), shown(path));
}

static bool is_named(const struct run *run, const char *path)
{
	for (size_t i = 0; i < run->count; i++)
		if (!strcmp(run->paths[i], path))
			return true;
	return false;
}

/* A dataset that is a single file: refused where it was named; beside others it is passed over, and said where it is
 * not there. */
static int do_file(struct run *run, const char *path)
{
	struct stat st;

	if (is_named(run, path))
		return fail(
		    EXIT_REFUSED,
		    "'%s' is a single file, and only directories can be attached: 'revfs checkout %s' brings it",
		    shown(path), shown(path));
	if (fstatat(run->a->wt.root, path, &st, AT_SYMLINK_NOFOLLOW))
		attaching_tell(run->a, path, "file", "a single file, not attached: 'revfs checkout' brings it");
	return EXIT_DONE;
}

/* Of a dataset that is not attached yet. */
static int do_new(struct run *run, const char *path)
{
	int status = attaching_base(run->a, &run->target.commit, run->target.name, path, &run->target.base);

	if (!status && run->target.base.is_file)
		return do_file(run, path);
	if (!status && !run->has_revision)
		status = check_pointer(run, path);
	run->target.path = path;
	return status ? status : attach_new(run->a, &run->target);
}

/* Whether what was recorded last of it is what the pointer file says, and not committed yet: HEAD is behind it. */
static bool is_staged(struct run *run, const struct attachment *attachment)
{
	struct pointer pointer;
	struct id recorded;

	return !worktree_pointer(&run->a->wt, attachment->path, &pointer, NULL, NULL) &&
	       (run->target.is_gone || !id_equal(&pointer.root, &run->target.base.root)) &&
	       !given_recorded(run->a, attachment, &recorded) && id_equal(&recorded, &pointer.root);
}

/* Those who use it are not to find another version in it.  *STAYS: nor is it to be moved to what it has already. */
static int check_others(struct run *run, const struct attachment *attachment, bool *stays)
{
	const char *path = shown(attachment->path);
	struct id recorded;
	int error;

	if (*stays || run->target.rebase || !private_is_shared() || attachment_is_mounted(attachment) != 1)
		return EXIT_DONE;
	error = given_recorded(run->a, attachment, &recorded);
	if (error)
		return fail(exit_code_of(error), "cannot read what was recorded of '%s': %s", path, error_text(error));
	*stays = !run->target.is_gone && id_equal(&recorded, &run->target.base.root);
	return *stays
	           ? EXIT_DONE
	           : fail(EXIT_BUSY,
	                  "'%s' is attached at another version than that of %s for a command or shell that runs: wait "
	                  "until it has ended, or use another work tree ('git worktree add')",
	                  path, run->target.name);
}

/* Whether the commit has a directory there; *IS_GONE where it has no such dataset. */
static int do_known(struct run *run, const struct attachment *attachment)
{
	struct attach_target *target = &run->target;
	struct repo_commit commit;
	int error = repo_commit(run->a->session.repo, &target->commit, &commit), status = EXIT_DONE;

	if (!error) {
		error = dataset_find(run->a->session.repo, &commit.tree, attachment->path, &target->base);
		repo_commit_release(&commit);
	}
	target->path = attachment->path;
	target->is_gone = error == -ENOENT || error == -ENOTDIR || (!error && target->base.is_file);
	if (error && !target->is_gone)
		status = attaching_base(run->a, &target->commit, target->name, attachment->path, &target->base);
	target->stays = !run->has_revision && is_staged(run, attachment);
	if (!status)
		status = check_others(run, attachment, &target->stays);
	return status ? status : attach_again(run->a, attachment, target);
}

static bool is_meant(const struct run *run, const char *path)
{
	for (size_t i = 0; i < run->count; i++)
		if (attaching_is_meant(path, run->paths[i]))
			return true;
	return !run->count;
}

/* The paths of all datasets there are, attached or not, sorted; borrowed but for the list. */
static const char **list_paths(const struct run *run, size_t *count)
{
	const struct attaching *a = run->a;
	const char **list = calloc(a->count + a->known.count + 1, sizeof(*list));

	*count = 0;
	for (size_t i = 0; list && i < a->count; i++)
		list[(*count)++] = a->datasets[i].path;
	for (size_t i = 0; list && i < a->known.count; i++) {
		const struct attachment *attachment = &a->known.items[i];
		bool there = strcmp(attachment->worktree, a->worktree);

		for (size_t k = 0; !there && k < a->count; k++)
			there = !strcmp(a->datasets[k].path, attachment->path);
		if (!there)
			list[(*count)++] = attachment->path;
	}
	return list;
}

/* For nobody but the next shell. */
static bool is_left_by_shell(const struct attachment *attachment)
{
	return attachment->dialect == LAYER_KERNEL_USER && !attachment_is_mounted(attachment);
}

static int do_all(struct run *run)
{
	struct attaching *a = run->a;
	size_t count;
	const char **list = list_paths(run, &count);

	if (!list)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; i < count; i++) {
		const struct attachment *known = attachments_find(&a->known, a->worktree, list[i]);
		int status;

		if (!is_meant(run, list[i]) || (run->follow && (!known || is_left_by_shell(known))))
			continue;
		status = known ? do_known(run, known) : do_new(run, list[i]);
		outcome_add(&a->outcome, status);
		if (status > EXIT_SYSTEM)
			break;
	}
	free(list);
	return EXIT_DONE;
}

/* Name what was named and is no dataset. */
static void name_unmet(struct run *run)
{
	size_t count;
	const char **list = list_paths(run, &count);

	for (size_t i = 0; list && i < run->count; i++) {
		const char *path = run->paths[i];
		bool met = false, inside = false;

		for (size_t k = 0; k < count; k++) {
			met |= attaching_is_meant(list[k], path);
			inside |= attaching_is_meant(path, list[k]);
		}
		if (!met)
			outcome_add(&run->a->outcome,
			            inside
			                ? fail(EXIT_REFUSED,
			                       "'%s' lies in a dataset: name the dataset, which is attached as a whole",
			                       shown(path))
			                : fail(EXIT_NOT_FOUND, "there is no dataset at '%s'", shown(path)));
	}
	if (list && !count && !globals.json && !globals.quiet && !run->a->is_for_program)
		puts("no datasets");
	free(list);
}

int attach_all(struct attaching *a, const struct attach_request *request)
{
	struct run run = {.a = a, .follow = request->follow, .target.rebase = request->rebase};
	int status = take_arguments(&run, request->arguments, request->count, request->paths, request->paths_count);

	if (!status) {
		name_unmet(&run);
		status = do_all(&run);
	}
	for (size_t i = 0; i < run.count; i++)
		free(run.paths[i]);
	free(run.paths);
	return status;
}
