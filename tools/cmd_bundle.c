/*
 * revfs bundle: one file that carries what revisions reach and others do not, data and commits, to where no remote can
 * be reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/remote/bundle.h"
#include "fs/remote/push.h"
#include "tools/bundle_file.h"
#include "tools/bundle_git.h"
#include "tools/bundle_manifest.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/shown.h"
#include "tools/stop.h"

#define LOCK_WAIT_MS 10000

struct run {
	bool without_git;
	struct command_given given;
	const char *file;
	const char **since; /* as typed */
	size_t since_count;
	struct session session;
	int lock;
	struct bundle_manifest manifest;
	struct oid *commits; /* of the manifest's: wanted first */
	struct bundle_writer *writer;
	struct remote *remote;
	struct remote_store *to;
	struct bundle bundle;
	struct push_result result;
	struct progress *progress;
	char *unfinished; /* the file until it is complete; NULL: none */
	char *git_file;   /* Git's part, in the store's tmp/; NULL: none */
	uint64_t bytes;
	uint64_t began_ns;
};

static int parse_options(int argc, char **argv, struct run *run)
{
	enum { SINCE = COMMAND_LONG, NO_GIT };
	static const struct option options[] = {
	    {"output", required_argument, NULL, 'o'},
	    {"since", required_argument, NULL, SINCE},
	    {"no-git", no_argument, NULL, NO_GIT},
	    {0},
	};
	int option;

	run->since = calloc((size_t)argc, sizeof(*run->since));
	if (!run->since)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	while ((option = command_option_shared(&command_bundle, argc, argv, "o:", options,
	                                       COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &run->given)) != -1) {
		if (option == 'o')
			run->file = optarg;
		else if (option == SINCE)
			run->since[run->since_count++] = optarg;
		else
			run->without_git = true;
	}
	return EXIT_DONE;
}

/* --- which revisions --- */

static int add_revision(struct run *run, const char *text, bool is_since)
{
	struct oid commit;
	int status = session_revision(&run->session, text, &commit);

	if (status)
		return status;
	run->commits[run->manifest.count] = commit;
	return bundle_manifest_add(&run->manifest, text, &commit, is_since)
	           ? fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM))
	           : EXIT_DONE;
}

static int choose(struct run *run, char **revisions, size_t count)
{
	int status = EXIT_DONE;

	run->commits = calloc(count + run->since_count + 1, sizeof(*run->commits));
	if (!run->commits)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; i < count && !status; i++)
		status = add_revision(run, revisions[i], false);
	for (size_t i = 0; i < run->since_count && !status; i++)
		status = add_revision(run, run->since[i], true);
	return status;
}

static int make_plan(struct run *run, size_t wanted)
{
	const struct bundle_tips tips = {
	    .wanted = run->commits,
	    .wanted_count = wanted,
	    .since = run->commits + wanted,
	    .since_count = run->since_count,
	};
	int error = bundle_plan(&run->bundle, run->session.repo, run->session.store, &tips, stop_flag());
	const char *failed = run->bundle.failed;

	if (error == -EINTR)
		return stop_status();
	if (error == -ENODATA && failed)
		return fail(EXIT_PARTIAL, "cannot bundle '%s': not all of its data is in the store here",
		            shown(failed));
	if (error && failed)
		return session_unreadable(&run->session, failed, error);
	if (error)
		return fail(exit_code_of(error), "cannot find what is to go: %s", error_text(error));
	if (!run->bundle.commits)
		return fail(EXIT_REFUSED, "there is nothing to bundle: --since has all of it");
	return EXIT_DONE;
}

/* --- the file --- */

static int put_commits(struct run *run)
{
	struct remote_body body = {.data = NULL};
	int error;

	body.fd = io_open_regular(io_system(), AT_FDCWD, run->git_file, &body.len);
	if (body.fd < 0)
		return body.fd;
	error = remote_put(run->remote, BUNDLE_COMMITS, &body, false);
	io_close(io_system(), body.fd);
	return error;
}

static int fail_file(const struct run *run, int error)
{
	if (error == -EINTR)
		return stop_status();
	return fail(exit_code_of(error), "cannot write '%s': %s", shown(run->file), error_text(error));
}

/* The file under another name beside its own, with what says what is in it. */
static int begin_file(struct run *run)
{
	struct pack_id random;
	char hex[PACK_ID_HEX_SIZE], *text;
	int error;

	io_random(io_system(), &random, sizeof(random));
	if (asprintf(&run->unfinished, "%s.%.8s", run->file, pack_id_format(&random, hex)) < 0) {
		run->unfinished = NULL;
		return fail_file(run, -ENOMEM);
	}
	error = bundle_writer_open(run->unfinished, &run->writer);
	if (!run->writer) {
		free(run->unfinished);
		run->unfinished = NULL;
	}
	if (!error)
		error = bundle_writer_remote(run->writer, &run->remote);
	if (!error)
		error = remote_store_open(io_system(), run->remote, NULL, &run->to);
	text = error ? NULL : bundle_manifest_format(&run->manifest);
	if (!error)
		error = text ? remote_put(run->remote, BUNDLE_MANIFEST,
		                          &(struct remote_body){.data = text, .len = strlen(text)}, false)
		             : -ENOMEM;
	free(text);
	return error ? fail_file(run, error) : EXIT_DONE;
}

static void on_progress(void *arg, uint64_t packs, uint64_t bytes)
{
	struct run *run = arg;

	progress_add(run->progress, packs, bytes, 0);
}

/* The folder that FILE is in, malloc'ed. */
static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	return !slash ? strdup(".") : strndup(file, slash == file ? 1 : (size_t)(slash - file));
}

static int finish_file(struct run *run)
{
	char *folder = folder_of(run->file);
	int error = !folder ? -ENOMEM : run->git_file ? put_commits(run) : 0;

	if (!error)
		error = bundle_writer_finish(run->writer, &run->bytes);
	if (!error)
		error = io_rename(io_system(), AT_FDCWD, run->unfinished, AT_FDCWD, run->file);
	if (!error) {
		free(run->unfinished);
		run->unfinished = NULL;
		error = io_fsync_dir(io_system(), AT_FDCWD, folder);
	}
	free(folder);
	return error ? fail_file(run, error) : EXIT_DONE;
}

/* How much would go, where nothing is to be written. */
static void count_plan(struct run *run)
{
	const struct push_plan *plan = &run->bundle.plan;
	struct push_result *r = &run->result;

	for (size_t i = 0; i < plan->packs_count; i++) {
		if (plan->packs[i].how == PUSH_WHOLE || plan->packs[i].how == PUSH_PART) {
			r->packs++;
			r->bytes += plan->packs[i].bytes;
		}
	}
	for (size_t i = 0; i < plan->roots_count; i++) {
		r->roots++;
		r->bytes += plan->roots[i].len;
	}
	run->bytes = r->bytes;
}

static int write_file(struct run *run)
{
	struct push_request request = {
	    .plan = &run->bundle.plan,
	    .cancelled = stop_flag(),
	    .progress = on_progress,
	    .arg = run,
	};
	int status = begin_file(run), error;

	if (status)
		return status;
	run->bundle.plan.to = run->to;
	run->progress = progress_start("bundling", run->given.progress);
	error = push_run(&request, &run->result);
	progress_end(run->progress);
	if (error == -EBADMSG)
		return fail(EXIT_DAMAGED, "cannot bundle '%s': damaged; 'revfs verify' names what it touches",
		            run->result.failed);
	return error ? fail_file(run, error) : finish_file(run);
}

static void report(const struct run *run)
{
	const struct push_result *r = &run->result;
	double seconds = (double)(io_monotonic_ns(io_system()) - run->began_ns) / 1e9;
	char packs[32], size[32], roots[32], commits[32];

	if (globals.json) {
		json_t *object = json_object();

		output_json_path(object, "file", run->file);
		json_object_update_new(object, json_pack("{sbsbsIsIsIsIsf}", "dry_run", run->given.dry_run, "git",
		                                         !run->without_git, "commits", (json_int_t)run->bundle.commits,
		                                         "packs", (json_int_t)r->packs, "roots", (json_int_t)r->roots,
		                                         "bytes", (json_int_t)run->bytes, "seconds", seconds));
		output_json(stdout, object);
		return;
	}
	if (globals.quiet)
		return;
	printf("%s: %s commits, %s packs, %s roots, %s, %.2f s\n", shown(run->file),
	       output_count(run->bundle.commits, commits), output_count(r->packs, packs), output_count(r->roots, roots),
	       output_size(run->bytes, size), seconds);
	if (run->given.dry_run)
		puts("nothing was written");
}

static int bundle_all(struct run *run, char **revisions, size_t count)
{
	int status = choose(run, revisions, count);

	if (status)
		return status;
	if (run->session.store) {
		run->lock = store_lock(run->session.store, false, LOCK_WAIT_MS);
		if (run->lock == -EBUSY)
			return fail(EXIT_BUSY, "the store is locked by another command ('revfs gc'?): try again later");
		if (run->lock < 0)
			return fail(exit_code_of(run->lock), "cannot lock the store: %s", error_text(run->lock));
	}
	status = make_plan(run, count);
	if (!status && !run->without_git && !run->given.dry_run)
		status = bundle_git_create(&run->session, &run->manifest, &run->git_file);
	if (!status && run->given.dry_run)
		count_plan(run);
	else if (!status)
		status = write_file(run);
	if (!status)
		report(run);
	return status;
}

static void release(struct run *run)
{
	remote_store_close(run->to);
	remote_close(run->remote);
	bundle_writer_close(run->writer);
	if (run->unfinished)
		io_unlink(io_system(), AT_FDCWD, run->unfinished);
	if (run->git_file)
		io_unlink(io_system(), AT_FDCWD, run->git_file);
	free(run->unfinished);
	free(run->git_file);
	bundle_release(&run->bundle);
	bundle_manifest_release(&run->manifest);
	free(run->commits);
	if (run->session.store)
		store_unlock(run->session.store, run->lock);
	session_close(&run->session);
}

static int bundle(int argc, char **argv)
{
	struct run run = {.lock = -1, .began_ns = io_monotonic_ns(io_system())};
	int status = parse_options(argc, argv, &run), count;

	count = argc - optind;
	if (!status && !run.file && count)
		run.file = argv[optind + --count];
	if (!status && !count)
		status = fail_usage(run.file ? "no revision named" : "no file named");
	if (!status)
		status = session_open(&run.session, run.given.dry_run ? SESSION_STORE : SESSION_CREATE);
	if (!status) {
		stop_catch();
		status = bundle_all(&run, argv + optind, (size_t)count);
		release(&run);
	}
	free(run.since);
	return stop_finish(status);
}

const struct command command_bundle = {
    .name = "bundle",
    .run = bundle,
    .usage = "revfs bundle [-n] [--since REV]... [--no-git] [--json] [--progress | --no-progress]\n"
	     "             REV... FILE\n"
	     "revfs bundle [OPTIONS] -o FILE REV...",
    .summary = "write what revisions hold, data and commits, to one file",
};
