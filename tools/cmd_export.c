/*
 * revfs export: a plain copy of a revision, or of a part of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/io.h"
#include "fs/materialise.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/shown.h"
#include "tools/staging.h"
#include "tools/stop.h"

struct options {
	const char *root; /* id of a root, in the place of REV:PATH */
	unsigned jobs;
	struct command_given given;
};

/* Everything of one run. */
struct run {
	struct options options;
	struct session session;
	struct target target; /* zeroed with --root */
	const char *subject;  /* what is exported, for messages */
	const char *dir;
	struct place place;
	struct staging staging;
	struct progress *progress;
	struct materialise_stats stats;
	uint64_t began_ns;
	int first_failure; /* an exit status */
};

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
	    {"root", required_argument, NULL, COMMAND_LONG},
	    {"jobs", required_argument, NULL, 'j'},
	    {0},
	};
	int option, status = EXIT_DONE;

	while (!status && (option = command_option_shared(&command_export, argc, argv, "j:", options,
	                                                  COMMAND_JSON | COMMAND_PROGRESS, &o->given)) != -1) {
		if (option == COMMAND_LONG)
			o->root = optarg;
		else
			status = command_jobs(optarg, &o->jobs);
	}
	return status;
}

/* "REV:a/b" for the path b below REV:a; malloc'ed. */
static char *name_of(const struct run *run, const char *path)
{
	size_t len = strlen(run->subject);
	bool slash = len > 0 && run->subject[len - 1] != ':' && run->subject[len - 1] != '/';
	bool colon = slash && !strchr(run->subject, ':') && !run->options.root;
	char *name;

	if (!*path)
		return strdup(run->subject);
	if (asprintf(&name, "%s%s%s", run->subject, colon ? ":" : slash ? "/" : "", path) < 0)
		return NULL;
	return name;
}

/* Called by one worker at a time. */
static void on_failed(void *arg, const char *path, int error, bool cannot_write)
{
	struct run *run = arg;
	char *name = name_of(run, path), *quoted = name ? output_quoted(name) : NULL;
	int status;

	if (cannot_write)
		status = fail(exit_code_of(error), "cannot write the copy of '%s': %s", quoted ? quoted : path,
		              error_text(error));
	else
		status = session_unreadable(&run->session, name ? name : path, error);
	if (!run->first_failure)
		run->first_failure = status;
	free(quoted);
	free(name);
}

static void on_written(void *arg, const char *path, const struct place *place, const struct deposited *result)
{
	struct run *run = arg;

	(void)path;
	(void)result;
	progress_add(run->progress, 1, place->size, 0);
}

/* The place of --root: a directory, or a dataset that is one file. */
static int find_root(struct run *run, const char *hex, struct place *place)
{
	struct page_pin pin = {0};
	struct id id;
	int r;

	if (id_parse(hex, strlen(hex), &id) < 0)
		return fail_usage("'--root %s': 64 lower-case hex digits are wanted", hex);
	memset(place, 0, sizeof(*place));
	r = run->session.source ? source_pin_root(run->session.source, PAGE_DIRECTORY, &id, &pin) : -ENODATA;
	if (r == 0) {
		place->kind = PLACE_DATA_DIRECTORY;
		place->directory =
		    (struct directory){.id = id, .is_root = true, .totals_known = true, .totals = pin.page->totals};
	} else if (r == -EBADMSG && (r = source_pin_root(run->session.source, PAGE_FILE, &id, &pin)) == 0) {
		struct entry entry;

		page_entry(pin.page, 0, &entry);
		place->kind = PLACE_DATA_FILE;
		place->executable = entry.executable;
		place->size = entry.size;
		place->time = (struct timespec){entry.time.known ? entry.time.seconds : 0, entry.time.nanoseconds};
		r = content_of(&entry, &place->content);
	}
	if (pin.page)
		source_unpin_page(run->session.source, &pin);
	place->is_dataset = true;
	if (r == -ENODATA)
		return fail(EXIT_NOT_FOUND, "there is no root '%s' in the store", hex);
	return r < 0 ? session_unreadable(&run->session, hex, r) : EXIT_DONE;
}

static int find_place(struct run *run, const char *argument)
{
	int status;

	if (run->options.root) {
		run->subject = run->options.root;
		return find_root(run, run->options.root, &run->place);
	}
	status = session_target(&run->session, argument, &run->target);
	if (status)
		return status;
	run->subject = run->target.name;
	status = session_place(&run->session, &run->target, &run->place);
	if (!status && run->place.kind == PLACE_BROKEN)
		status = session_unreadable(&run->session, run->subject, run->place.error);
	return status;
}

/* What is built, so that an interrupted run is only gone on with by the same one. */
static void describe(const struct run *run, char text[256])
{
	uint8_t identity[16];
	char commit[OID_HEX_MAX] = "", hex[PACK_ID_HEX_SIZE];
	struct pack_id id;

	place_identity(&run->place, identity);
	memcpy(id.bytes, identity, sizeof(identity));
	if (!run->options.root)
		oid_format(&run->target.commit, commit);
	snprintf(text, 256, "commit %s place %s", commit, pack_id_format(&id, hex));
}

/* Deep trees hold a descriptor a level. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void expect_totals(struct run *run)
{
	struct totals totals;

	if (run->place.kind == PLACE_DATA_DIRECTORY &&
	    directory_totals(run->session.source, &run->place.directory, &totals) == 0)
		progress_total(run->progress, totals.files, totals.bytes);
	else if (!place_is_directory(&run->place))
		progress_total(run->progress, 1, run->place.size);
}

/* Write everything below DIRFD.  Returns 0 or -errno, what ended everything. */
static int write_below(struct run *run, int dirfd)
{
	struct materialise_options options = {.world = &run->session.world,
	                                      .way = DEPOSIT_PRIVATE,
	                                      .threads = run->options.jobs,
	                                      .stop = stop_flag(),
	                                      .written = on_written,
	                                      .failed = on_failed,
	                                      .arg = run};
	struct materialise *m;
	int r = materialise_open(&options, dirfd, &m);

	if (r < 0)
		return r;
	run->progress = progress_start("exporting", run->options.given.progress);
	expect_totals(run);
	if (place_is_directory(&run->place))
		materialise_tree(m, "", &run->place);
	else
		materialise_add(m, STAGING_TREE, &run->place);
	r = materialise_finish(m, &run->stats);
	progress_end(run->progress);
	run->progress = NULL;
	return r;
}

static int write_copy(struct run *run)
{
	int fd, r;

	allow_many_files();
	if (!place_is_directory(&run->place))
		return write_below(run, run->staging.fd);
	if (mkdirat(run->staging.fd, STAGING_TREE, 0777) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(run->staging.fd, STAGING_TREE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_below(run, fd);
	close(fd);
	return r;
}

static double seconds_since(uint64_t began_ns)
{
	return (double)(io_monotonic_ns(io_system()) - began_ns) / 1e9;
}

static void report_json(const struct run *run)
{
	const struct materialise_stats *stats = &run->stats;
	json_t *value = json_object();
	char hex[OID_HEX_MAX];

	output_json_path(value, "directory", run->dir);
	if (run->options.root)
		json_object_set_new(value, "root", json_string(run->options.root));
	else
		json_object_set_new(value, "commit", json_string(oid_format(&run->target.commit, hex)));
	json_object_set_new(value, "files", json_integer((json_int_t)stats->files));
	json_object_set_new(value, "directories", json_integer((json_int_t)stats->directories));
	json_object_set_new(value, "bytes", json_integer((json_int_t)stats->bytes));
	json_object_set_new(value, "kept", json_integer((json_int_t)stats->kept));
	json_object_set_new(value, "failed", json_integer((json_int_t)stats->failed));
	json_object_set_new(value, "seconds", json_real(seconds_since(run->began_ns)));
	output_json(stdout, value);
}

static void report(const struct run *run)
{
	char files[32], bytes[32], kept[32];

	if (globals.json) {
		report_json(run);
		return;
	}
	if (globals.quiet)
		return;
	printf("%s %s, %s, written to '%s'", output_count(run->stats.files, files),
	       run->stats.files == 1 ? "file" : "files", output_size(run->stats.bytes, bytes), shown(run->dir));
	if (run->stats.kept)
		printf(", %s of them by an earlier run", output_count(run->stats.kept, kept));
	printf(", %.2f s\n", seconds_since(run->began_ns));
}

/* Write and publish.  What failed alone was named; what ended everything is told here. */
static int export_place(struct run *run)
{
	int status, r = write_copy(run);

	if (r == -EINTR && atomic_load(stop_flag())) {
		inform("interrupted; run this again to go on");
		return stop_status();
	}
	if (r < 0)
		return fail(exit_code_of(r), "cannot write '%s': %s; run this again to go on, or remove '%s' beside it",
		            shown(run->dir), error_text(r), shown(run->staging.hidden));
	if (run->stats.failed && !run->stats.files && !run->stats.directories)
		return run->first_failure;
	status = staging_publish(&run->staging);
	if (status)
		return status;
	report(run);
	return run->stats.failed ? EXIT_PARTIAL : EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct run run = {.began_ns = io_monotonic_ns(io_system()), .staging = {.fd = -1, .parent = -1}};
	int wanted, status = parse_options(argc, argv, &run.options);
	char what[256];

	if (status)
		return status;
	wanted = run.options.root ? 1 : 2;
	if (argc - optind != wanted)
		return fail_usage(argc - optind < wanted ? "no %s named" : "too many arguments behind the %s",
		                  argc - optind < wanted && wanted - (argc - optind) == 2 ? "revision" : "folder");
	run.dir = argv[argc - 1];
	status = session_open(&run.session, SESSION_STORE);
	if (status)
		return status;
	status = find_place(&run, argv[optind]);
	if (!status) {
		describe(&run, what);
		status = staging_open(run.dir, place_is_directory(&run.place), what, &run.staging);
	}
	if (!status) {
		/* A root has no commit whose time would stand for an unknown one. */
		if (run.options.root && run.place.kind == PLACE_DATA_DIRECTORY)
			run.place.time.tv_sec = run.place.commit_time = run.staging.since;
		stop_catch();
		status = export_place(&run);
		staging_close(&run.staging);
	}
	target_release(&run.target);
	session_close(&run.session);
	return stop_finish(status);
}

const struct command command_export = {
    .name = "export",
    .run = run,
    .usage = "revfs export [--jobs N] [--json] [--progress] REV[:PATH] DIR\n"
	     "revfs export [--jobs N] [--json] [--progress] --root ID DIR",
    .summary = "write a plain copy of a revision",
};
