/*
 * revfs snapshot: records datasets of the work tree and commits their pointers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/codec.h"
#include "fs/commit.h"
#include "fs/ignore_settle.h"
#include "tools/commands.h"
#include "tools/config.h"
#include "tools/output.h"
#include "tools/setup.h"
#include "tools/shown.h"
#include "tools/snapshot_publish.h"
#include "tools/snapshot_record.h"
#include "tools/snapshot_report.h"
#include "tools/stop.h"

#define LOCK_WAIT_MS 10000
#define MESSAGE_SIZE_MAX ((size_t)16 << 20)
#define MESSAGE_PIECE 4096

struct options {
	const char *message;
	const char *message_file;
	bool no_commit, full, force, skip_special, outside_links;
	unsigned jobs;
	struct command_given given;
};

/* Everything of one run. */
struct run {
	struct options options;
	char *message; /* of the commit, as given; or NULL */
	struct session session;
	struct worktree wt;
	struct config *config;
	struct snapshot_plan plan;
	struct store_writer *writer;
	struct source *source;
	struct exclude *exclude;
	struct snapshot_record record;
	struct snapshot_publish publish;
	uint64_t began_ns;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	enum { NO_COMMIT = COMMAND_LONG, FULL, FORCE, SKIP, OUTSIDE };
	static const struct option options[] = {
	    {"message", required_argument, NULL, 'm'},
	    {"file", required_argument, NULL, 'F'},
	    {"no-commit", no_argument, NULL, NO_COMMIT},
	    {"full", no_argument, NULL, FULL},
	    {"force", no_argument, NULL, FORCE},
	    {"skip-special", no_argument, NULL, SKIP},
	    {"allow-outside-links", no_argument, NULL, OUTSIDE},
	    {"jobs", required_argument, NULL, 'j'},
	    {0},
	};
	int option, status;

	while ((option = command_option_shared(&command_snapshot, argc, argv, "m:F:j:", options,
	                                       COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &o->given)) != -1) {
		switch (option) {
		case 'm':
			o->message = optarg;
			break;
		case 'F':
			o->message_file = optarg;
			break;
		case NO_COMMIT:
			o->no_commit = true;
			break;
		case FULL:
			o->full = true;
			break;
		case FORCE:
			o->force = true;
			break;
		case SKIP:
			o->skip_special = true;
			break;
		case OUTSIDE:
			o->outside_links = true;
			break;
		default:
			status = command_jobs(optarg, &o->jobs);
			if (status)
				return status;
		}
	}
	if (o->message && o->message_file)
		return fail_usage("-m and -F exclude each other");
	if (o->no_commit && (o->message || o->message_file))
		return fail_usage("--no-commit takes no message");
	return EXIT_DONE;
}

/* As many threads as were asked for, here or by the setting, else as there are cores.  0, or an exit status. */
static int set_jobs(struct run *run, unsigned *jobs)
{
	int64_t set = run->options.jobs;
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (!set && config_integer(run->config, "snapshot.jobs", &set) == -EINVAL)
		return EXIT_USAGE;
	if (set < 0 || set > 1024)
		return fail_usage("snapshot.jobs is %lld: a number from 1 to 1024 is wanted", (long long)set);
	*jobs = set ? (unsigned)set : cores > 0 ? (unsigned)cores : 1;
	return EXIT_DONE;
}

static int set_engine(struct run *run)
{
	const char *const *patterns = config_all(run->config, "snapshot.exclude");
	int64_t level = CODEC_LEVEL_DEFAULT;
	unsigned jobs = 1;
	int status = set_jobs(run, &jobs);
	int error = config_integer(run->config, "snapshot.level", &level);

	if (status || error == -EINVAL)
		return EXIT_USAGE;
	if (level < CODEC_LEVEL_MIN || level > CODEC_LEVEL_MAX)
		return fail_usage("snapshot.level is %lld: a number from %d to %d is wanted", (long long)level,
		                  CODEC_LEVEL_MIN, CODEC_LEVEL_MAX);
	if (!patterns || exclude_new(patterns, &run->exclude))
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	run->record.plan = &run->plan;
	run->record.engine = (struct snapshot_run){
	    .writer = run->writer,
	    .source = run->source,
	    .io = io_system(),
	    .jobs = jobs,
	    .level = (int)level,
	    .full = run->options.full,
	    .dry = run->options.given.dry_run,
	    .skip_special = run->options.skip_special,
	    .outside_links = run->options.outside_links,
	    .exclude = *patterns ? run->exclude : NULL,
	    .start = io_now(io_system()),
	    .cancelled = stop_flag(),
	};
	return EXIT_DONE;
}

/* Make all that was recorded last: packs, then roots. */
static int commit_store(struct run *run)
{
	int error = store_writer_commit(run->writer);

	for (size_t i = 0; !error && i < run->plan.count; i++) {
		struct snapshot_item *item = &run->plan.items[i];

		if (item->ready && !item->result.unchanged)
			error = builder_put_root(run->session.store, run->writer, &item->result.root);
	}
	return error ? fail(exit_code_of(error), "cannot write to the store: %s", error_text(error)) : EXIT_DONE;
}

static bool any_ready(const struct snapshot_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (plan->items[i].ready)
			return true;
	}
	return false;
}

static int open_writer(struct run *run)
{
	int error = run->options.given.dry_run ? store_writer_open_dry(run->session.store, &run->writer)
	                                       : store_writer_open(run->session.store, &run->writer);

	if (error == -EBUSY)
		return fail(EXIT_BUSY, "the store is locked by another command ('revfs gc'?): try again later");
	if (!error && run->session.source)
		error = source_open(run->session.store, run->session.memory, run->writer, &run->source);
	if (!error && run->source)
		source_set_fetch(run->source, remotes_find, run->session.remotes);
	return error ? fail(exit_code_of(error), "cannot write to the store: %s", error_text(error)) : EXIT_DONE;
}

static int take_lock(struct run *run)
{
	int error = worktree_open(io_system(), run->session.repo, !run->options.given.dry_run, &run->wt);

	if (error)
		return fail(exit_code_of(error), "cannot open the work tree: %s", error_text(error));
	if (run->options.given.dry_run)
		return EXIT_DONE;
	error = worktree_lock(&run->wt, LOCK_WAIT_MS);
	if (error == -EBUSY)
		return fail(EXIT_BUSY, "another snapshot or checkout is at work in this work tree");
	if (error)
		return fail(exit_code_of(error), "cannot lock the work tree: %s", error_text(error));
	error = ignore_settle(&run->wt, run->session.source);
	if (error)
		return fail(exit_code_of(error), "cannot update .git/info/exclude: %s", error_text(error));
	error = commit_settle(&run->wt);
	return error ? fail(exit_code_of(error), "cannot sync the Git directory: %s", error_text(error)) : EXIT_DONE;
}

/* Everything that FD gives, as a string. */
static int read_text(int fd, struct buffer *text)
{
	ssize_t got;

	do {
		uint8_t *room = buffer_reserve(text, MESSAGE_PIECE);

		if (!room)
			return -ENOMEM;
		got = read(fd, room, MESSAGE_PIECE);
		if (got < 0)
			return -errno;
		text->len += (size_t)got;
		if (text->len > MESSAGE_SIZE_MAX)
			return -EFBIG;
	} while (got > 0);
	buffer_put8(text, 0);
	return text->failed ? -ENOMEM : 0;
}

/* The message of -m or -F; NULL without either.  A file may be anything that can be read: a link, a pipe. */
static int read_message(struct run *run)
{
	const char *path = run->options.message_file;
	bool is_input = path && !strcmp(path, "-");
	struct buffer text = {0};
	int fd, error;

	if (run->options.message) {
		run->message = strdup(run->options.message);
		return run->message ? EXIT_DONE : fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	}
	if (!path || run->options.given.dry_run)
		return EXIT_DONE;
	fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	error = fd < 0 ? -errno : read_text(fd, &text);
	if (fd >= 0 && !is_input)
		close(fd);
	run->message = (char *)text.data;
	if (!error)
		return EXIT_DONE;
	if (error == -EINTR)
		return stop_status();
	return fail(exit_code_of(error), "cannot read the message file '%s': %s", shown(path), error_text(error));
}

/* Everything from the lock to the commit. */
static int run_all(struct run *run, char **arguments, size_t count)
{
	int status = read_message(run);
	bool config_made;

	if (!status)
		status = take_lock(run);
	if (!status)
		status = exit_code_of(config_open(run->session.repo, &run->config));
	if (!status)
		status = snapshot_plan_make(&run->session, &run->wt, arguments, count, run->options.force, &run->plan);
	if (status || !any_ready(&run->plan))
		return status;
	run->publish = (struct snapshot_publish){
	    .wt = &run->wt,
	    .plan = &run->plan,
	    .message = run->message,
	    .no_commit = run->options.no_commit,
	    .operation = worktree_in_progress(&run->wt),
	};
	status = open_writer(run);
	if (!status)
		status = set_engine(run);
	if (!status)
		status = snapshot_record_all(&run->record, run->options.given.progress);
	if (!status && !run->options.given.dry_run)
		status = commit_store(run);
	if (status || run->options.given.dry_run || !any_ready(&run->plan))
		return status;
	/* One that only the work tree lacks was left out of it. */
	run->publish.has_config = setup_is_committed(run->session.repo);
	if (!run->publish.has_config)
		status = setup_write_config(&run->wt, &config_made);
	if (!status)
		status = snapshot_publish_files(&run->publish);
	return status ? status : snapshot_publish_git(&run->publish);
}

static void release(struct run *run)
{
	snapshot_plan_release(&run->plan);
	free(run->message);
	if (run->source)
		source_close(run->source);
	store_writer_close(run->writer);
	exclude_free(run->exclude);
	if (run->config)
		config_close(run->config);
	if (run->wt.io)
		worktree_close(&run->wt);
	session_close(&run->session);
}

static void report(const struct run *run)
{
	const struct snapshot_publish *publish = &run->publish;
	struct snapshot_report text = {
	    .plan = &run->plan,
	    .commit = publish->committed ? &publish->commit : NULL,
	    .note = run->options.given.dry_run ? "nothing was written"
	            : *publish->note           ? publish->note
	                                       : NULL,
	    .seconds = (double)(io_monotonic_ns(io_system()) - run->began_ns) / 1e9,
	};

	snapshot_report_print(&text);
}

static int snapshot(int argc, char **argv)
{
	struct run run = {.began_ns = io_monotonic_ns(io_system())};
	int status = parse_options(argc, argv, &run.options);

	if (!status)
		status = session_open(&run.session,
		                      SESSION_WORK_TREE | (run.options.given.dry_run ? SESSION_STORE : SESSION_CREATE));
	if (status)
		return status;
	stop_catch();
	status = run_all(&run, argv + optind, (size_t)(argc - optind));
	if (!status) {
		for (size_t i = 0; i < run.plan.count; i++) {
			if (snapshot_report_is_told(&run.plan.items[i]))
				outcome_add(&run.plan.outcome, EXIT_DONE);
		}
		status = outcome_status(&run.plan.outcome);
		/* Of a failure the error object tells; a document tells what was done. */
		if (!globals.json || status == EXIT_DONE || status == EXIT_PARTIAL)
			report(&run);
	}
	release(&run);
	return stop_finish(status);
}

const struct command command_snapshot = {
    .name = "snapshot",
    .run = snapshot,
    .usage = "revfs snapshot [-m MSG | -F FILE | --no-commit] [-n] [--full] [--force] [--skip-special] "
	     "[--allow-outside-links] [--jobs N] [--json] [PATH...]",
    .summary = "record datasets of the work tree and commit them",
};
