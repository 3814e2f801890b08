/*
 * revfs gc: remove from the store, here or at a remote, what nothing needs any more.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fs/gc.h"
#include "tools/commands.h"
#include "tools/duration.h"
#include "tools/gc_at_remote.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/session.h"

struct run {
	struct gc_options options;
	struct gc_report report;
	struct progress *progress;
	uint64_t told; /* pages */
	struct timespec start;
	struct gc_at_remote at; /* a remote, where it has a name */
	bool forgets;
};

static void show_progress(void *arg, uint64_t pages, uint64_t chunks)
{
	struct run *run = arg;

	(void)chunks;
	progress_add(run->progress, pages - run->told, 0, 0);
	run->told = pages;
}

static bool is_zero(const struct gc_count *count)
{
	return count->packs == 0 && count->roots == 0;
}

/* "2 packs and 1 root, 3.4 MiB" */
static void format_count(const struct gc_count *count, char text[128])
{
	char packs[32], roots[32], bytes[32];
	const char *and = count->packs && count->roots ? " and " : "";

	output_count(count->packs, packs);
	output_count(count->roots, roots);
	snprintf(text, 128, "%s%s%s%s%s, %s", count->packs ? packs : "",
	         count->packs == 1  ? " pack"
	         : count->packs > 1 ? " packs"
	                            : "",
	         and, count->roots ? roots : "",
	         count->roots == 1  ? " root"
	         : count->roots > 1 ? " roots"
	                            : "",
	         output_size(count->bytes, bytes));
}

static void print_count(const char *title, const struct gc_count *count, const char *rest)
{
	char text[128];

	if (is_zero(count))
		return;
	format_count(count, text);
	printf("%s: %s%s\n", title, text, rest);
}

static void print_report(const struct run *run)
{
	const struct gc_report *report = &run->report;
	const bool dry = run->options.dry_run;
	char after[96], keep[32], written[32], packs[32], swept[32], swept_size[32];

	if (run->options.keep_s > 0)
		snprintf(after, sizeof(after), "; a run after %s deletes them",
		         duration_format(run->options.keep_s, keep));
	else
		snprintf(after, sizeof(after), "; the next run deletes them");
	print_count(dry ? "would be deleted" : "deleted", &report->deleted, "");
	print_count(dry ? "would be condemned" : "condemned", &report->condemned, after);
	if (report->repacked_packs)
		printf("written: %s, what is alive in %s mostly dead pack%s\n",
		       output_size(report->written_bytes, written), output_count(report->repacked_packs, packs),
		       report->repacked_packs == 1 ? "" : "s");
	if (run->at.name && report->swept)
		printf("%s: %s unfinished file%s%s%s\n", dry ? "would be swept" : "swept",
		       output_count(report->swept, swept), report->swept == 1 ? "" : "s",
		       report->swept_bytes ? ", " : "",
		       report->swept_bytes ? output_size(report->swept_bytes, swept_size) : "");
	print_count("waiting", &report->waiting, ", condemned by an earlier run");
	print_count("needed again", &report->reprieved, ", condemned by an earlier run");
	if (run->forgets && dry && !is_zero(&report->condemned))
		printf("nothing was changed: '--yes' condemns them\n");
	if (is_zero(&report->deleted) && is_zero(&report->condemned) && is_zero(&report->waiting) &&
	    is_zero(&report->reprieved) && !(run->at.name && report->swept))
		printf("nothing to remove\n");
}

static json_t *json_count(const struct gc_count *count)
{
	return json_pack("{s:I,s:I,s:I}", "packs", (json_int_t)count->packs, "roots", (json_int_t)count->roots, "bytes",
	                 (json_int_t)count->bytes);
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void json_report(const struct run *run)
{
	const struct gc_report *report = &run->report;
	json_t *document = json_object();

	if (run->at.name)
		json_object_set_new(document, "remote", json_string(run->at.name));
	json_object_set_new(document, "dry_run", json_boolean(run->options.dry_run));
	json_object_set_new(document, "keep_seconds", json_integer((json_int_t)run->options.keep_s));
	json_object_set_new(document, "store", json_count(&report->store));
	json_object_set_new(document, "live_pages", json_integer((json_int_t)report->live_pages));
	json_object_set_new(document, "live_chunks", json_integer((json_int_t)report->live_chunks));
	json_object_set_new(document, "deleted", json_count(&report->deleted));
	json_object_set_new(document, "condemned", json_count(&report->condemned));
	json_object_set_new(document, "waiting", json_count(&report->waiting));
	json_object_set_new(document, "reprieved", json_count(&report->reprieved));
	json_object_set_new(document, "repacked_packs", json_integer((json_int_t)report->repacked_packs));
	json_object_set_new(document, "written_bytes", json_integer((json_int_t)report->written_bytes));
	json_object_set_new(document, "unreadable_packs", json_integer((json_int_t)report->unreadable_packs));
	json_object_set_new(document, "swept", json_integer((json_int_t)report->swept));
	json_object_set_new(document, "seconds", json_real(seconds_since(&run->start)));
	output_json(stdout, document);
}

static int name_failure(const struct run *run, int error)
{
	const char *blamed = run->report.blamed;

	if (error == -EBUSY)
		return fail(EXIT_BUSY, "another revfs is writing to the store, try again when it is done");
	if (blamed && error == -ENOTSUP)
		return fail(EXIT_REFUSED, "nothing was removed: %s is of a later version of revfs, upgrade this one",
		            blamed);
	if (blamed)
		return fail(error == -ENODATA ? EXIT_DAMAGED : exit_code_of(error),
		            "nothing was removed: %s cannot be read: %s; 'revfs verify' says what that touches", blamed,
		            error == -ENODATA ? "it is missing" : error_text(error));
	return fail(exit_code_of(error), "cannot collect garbage in the store: %s", error_text(error));
}

static int collect(struct session *s, struct run *run, int wanted)
{
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &run->start);
	if (run->at.name) {
		run->at.options.dry_run = run->options.dry_run;
		run->at.options.keep_s = run->options.keep_s;
		run->at.progress = wanted;
		ret = gc_at_remote(s, &run->at, &run->report);
		if (ret)
			return ret;
	} else if (s->store) {
		run->options.progress = show_progress;
		run->options.arg = run;
		run->options.fetch = remotes_fetch(s->remotes);
		run->progress = progress_start("marking", wanted);
		ret = gc_run(s->repo, s->store, &run->options, &run->report);
		progress_end(run->progress);
		if (ret)
			return name_failure(run, ret);
	}
	if (run->report.unreadable_packs && !run->at.name)
		warn("%" PRIu64 " damaged pack%s cannot be looked into and stay%s: see 'revfs verify'",
		     run->report.unreadable_packs, run->report.unreadable_packs == 1 ? "" : "s",
		     run->report.unreadable_packs == 1 ? "s" : "");
	if (globals.json)
		json_report(run);
	else if (!globals.quiet)
		print_report(run);
	return EXIT_DONE;
}

/* What the options and arguments ask for together. */
static int settle(struct run *run, int argc, char **argv, bool forget)
{
	if (forget && !run->at.name)
		return fail_usage("--forget wants --remote");
	if (run->at.yes && !run->at.name)
		return fail_usage("--yes wants --remote");
	if (forget && optind == argc)
		return fail_usage("--forget wants revisions");
	if (!forget && optind < argc)
		return fail_usage("gc takes no arguments: '%s'", argv[optind]);
	if (forget) {
		run->at.forget = argv + optind;
		run->at.forget_count = (size_t)(argc - optind);
		run->forgets = true;
		run->options.dry_run = run->options.dry_run || !run->at.yes;
	}
	return EXIT_DONE;
}

static int run_gc(int argc, char **argv)
{
	enum { KEEP = COMMAND_LONG, REMOTE, FORGET };
	static const struct option options[] = {
	    {"keep", required_argument, NULL, KEEP},
	    {"remote", required_argument, NULL, REMOTE},
	    {"forget", no_argument, NULL, FORGET},
	    {"yes", no_argument, NULL, 'y'},
	    {0},
	};
	struct run run = {.options = {.keep_s = GC_KEEP_S}};
	struct session session;
	struct command_given given;
	int option, status;
	bool forget = false;

	while ((option = command_option_shared(&command_gc, argc, argv, "y", options,
	                                       COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &given)) != -1) {
		if (option == 'y')
			run.at.yes = true;
		else if (option == KEEP && duration_parse(optarg, &run.options.keep_s))
			return fail_usage("'%s' is no length of time: a number and s, m, h or d", optarg);
		else if (option == REMOTE)
			run.at.name = optarg;
		else if (option == FORGET)
			forget = true;
	}
	run.options.dry_run = given.dry_run;
	status = settle(&run, argc, argv, forget);
	if (status)
		return status;
	status = session_open(&session, SESSION_STORE);
	if (!status)
		status = collect(&session, &run, given.progress);
	gc_report_release(&run.report);
	session_close(&session);
	return status;
}

const struct command command_gc = {
    .name = "gc",
    .run = run_gc,
    .usage = "revfs gc [-n] [--keep DURATION] [--remote NAME [--yes] [--forget REV...]] [--json] "
	     "[--progress | --no-progress]",
    .summary = "remove from the store what nothing needs any more",
};
