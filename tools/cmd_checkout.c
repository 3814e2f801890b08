/*
 * revfs checkout: makes datasets of the work tree what their pointer files say.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/checkout.h"
#include "fs/ignore_settle.h"
#include "tools/attached.h"
#include "tools/checkout_keep.h"
#include "tools/checkout_record.h"
#include "tools/checkout_side.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/path.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/shown.h"
#include "tools/stop.h"

#define LOCK_WAIT_MS 10000

struct options {
	bool force;
	enum checkout_side side;
	unsigned jobs;
	struct command_given given;
};

/* A dataset, or a path in one, that is to be checked out. */
struct item {
	struct work_dataset *dataset;
	const char *inside; /* "" for all */
	struct pointer pointer;
	struct instep record; /* what the files may be now */
	bool in_step;         /* the files are what the pointer file says, but for what the user did */
};

struct run {
	struct options options;
	struct session session;
	struct worktree wt;
	struct work_dataset *datasets;
	size_t count;
	struct attachments attachments;
	struct outcome outcome;
	struct progress *progress;
	json_t *rows;
	/* Of the item in the works: */
	const struct item *item;
	bool looking;           /* only to see what would be destroyed */
	char kept[ID_HEX_SIZE]; /* the root of what was stored before it is destroyed, "" for nothing */
	uint64_t named;
	int first_failure;
};

/* The path from the root of the work tree of one below the dataset, malloc'ed. */
static char *full_path(const struct run *run, const char *path)
{
	char *full;

	return asprintf(&full, "%s%s%s", run->item->dataset->path, *path ? "/" : "", path) < 0 ? NULL : full;
}

static void name_failure(struct run *run, enum checkout_event event, const char *path, int error, bool of_store)
{
	int status;

	if (event == CHECKOUT_CONFLICT)
		status = fail(EXIT_PARTIAL,
		              "'%s' is neither what it was nor what it should be, and is left: move it away, or let "
		              "'revfs checkout -f' replace it",
		              shown(path));
	else if (of_store)
		status = session_unreadable(&run->session, path, error);
	else
		status = fail(exit_code_of(error), "cannot write '%s': %s", shown(path), error_text(error));
	if (!run->first_failure)
		run->first_failure = status;
}

static void on_event(void *arg, enum checkout_event event, const char *path, int error, bool of_store)
{
	struct run *run = arg;
	bool failure = event == CHECKOUT_CONFLICT || event == CHECKOUT_FAILED;
	char *full;

	if (run->looking || (!failure && !run->options.given.dry_run))
		return;
	if (failure && run->named++ >= CHECKOUT_NAMED_MAX)
		return;
	full = full_path(run, path);
	if (!full)
		return;
	if (failure)
		name_failure(run, event, full, error, of_store);
	else if (!globals.json && !globals.quiet)
		printf("would %s %s\n", event == CHECKOUT_WRITE ? "write" : "remove", shown(full));
	free(full);
}

static void on_progress(void *arg, uint64_t files, uint64_t bytes)
{
	struct run *run = arg;

	progress_add(run->progress, files, bytes, 0);
}

static int run_checkout(struct run *run, const struct checkout_request *request, struct checkout_result *result)
{
	const struct item *item = run->item;
	int error = checkout_dataset(request, result);

	if (error == -EINTR)
		return stop_status();
	if (error == -ENOENT && *item->inside)
		return fail(EXIT_NOT_FOUND, "there is no '%s' in the dataset '%s'", shown(item->inside),
		            shown(item->dataset->path));
	if (error == -ENOTDIR && *item->inside)
		return fail(EXIT_REFUSED, "'%s' is, or was, a single file: 'revfs checkout %s' brings all of it",
		            shown(item->dataset->path), shown(item->dataset->path));
	if (error == -ENODATA || error == -EBADMSG || error == -ENOTSUP || exit_code_of(error) == EXIT_TEMPORARY)
		return session_unreadable(&run->session, item->dataset->path, error);
	if (error)
		return fail(exit_code_of(error), "cannot check out '%s': %s", shown(item->dataset->path),
		            error_text(error));
	return EXIT_DONE;
}

/* Whether something would be lost that is in no tree. */
static int would_destroy(struct run *run, const struct checkout_request *request, bool *answer)
{
	struct checkout_request look = *request;
	struct checkout_result result;
	int status;

	look.dry = true;
	look.progress = NULL;
	run->looking = true;
	status = run_checkout(run, &look, &result);
	run->looking = false;
	*answer = !status && result.destroyed;
	return status;
}

static void report(struct run *run, const struct item *item, const struct checkout_result *r)
{
	const char *path = shown(item->dataset->path);
	char a[32], b[32];
	json_t *row;

	if (globals.json) {
		row = json_object();
		output_json_path(row, "path", item->dataset->path);
		json_object_set_new(row, "written", json_integer((json_int_t)r->written));
		json_object_set_new(row, "bytes", json_integer((json_int_t)r->bytes));
		json_object_set_new(row, "removed", json_integer((json_int_t)r->removed));
		json_object_set_new(row, "conflicts", json_integer((json_int_t)r->conflicts));
		json_object_set_new(row, "failed", json_integer((json_int_t)r->failed));
		if (*run->kept)
			json_object_set_new(row, "kept", json_string(run->kept));
		json_array_append_new(run->rows, row);
		return;
	}
	if (globals.quiet || run->options.given.dry_run)
		return;
	if (r->written || r->removed)
		printf("%s: %s written, %s removed\n", path, output_count(r->written, a), output_count(r->removed, b));
	else if (!r->conflicts && !r->failed)
		printf("%s: nothing to do\n", path);
}

static int finish_status(struct run *run, const struct checkout_result *r)
{
	const char *path = shown(run->item->dataset->path);
	uint64_t bad = r->conflicts + r->failed;

	if (bad > CHECKOUT_NAMED_MAX)
		fail(EXIT_PARTIAL, "and %llu more in '%s'", (unsigned long long)(bad - CHECKOUT_NAMED_MAX), path);
	if (!bad)
		return EXIT_DONE;
	return r->written || r->removed || r->conflicts ? EXIT_PARTIAL : run->first_failure;
}

/* Whether the record says still, or again, what the files are: nothing was touched, or what is in step only mended. */
static bool is_as_before(const struct checkout_result *r, int status, bool in_step)
{
	bool touched = r->written || r->removed || r->destroyed, bad = status || r->conflicts || r->failed;

	return (in_step && !bad) || (!touched && (in_step || status));
}

static int check_out(struct run *run, const struct item *item)
{
	struct place_world world = run->session.world;
	struct work_dataset *dataset = item->dataset;
	const struct instep before = dataset->record;
	bool had_record = dataset->has_record;
	struct checkout_request request = {
	    .wt = &run->wt,
	    .world = &world,
	    .path = dataset->path,
	    .inside = item->inside,
	    .target = &item->pointer,
	    .record = had_record ? &item->record : NULL,
	    .dry = run->options.given.dry_run,
	    .force = run->options.force,
	    .jobs = run->options.jobs,
	    .stop = stop_flag(),
	    .tell = on_event,
	    .progress = on_progress,
	    .arg = run,
	};
	struct checkout_result result;
	bool keep = false;
	int status = EXIT_DONE, noted = EXIT_DONE;

	run->item = item;
	run->kept[0] = '\0';
	run->named = 0;
	run->first_failure = 0;
	if (!run->session.source)
		return session_unreadable(&run->session, dataset->path, -ENODATA);
	if (request.force && !request.dry)
		status = would_destroy(run, &request, &keep);
	if (keep)
		status = checkout_keep(&run->session, &run->wt, dataset->path, run->options.jobs, run->kept);
	/* What appears from here on was not stored. */
	request.spare = request.force && !request.dry && !keep;
	if (!status && !request.dry)
		status = checkout_record_begin(&run->wt, dataset, &item->record, &item->pointer.root);
	if (status)
		return status;
	status = run_checkout(run, &request, &result);
	if (request.dry)
		;
	else if (result.whole)
		noted = checkout_record_end(&run->wt, dataset, &item->pointer.root);
	else if (is_as_before(&result, status, item->in_step))
		noted = checkout_record_undo(&run->wt, dataset, had_record ? &before : NULL);
	if (status) {
		if (globals.json && *run->kept)
			checkout_keep_tell(stderr, shown(dataset->path), run->kept);
		return status;
	}
	report(run, item, &result);
	return noted ? noted : finish_status(run, &result);
}

/* What the files are, as the record has it. */
static void set_record(struct item *item)
{
	const struct work_dataset *d = item->dataset;

	item->record = d->has_record ? d->record : (struct instep){.has_root = false};
	/* What a snapshot that was killed was about to name is named by no pointer: those are the user's edits. */
	instep_settle(&item->record, &item->pointer.root);
	item->in_step =
	    item->record.has_root && !item->record.has_checkout && id_equal(&item->record.root, &item->pointer.root);
}

/* The path is to be what one side of a conflict has. */
static int take_side(struct run *run, struct item *item)
{
	const char *path = item->dataset->path;

	if (!*item->inside)
		return fail(EXIT_REFUSED,
		            "'%s' is a whole dataset: name the files in it that are in conflict, or take all of one "
		            "side with 'git checkout --%s -- %s" POINTER_SUFFIX "'",
		            shown(path), run->options.side == SIDE_OURS ? "ours" : "theirs", shown(path));
	if (!item->in_step)
		return fail(EXIT_REFUSED, "the files of '%s' are not what was merged: 'revfs checkout %s' first",
		            shown(path), shown(path));
	return checkout_side_find(&run->wt, path, run->options.side, &item->pointer, &item->record);
}

/* The pointer of a dataset, which must be one that we understand. */
static int read_pointer(struct run *run, struct item *item, bool named)
{
	const char *path = item->dataset->path, *why;
	enum work_kind kind;
	unsigned line;
	int error = worktree_pointer(&run->wt, path, &item->pointer, &line, &why);

	if (error == -ENOENT && !named)
		return EXIT_DONE;
	if (error == -ENOENT)
		return fail(EXIT_NOT_FOUND, "there is no '%s" POINTER_SUFFIX "' in the work tree", shown(path));
	if (error == -ENOTSUP)
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "' was written by a later version of revfs: upgrade this one",
		            shown(path));
	if (error == -EINVAL || error == -ELOOP)
		return fail(EXIT_REFUSED,
		            "'%s" POINTER_SUFFIX "', line %u: %s; 'git checkout HEAD -- %s" POINTER_SUFFIX
		            "' takes the committed one",
		            shown(path), line ? line : 1, error == -ELOOP ? "a symlink, not a pointer file" : why,
		            shown(path));
	if (!error)
		error = worktree_kind(&run->wt, path, &kind);
	if (error)
		return fail(exit_code_of(error), "cannot read '%s" POINTER_SUFFIX "': %s", shown(path),
		            error_text(error));
	if (kind == WORK_LINK || kind == WORK_OTHER)
		return fail(EXIT_REFUSED, "'%s' is, or lies behind, a symlink or something else: move it away",
		            shown(path));
	return EXIT_DONE;
}

static int do_item(struct run *run, struct item *item, bool named)
{
	const struct attachment *attachment =
	    attachments_find(&run->attachments, repo_work_tree(run->session.repo), item->dataset->path);
	struct pointer absent;
	int status;

	if (attachment) {
		outcome_add(&run->outcome, attached_refuse_checkout(&run->wt, attachment, named));
		return EXIT_DONE;
	}
	status = read_pointer(run, item, named);

	if (!status && worktree_pointer(&run->wt, item->dataset->path, &absent, NULL, NULL) == -ENOENT)
		return EXIT_DONE;
	if (!status)
		set_record(item);
	if (!status && run->options.side)
		status = take_side(run, item);
	if (!status)
		status = check_out(run, item);
	outcome_add(&run->outcome, status);
	return status > EXIT_SYSTEM ? status : EXIT_DONE;
}

/* PATH, from the root of the work tree, may name the pointer file of a dataset. */
static void strip_suffix(const struct run *run, char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t base, len;

	if (!pointer_name(name, strlen(name), &base))
		return;
	len = (size_t)(name - path) + base;
	for (size_t i = 0; i < run->count; i++) {
		const char *dataset = run->datasets[i].path;

		if (!strncmp(dataset, path, len) && !dataset[len])
			path[len] = '\0';
	}
}

/* Check out what PATH means: a dataset, a place in one, or all datasets below a folder. */
static int do_path(struct run *run, const char *path)
{
	size_t len = strlen(path);
	bool met = false;
	int status = EXIT_DONE;

	for (size_t i = 0; !status && i < run->count; i++) {
		struct work_dataset *d = &run->datasets[i];
		struct item item = {.dataset = d, .inside = ""};
		bool inside = path_is_in(path, d->path);

		if (!inside && !path_is_in(d->path, path))
			continue;
		if (inside && len > strlen(d->path))
			item.inside = path + strlen(d->path) + 1;
		met = true;
		status = do_item(run, &item, inside);
	}
	if (!met)
		outcome_add(&run->outcome, fail(EXIT_NOT_FOUND, "'%s' is no dataset, nor in one", shown(path)));
	return status;
}

static int do_all(struct run *run)
{
	int status = EXIT_DONE;

	for (size_t i = 0; !status && i < run->count; i++) {
		struct item item = {.dataset = &run->datasets[i], .inside = ""};

		status = do_item(run, &item, false);
	}
	if (!run->count && !globals.quiet && !globals.json)
		puts("no datasets");
	return status;
}

static int do_named(struct run *run, char **arguments, size_t count)
{
	int status = EXIT_DONE;

	for (size_t i = 0; !status && i < count; i++) {
		char *path;
		int bad = session_work_path(&run->session, arguments[i], &path);

		if (bad) {
			outcome_add(&run->outcome, bad);
			continue;
		}
		strip_suffix(run, path);
		status = *path || run->count ? do_path(run, path) : do_all(run);
		free(path);
	}
	return status;
}

static int open_all(struct run *run)
{
	int error, status = session_open(&run->session, SESSION_STORE | SESSION_CREATE_BESIDE | SESSION_WORK_TREE);

	if (status)
		return status;
	error = worktree_open(io_system(), run->session.repo, !run->options.given.dry_run, &run->wt);
	if (error)
		return fail(exit_code_of(error), "cannot open the work tree: %s", error_text(error));
	if (!run->options.given.dry_run)
		error = worktree_lock(&run->wt, LOCK_WAIT_MS);
	if (error == -EBUSY)
		return fail(EXIT_BUSY, "another snapshot or checkout is at work in this work tree");
	if (error)
		return fail(exit_code_of(error), "cannot lock the work tree: %s", error_text(error));
	if (!run->options.given.dry_run)
		error = ignore_settle(&run->wt, run->session.source);
	if (error)
		return fail(exit_code_of(error), "cannot update .git/info/exclude: %s", error_text(error));
	error = attachments_read(repo_common_dir(run->session.repo), &run->attachments);
	if (error)
		return fail(exit_code_of(error), "cannot read what is attached: %s", error_text(error));
	error = worktree_datasets(&run->wt, &run->datasets, &run->count);
	return error ? fail(exit_code_of(error), "cannot list the datasets of the work tree: %s", error_text(error))
	             : EXIT_DONE;
}

static int parse_options(int argc, char **argv, struct options *o)
{
	enum { OURS = COMMAND_LONG, THEIRS };
	static const struct option options[] = {
	    {"force", no_argument, NULL, 'f'},
	    {"ours", no_argument, NULL, OURS},
	    {"theirs", no_argument, NULL, THEIRS},
	    {"jobs", required_argument, NULL, 'j'},
	    {0},
	};
	int option, status = EXIT_DONE;

	while (!status &&
	       (option = command_option_shared(&command_checkout, argc, argv, "fj:", options,
	                                       COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &o->given)) != -1) {
		if (option == 'f')
			o->force = true;
		else if (option == 'j')
			status = command_jobs(optarg, &o->jobs);
		else if (o->side && (o->side == SIDE_OURS) != (option == OURS))
			return fail_usage("--ours and --theirs are two sides: give one of them");
		else
			o->side = option == OURS ? SIDE_OURS : SIDE_THEIRS;
	}
	/* As git does: what is there goes.  What no tree has is stored first. */
	o->force |= o->side != SIDE_POINTER;
	if (!status && o->side && optind == argc)
		return fail_usage("--ours and --theirs need the paths that are in conflict");
	return status;
}

static int checkout(int argc, char **argv)
{
	struct run run = {0};
	int status = parse_options(argc, argv, &run.options);

	if (status)
		return status;
	run.rows = json_array();
	stop_catch();
	status = open_all(&run);
	if (!status) {
		run.progress = progress_start("checking out", run.options.given.progress);
		status = optind < argc ? do_named(&run, argv + optind, (size_t)(argc - optind)) : do_all(&run);
		progress_end(run.progress);
	}
	if (!status) {
		status = outcome_status(&run.outcome);
	}
	if (globals.json && (status == EXIT_DONE || status == EXIT_PARTIAL))
		output_json(stdout, json_pack("{sbsO}", "dry_run", run.options.given.dry_run, "datasets", run.rows));
	else if (globals.json)
		checkout_keep_tell_all(run.rows);
	worktree_datasets_free(run.datasets, run.count);
	attachments_release(&run.attachments);
	if (run.wt.io)
		worktree_close(&run.wt);
	session_close(&run.session);
	json_decref(run.rows);
	return stop_finish(status);
}

const struct command command_checkout = {
    .name = "checkout",
    .run = checkout,
    .usage = "revfs checkout [-f | --ours | --theirs] [-n] [-j N] [--json] [--progress | --no-progress] [PATH...]",
    .summary = "make datasets of the work tree what their pointers say",
};
