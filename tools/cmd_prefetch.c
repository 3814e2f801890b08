/*
 * revfs prefetch: bring what revisions, or paths in a mount, need into the cache.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/remote/prefetch.h"
#include "tools/cache_fit.h"
#include "tools/commands.h"
#include "tools/mounted.h"
#include "tools/output.h"
#include "tools/parts.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/stop.h"

#define JOBS_DEFAULT 8

struct options {
	unsigned jobs;
	struct command_given given;
};

struct run {
	struct options options;
	struct session session;
	struct mounted *mounted; /* of arguments that are paths in a mount; NULL: none are */
	size_t count;
	struct cached *cached;
	struct prefetch *prefetch;
	struct prefetch_result result;
	struct progress *progress;
	struct outcome outcome;
	uint64_t began_ns;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
	    {"jobs", required_argument, NULL, 'j'},
	    {0},
	};
	int status = EXIT_DONE;

	*o = (struct options){.jobs = JOBS_DEFAULT};
	while (!status && command_option_shared(&command_prefetch, argc, argv, "j:", options,
	                                        COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &o->given) != -1)
		status = command_jobs(optarg, &o->jobs);
	return status;
}

/* Where the arguments are paths in a mount: find what they show, and enter its repository. */
static int enter_mounted(struct run *run, char **arguments)
{
	run->mounted = calloc(run->count, sizeof(*run->mounted));
	if (!run->mounted)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; i < run->count; i++) {
		int error = mounted_find(arguments[i], &run->mounted[i]);

		if (error == -ENOENT && i == 0) {
			free(run->mounted);
			run->mounted = NULL;
			return EXIT_DONE;
		}
		if (error == -ENOENT)
			return fail(EXIT_NOT_FOUND, "'%s' is no path in a mount, as '%s' is: name them apart",
			            arguments[i], arguments[0]);
		if (error)
			return fail(EXIT_SYSTEM, "%s", error_text(error));
		if (strcmp(run->mounted[i].repository, run->mounted[0].repository) != 0)
			return fail(EXIT_USAGE, "'%s' and '%s' belong to two repositories: name them apart",
			            arguments[0], arguments[i]);
	}
	assert(run->mounted[0].repository);
	if (chdir(run->mounted[0].repository))
		return fail(exit_code_of(-errno), "cannot enter the repository '%s': %s", run->mounted[0].repository,
		            error_text(-errno));
	return EXIT_DONE;
}

/* --- the work --- */

static void on_progress(void *arg, uint64_t files, uint64_t bytes)
{
	struct run *run = arg;

	progress_add(run->progress, files, bytes, 0);
}

static void on_failed(void *arg, const char *name, int error)
{
	struct run *run = arg;

	outcome_add(&run->outcome, session_unreadable(&run->session, name, error));
}

/* Collect what ARGUMENT names. */
static int collect(struct run *run, const char *argument)
{
	struct target target = {0};
	struct place place;
	int status = session_target(&run->session, argument, &target), error = 0;

	if (!status)
		status = session_place(&run->session, &target, &place);
	if (!status)
		error = prefetch_add(run->prefetch, &place, target.name);
	target_release(&target);
	if (error == -EINTR)
		return stop_status();
	return error ? fail(exit_code_of(error), "%s", error_text(error)) : status;
}

/* Open it, where there is something to read from and to keep it in. */
static int open_prefetch(struct run *run)
{
	struct prefetch_setup setup = {
	    .world = &run->session.world,
	    .jobs = run->options.jobs,
	    .progress = on_progress,
	    .failed = on_failed,
	    .arg = run,
	};
	struct remote_store *const *stores;

	setup.fetch = remotes_fetch(run->session.remotes);
	if (!setup.fetch)
		return fail(EXIT_NOT_FOUND, "there is no remote: 'revfs remote add NAME URL' names one");
	remotes_stores(run->session.remotes, &stores, &run->cached);
	if (!run->cached)
		return fail(EXIT_REFUSED, "there is no cache: 'git config revfs.cacheDir DIR' says where one may be");
	if (prefetch_open(&setup, &run->prefetch))
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	return EXIT_DONE;
}

static const char *argument_of(const struct run *run, char **arguments, size_t i)
{
	return run->mounted ? run->mounted[i].target : arguments[i];
}

/* Expanded it is too much for the cache: find what it takes as records.  What fails is told by the work itself. */
static int warn_of_size(struct run *run, char **arguments)
{
	struct lack lack = {.store = run->session.store, .fetch = remotes_fetch(run->session.remotes)};
	struct parts parts = {0};
	int status = EXIT_DONE, error = 0;

	lack.stores_count = remotes_stores(run->session.remotes, &lack.stores, NULL);
	for (size_t i = 0; i < run->count && !status; i++)
		status = parts_add(&run->session, argument_of(run, arguments, i), &parts, NULL, NULL);
	for (size_t i = 0; i < parts.count && !status && error != -EINTR && error != -ENOMEM; i++)
		error = lack_take(&lack, &parts.list[i].lack);
	if (!status)
		cache_fit_warn(run->cached, cache_fit_wanted(&lack), false);
	lack_release(&lack);
	parts_release(&parts);
	return status ? status : error == -EINTR ? stop_status() : EXIT_DONE;
}

static int run_all(struct run *run, char **arguments)
{
	uint64_t files, bytes;
	int error, status = open_prefetch(run);

	for (size_t i = 0; i < run->count && !status; i++)
		status = collect(run, argument_of(run, arguments, i));
	if (status)
		return status;
	prefetch_measure(run->prefetch, &files, &bytes);
	if (bytes > cached_limit(run->cached))
		status = warn_of_size(run, arguments);
	if (status)
		return status;
	if (run->options.given.dry_run) {
		run->result = (struct prefetch_result){.files = files, .bytes = bytes};
		return EXIT_DONE;
	}
	run->progress = progress_start("prefetching", run->options.given.progress);
	progress_total(run->progress, files, bytes);
	error = prefetch_run(run->prefetch, &run->result);
	progress_end(run->progress);
	if (error == -EINTR)
		return stop_status();
	if (error)
		return fail(exit_code_of(error), "%s", error_text(error));
	if (run->result.files)
		outcome_add(&run->outcome, EXIT_DONE);
	return EXIT_DONE;
}

/* Bytes that came from remotes, pages and what lies between records included. */
static uint64_t received(struct run *run)
{
	struct remote_store *const *stores;
	size_t count = remotes_stores(run->session.remotes, &stores, NULL);
	struct remote_counts counts;
	uint64_t bytes = 0;

	for (size_t i = 0; i < count; i++) {
		remote_counts(remote_store_remote(stores[i]), &counts);
		bytes += counts.received_bytes;
	}
	return bytes;
}

static void report(struct run *run)
{
	const struct prefetch_result *r = &run->result;
	const double seconds = (double)(io_monotonic_ns(io_system()) - run->began_ns) / 1e9;
	const uint64_t came = received(run);
	char files[32], bytes[32], here[32], wire[32];

	if (globals.json) {
		output_json(stdout, json_pack("{sbsIsIsIsIsIsf}", "dry_run", run->options.given.dry_run, "files",
		                              (json_int_t)r->files, "bytes", (json_int_t)r->bytes, "here_bytes",
		                              (json_int_t)r->here_bytes, "received_bytes", (json_int_t)came, "failed",
		                              (json_int_t)r->failed, "seconds", seconds));
		return;
	}
	if (run->options.given.dry_run && !globals.quiet)
		printf("%s files, %s; nothing was brought\n", output_count(r->files, files),
		       output_size(r->bytes, bytes));
	else if (!globals.quiet)
		printf("%s files, %s, and %s that the store has; %s received, %.2f s\n", output_count(r->files, files),
		       output_size(r->bytes, bytes), output_size(r->here_bytes, here), output_size(came, wire),
		       seconds);
}

static int prefetch(int argc, char **argv)
{
	struct run run = {.began_ns = io_monotonic_ns(io_system())};
	int status = parse_options(argc, argv, &run.options);

	if (status)
		return status;
	if (optind == argc)
		return fail_usage("no revision or path in a mount named");
	run.count = (size_t)(argc - optind);
	status = enter_mounted(&run, argv + optind);
	if (!status)
		status = session_open(&run.session, SESSION_STORE);
	if (!status) {
		stop_catch();
		status = run_all(&run, argv + optind);
		if (!status) {
			report(&run);
			status = outcome_status(&run.outcome);
		}
		prefetch_close(run.prefetch);
		session_close(&run.session);
	}
	for (size_t i = 0; i < run.count && run.mounted; i++)
		mounted_release(&run.mounted[i]);
	free(run.mounted);
	return stop_finish(status);
}

const struct command command_prefetch = {
    .name = "prefetch",
    .run = prefetch,
    .usage = "revfs prefetch [-n] [--jobs N] [--json] [--progress] REV[:PATH]...\n"
	     "revfs prefetch [-n] [--jobs N] [--json] [--progress] PATH_IN_A_MOUNT...",
    .summary = "bring what revisions need into the cache",
};
