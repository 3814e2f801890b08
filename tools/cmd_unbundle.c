/*
 * revfs unbundle: take in what a bundle has, data and commits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/history.h"
#include "fs/remote/push_plan.h"
#include "tools/bundle_git.h"
#include "tools/bundle_intake.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/shown.h"
#include "tools/stop.h"

#define LOCK_WAIT_MS 10000

struct run {
	bool without_git;
	struct command_given given;
	struct session session;
	int lock;
	struct bundle_intake intake;
	char *name; /* of the refs */
	uint64_t began_ns;
};

static void parse_options(int argc, char **argv, struct run *run)
{
	static const struct option options[] = {{"no-git", no_argument, NULL, COMMAND_LONG}, {0}};

	while (command_option_shared(&command_unbundle, argc, argv, "", options,
	                             COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &run->given) != -1)
		run->without_git = true;
}

/* --- what the bundle goes on from --- */

/* Every pack that the root's pages name has to be in the store, as for a push to nowhere; else, where there are
 * remotes, its page has to be there. */
static int look_for_root(void *arg, const char *path, const struct oid *oid, const struct pointer *pointer, int error)
{
	struct run *run = arg;
	struct push_plan plan = {.store = run->session.store, .to_nothing = true};
	struct page_pin pin = {0};

	(void)path;
	(void)oid;
	if (!pointer)
		return error;
	error = push_plan_root(&plan, pointer);
	push_plan_release(&plan);
	if (error != -ENODATA || !run->session.source || !source_find_fetch(run->session.source))
		return error;
	error =
	    source_pin_root(run->session.source, pointer->is_file ? PAGE_FILE : PAGE_DIRECTORY, &pointer->root, &pin);
	source_unpin_page(run->session.source, &pin);
	return error;
}

/* Whether COMMIT and its data are here: 0, -ENOENT for the commit, -ENODATA and others for its data. */
static int look_for_commit(struct run *run, const struct oid *oid)
{
	struct history history = {.repo = run->session.repo};
	struct repo_commit commit;
	int error = repo_commit(run->session.repo, oid, &commit);

	if (error)
		return error;
	error = history_walk(&history, &commit.tree, look_for_root, run);
	history_release(&history);
	repo_commit_release(&commit);
	return error == -ENOENT ? -ENODATA : error;
}

/* Said at once, before anything is taken in.  Data alone can be taken in without the commits. */
static int check_since(void *arg, const struct bundle_manifest *manifest)
{
	struct run *run = arg;

	for (size_t i = 0; i < manifest->count && !run->given.dry_run; i++) {
		const struct bundle_revision *r = &manifest->revisions[i];
		int error = r->is_since ? look_for_commit(run, &r->commit) : 0;
		char hex[OID_HEX_MAX];

		if (error == -EINTR)
			return stop_status();
		if (!error || (error == -ENOENT && run->without_git))
			continue;
		return fail(EXIT_REFUSED, "'%s' goes on from '%s' (%s), whose %s not here: take that in first",
		            shown(run->intake.path), shown(r->name), oid_format(&r->commit, hex),
		            error == -ENOENT ? "commit is" : "data are");
	}
	return EXIT_DONE;
}

/* --- what is told --- */

static void report_json(struct run *run)
{
	const struct bundle_intake *in = &run->intake;
	json_t *object = json_object(), *wants = json_array(), *since = json_array();
	double seconds = (double)(io_monotonic_ns(io_system()) - run->began_ns) / 1e9;

	output_json_path(object, "file", in->path);
	for (size_t i = 0; i < in->manifest.count; i++) {
		const struct bundle_revision *r = &in->manifest.revisions[i];
		json_t *row = json_object();
		char hex[OID_HEX_MAX];

		output_json_path(row, "name", r->name);
		json_object_set_new(row, "commit", json_string(oid_format(&r->commit, hex)));
		if (r->is_since)
			json_object_set_new(row, "here", json_boolean(!look_for_commit(run, &r->commit)));
		json_array_append_new(r->is_since ? since : wants, row);
	}
	json_object_update_new(object, json_pack("{sbsosososIsIsIsf}", "dry_run", run->given.dry_run, "revisions",
	                                         wants, "since", since, "git", json_boolean(in->has_commits), "packs",
	                                         (json_int_t)in->packs, "roots", (json_int_t)in->roots, "bytes",
	                                         (json_int_t)in->bytes, "seconds", seconds));
	output_json(stdout, object);
}

static void report(struct run *run)
{
	const struct bundle_intake *in = &run->intake;
	char packs[32], roots[32], size[32], hex[OID_HEX_MAX];

	if (globals.json) {
		report_json(run);
		return;
	}
	if (globals.quiet)
		return;
	for (size_t i = 0; i < in->manifest.count && run->given.dry_run; i++) {
		const struct bundle_revision *r = &in->manifest.revisions[i];

		printf("%s %s (%s)%s\n", r->is_since ? "goes on from" : "has", shown(r->name),
		       oid_format(&r->commit, hex),
		       !r->is_since                       ? ""
		       : look_for_commit(run, &r->commit) ? ", which is not here"
		                                          : ", which is here");
	}
	printf("%s: %s packs, %s roots, %s", shown(in->path), output_count(in->packs, packs),
	       output_count(in->roots, roots), output_size(in->bytes, size));
	if (run->given.dry_run)
		printf("%s\nnothing was taken in\n", in->has_commits ? ", and commits" : ", no commits");
	else if (in->git_file && !run->without_git)
		printf("; commits in " BUNDLE_GIT_REFS "%s\n", run->name);
	else
		putchar('\n');
}

static int unbundle_all(struct run *run)
{
	int status = EXIT_DONE;

	if (!run->given.dry_run) {
		run->lock = store_lock(run->session.store, false, LOCK_WAIT_MS);
		if (run->lock == -EBUSY)
			return fail(EXIT_BUSY, "the store is locked by another command ('revfs gc'?): try again later");
		if (run->lock < 0)
			return fail(exit_code_of(run->lock), "cannot lock the store: %s", error_text(run->lock));
	}
	run->name = bundle_git_name(run->intake.path);
	if (!run->name)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	run->intake.progress = progress_start("unbundling", run->given.progress);
	status = bundle_intake_run(&run->intake);
	progress_end(run->intake.progress);
	if (!status && run->intake.git_file && !run->without_git)
		status = bundle_git_fetch(&run->session, run->intake.git_file, run->name);
	if (!status)
		report(run);
	return status;
}

static int unbundle(int argc, char **argv)
{
	struct run run = {.lock = -1, .began_ns = io_monotonic_ns(io_system())};
	int status;

	parse_options(argc, argv, &run);
	if (argc - optind != 1)
		return fail_usage(argc == optind ? "no file named" : "too many arguments");
	status = session_open(&run.session, run.given.dry_run ? SESSION_STORE : SESSION_CREATE);
	if (status)
		return status;
	stop_catch();
	run.intake = (struct bundle_intake){
	    .path = argv[optind],
	    .session = &run.session,
	    .dry = run.given.dry_run,
	    .known = check_since,
	    .arg = &run,
	};
	status = unbundle_all(&run);
	bundle_intake_release(&run.intake);
	free(run.name);
	if (run.session.store)
		store_unlock(run.session.store, run.lock);
	session_close(&run.session);
	return stop_finish(status);
}

const struct command command_unbundle = {
    .name = "unbundle",
    .run = unbundle,
    .usage = "revfs unbundle [-n] [--no-git] [--json] [--progress | --no-progress] FILE",
    .summary = "take in the data and commits of a bundle",
};
