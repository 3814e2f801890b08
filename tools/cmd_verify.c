/*
 * revfs verify: check the store, here or at a remote, against its hashes, and name what damage touches.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/trace.h"
#include "fs/verify.h"
#include "tools/commands.h"
#include "tools/named_remote.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/verify_repair.h"

/* What is printed of one damage, unless -v asks for all. */
#define SHOWN_PATHS 20
#define SHOWN_REVISIONS 5
#define ABBREVIATED 12

/* Rounds of repairing: what is below a page can be checked once that is whole. */
#define ROUNDS_MAX 50

/* A ref, and the commit it leads to. */
struct name {
	struct oid commit;
	char *name; /* as people write it */
};

struct run {
	struct session session;
	struct verify_options options;
	struct verify_report report;
	struct trace trace;
	struct oid *tips;
	size_t tips_count;
	struct name *names;
	size_t names_count;
	struct command_given given;
	struct progress *progress;
	struct timespec start;
	bool broken_refs;        /* some were named */
	const char *remote_name; /* NULL: the store here */
	struct named_remote named;
	bool repairs;
	struct verify_repair repair;
};

static void release(struct run *run)
{
	for (size_t i = 0; i < run->names_count; i++)
		free(run->names[i].name);
	free(run->names);
	free(run->tips);
	trace_release(&run->trace);
	verify_report_release(&run->report);
	named_remote_close(&run->named);
	session_close(&run->session);
}

/* --- what to check --- */

static int add_tip(struct run *run, const struct oid *commit)
{
	struct oid *tips = reallocarray(run->tips, run->tips_count + 1, sizeof(*tips));

	if (!tips)
		return -ENOMEM;
	run->tips = tips;
	tips[run->tips_count++] = *commit;
	return 0;
}

/* "refs/tags/v1" as "v1". */
static const char *short_name(const char *ref)
{
	static const char *const prefixes[] = {"refs/tags/", "refs/heads/", "refs/remotes/", "refs/"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		if (strncmp(ref, prefixes[i], strlen(prefixes[i])) == 0)
			return ref + strlen(prefixes[i]);
	}
	return ref;
}

static int add_name(struct run *run, const struct oid *commit, const char *ref)
{
	struct name *names = reallocarray(run->names, run->names_count + 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	run->names = names;
	names[run->names_count] = (struct name){.commit = *commit, .name = strdup(short_name(ref))};
	return names[run->names_count++].name ? 0 : -ENOMEM;
}

/* Every ref is a name; without an argument, all that lead to a commit are what to check. */
static int take_ref(void *arg, const struct repo_ref *ref)
{
	struct run *run = arg;
	struct oid commit;
	int ret = repo_peel(run->session.repo, &ref->target, &commit);

	if (ret == -EINVAL)
		return 0; /* a tag of something else */
	if (ret == -ENOENT || ret == -EBADMSG) {
		fail(EXIT_FOUND, "the commit that '%s' leads to is missing: 'git fsck' says more", ref->name);
		run->broken_refs = true;
		return 0;
	}
	if (!ret && !ref->symbolic)
		ret = add_name(run, &commit, ref->name);
	return ret ? ret : add_tip(run, &commit);
}

static int take_all(struct run *run)
{
	struct repo_ref head = {.name = "HEAD", .symbolic = true};
	int ret = repo_each_ref(run->session.repo, take_ref, run);

	if (!ret && repo_ref(run->session.repo, head.name, &head.target) == 0)
		ret = take_ref(run, &head);
	return ret;
}

/* The revisions named, and whatever refs there are as names for commits. */
static int take_revisions(struct run *run, char **arguments, int count)
{
	int ret = take_all(run);

	if (ret)
		return fail(exit_code_of(ret), "cannot read the refs: %s", error_text(ret));
	if (count == 0)
		return EXIT_DONE;
	run->tips_count = 0;
	run->broken_refs = false;
	for (int i = 0; i < count; i++) {
		struct oid commit;
		int status = session_revision(&run->session, arguments[i], &commit);

		if (status)
			return status;
		if (add_tip(run, &commit))
			return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	}
	return EXIT_DONE;
}

/* --- telling --- */

static const char *kind_text(const struct verify_damage *d)
{
	static const char *const kinds[] = {
	    [VERIFY_GIT] = "git",   [VERIFY_POINTER] = "pointer", [VERIFY_ROOT] = "root",
	    [VERIFY_PAGE] = "page", [VERIFY_CHUNK] = "chunk",     [VERIFY_PACK] = "pack",
	};

	return kinds[d->kind];
}

static const char *state_text(const struct verify_damage *d)
{
	if (d->error == -ENODATA)
		return "missing";
	if (d->error == -ENOTSUP)
		return "too new";
	return d->error == -EBADMSG ? "damaged" : "unreadable";
}

/* "damaged: chunk 3f2a... in the pack 0011... at 1234: ..." */
static void print_damage(const struct verify_damage *d)
{
	char id[ID_HEX_SIZE], pack[PACK_ID_HEX_SIZE];

	printf("%s: ", state_text(d));
	if (d->kind == VERIFY_GIT || d->kind == VERIFY_POINTER) {
		printf("%s ", d->kind == VERIFY_GIT ? "what Git has of" : "the pointer of");
		output_name(stdout, *d->path ? d->path : ".", false);
	} else if (d->kind == VERIFY_PACK) {
		printf("the %spack %s", d->error == -ENODATA ? "" : "index of the ", pack_id_format(&d->at.pack, pack));
	} else {
		printf("the %s%s %s", kind_text(d), d->kind == VERIFY_ROOT ? " file" : "", id_format(&d->id, id));
		if (d->at.offset)
			printf(" in the pack %s at %" PRIu32, pack_id_format(&d->at.pack, pack), d->at.offset);
	}
	if (d->why)
		printf(": %s", d->why);
	else if (strcmp(state_text(d), "unreadable") == 0)
		printf(": %s", error_text(d->error));
	printf("%s\n", d->saved ? ", another copy is good" : "");
}

/* The name of a commit: the first ref that leads to it, else the beginning of its id. */
static const char *commit_name(const struct run *run, const struct oid *commit, char hex[OID_HEX_MAX])
{
	for (size_t i = 0; i < run->names_count; i++) {
		if (oid_equal(&run->names[i].commit, commit))
			return run->names[i].name;
	}
	oid_format(commit, hex);
	hex[ABBREVIATED] = '\0';
	return hex;
}

static void print_path(const struct run *run, const struct trace_path *path)
{
	size_t shown = globals.verbose || path->count < SHOWN_REVISIONS ? path->count : SHOWN_REVISIONS;
	uint64_t more = path->count - shown + path->more;
	char hex[OID_HEX_MAX];

	printf("    ");
	output_name(stdout, *path->path ? path->path : ".", false);
	for (size_t i = 0; i < shown; i++)
		printf("%s%s", i == 0 ? " in " : ", ", commit_name(run, &path->commits[i], hex));
	if (more)
		printf(" and %" PRIu64 " more revision%s", more, more == 1 ? "" : "s");
	putchar('\n');
}

static void print_touched(const struct run *run, const struct trace_damage *touched)
{
	size_t shown = globals.verbose || touched->count < SHOWN_PATHS ? touched->count : SHOWN_PATHS;

	for (size_t i = 0; i < shown; i++)
		print_path(run, &touched->paths[i]);
	if (touched->more)
		printf("    and more paths\n");
	else if (shown < touched->count)
		printf("    and %zu more path%s: -v shows them\n", touched->count - shown,
		       touched->count - shown == 1 ? "" : "s");
}

static void print_summary(const struct run *run)
{
	const struct verify_report *r = &run->report;
	char commits[32], datasets[32], pages[32], chunks[32], bytes[32], damaged[32];

	printf("checked %s revision%s, %s dataset%s, %s page%s, %s chunk%s, %s: ", output_count(r->commits, commits),
	       r->commits == 1 ? "" : "s", output_count(r->datasets, datasets), r->datasets == 1 ? "" : "s",
	       output_count(r->pages, pages), r->pages == 1 ? "" : "s", output_count(r->chunks, chunks),
	       r->chunks == 1 ? "" : "s", output_size(r->bytes, bytes));
	if (r->damaged)
		printf("%s damaged\n", output_count(r->damaged, damaged));
	else
		printf("no damage\n");
	if (r->unread)
		printf("not in the sample: %s chunk%s\n", output_count(r->unread, chunks), r->unread == 1 ? "" : "s");
	if (r->elsewhere)
		printf("not here, and not looked for at remotes: %s page%s and chunks\n",
		       output_count(r->elsewhere, pages), r->elsewhere == 1 ? "" : "s");
}

static void print_report(const struct run *run)
{
	char repaired[128];

	for (size_t i = 0; i < run->report.count; i++) {
		print_damage(&run->report.damages[i]);
		print_touched(run, &run->trace.damages[i]);
	}
	if (run->repairs && *verify_repair_text(&run->repair, repaired) && !globals.quiet)
		printf("repaired: %s\n", repaired);
	if (run->report.damaged > run->report.count)
		printf("only the first %zu are named\n", run->report.count);
	if (!globals.quiet)
		print_summary(run);
}

static json_t *json_paths(const struct trace_damage *touched)
{
	json_t *list = json_array();

	for (size_t i = 0; i < touched->count; i++) {
		const struct trace_path *path = &touched->paths[i];
		json_t *item = json_object(), *revisions = json_array();
		char hex[OID_HEX_MAX];

		output_json_path(item, "path", path->path);
		for (size_t j = 0; j < path->count; j++)
			json_array_append_new(revisions, json_string(oid_format(&path->commits[j], hex)));
		json_object_set_new(item, "revisions", revisions);
		if (path->more)
			json_object_set_new(item, "more_revisions", json_integer((json_int_t)path->more));
		json_array_append_new(list, item);
	}
	return list;
}

static json_t *json_damage(const struct verify_damage *d, const struct trace_damage *touched)
{
	json_t *item = json_object();
	char hex[ID_HEX_SIZE + 8];

	json_object_set_new(item, "kind", json_string(kind_text(d)));
	json_object_set_new(item, "state", json_string(state_text(d)));
	if (d->kind == VERIFY_ROOT || d->kind == VERIFY_PAGE || d->kind == VERIFY_CHUNK || d->kind == VERIFY_POINTER) {
		id_format(&d->id, mempcpy(hex, "sha256:", 7));
		json_object_set_new(item, "id", json_string(hex));
	}
	if (d->at.offset || d->kind == VERIFY_PACK)
		json_object_set_new(item, "pack", json_string(pack_id_format(&d->at.pack, hex)));
	if (d->at.offset)
		json_object_set_new(item, "offset", json_integer(d->at.offset));
	json_object_set_new(item, "message", json_string(d->why ? d->why : error_text(d->error)));
	json_object_set_new(item, "other_copy", json_boolean(d->saved));
	json_object_set_new(item, "touches", json_paths(touched));
	if (touched->more)
		json_object_set_new(item, "more_paths", json_true());
	return item;
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void json_report(const struct run *run)
{
	const struct verify_report *r = &run->report;
	json_t *document = json_object(), *list = json_array();

	if (run->remote_name)
		json_object_set_new(document, "remote", json_string(run->remote_name));
	json_object_set_new(document, "revisions", json_integer((json_int_t)r->commits));
	json_object_set_new(document, "datasets", json_integer((json_int_t)r->datasets));
	json_object_set_new(document, "pages", json_integer((json_int_t)r->pages));
	json_object_set_new(document, "chunks", json_integer((json_int_t)r->chunks));
	json_object_set_new(document, "unread_chunks", json_integer((json_int_t)r->unread));
	json_object_set_new(document, "elsewhere", json_integer((json_int_t)r->elsewhere));
	json_object_set_new(document, "bytes", json_integer((json_int_t)r->bytes));
	json_object_set_new(document, "packs", json_integer((json_int_t)r->packs));
	json_object_set_new(document, "damaged", json_integer((json_int_t)r->damaged));
	for (size_t i = 0; i < r->count; i++)
		json_array_append_new(list, json_damage(&r->damages[i], &run->trace.damages[i]));
	json_object_set_new(document, "damage", list);
	if (run->repairs)
		json_object_set_new(document, "repaired",
		                    json_pack("{s:I,s:I,s:I}", "packs", (json_int_t)run->repair.packs, "records",
		                              (json_int_t)run->repair.records, "roots", (json_int_t)run->repair.roots));
	json_object_set_new(document, "seconds", json_real(seconds_since(&run->start)));
	output_json(stdout, document);
}

/* --- running --- */

static void show_progress(void *arg, uint64_t records, uint64_t bytes)
{
	struct run *run = arg;

	progress_add(run->progress, records, bytes, 0);
}

static int check_once(struct run *run)
{
	struct session *s = &run->session;
	int ret;

	verify_report_release(&run->report);
	run->progress = progress_start("checking", run->given.progress);
	ret = verify_run(s->repo, s->store, run->tips, run->tips_count, &run->options, &run->report);
	progress_end(run->progress);
	if (ret == -EBADMSG)
		return fail(EXIT_DAMAGED, "Git's history cannot be read to its end: 'git fsck' says more");
	if (ret && run->remote_name)
		return named_remote_fail(&run->named, "check the store at", ret);
	return ret ? fail(exit_code_of(ret), "cannot check the store: %s", error_text(ret)) : EXIT_DONE;
}

static int open_remote(struct run *run)
{
	int status;

	/* What it remembers of an earlier round may be wrong by now. */
	named_remote_close(&run->named);
	status = named_remote_open(run->session.repo, run->remote_name, &run->named);
	if (!status)
		status = named_remote_check(&run->named);
	run->options.remote = run->named.store;
	return status;
}

static int check_and_repair(struct run *run)
{
	int status = check_once(run);
	bool did = run->repairs;

	run->repair.session = &run->session;
	run->repair.named = run->remote_name ? &run->named : NULL;
	run->repair.tips = run->tips;
	run->repair.tips_count = run->tips_count;
	for (unsigned i = 0; i < ROUNDS_MAX && did && !status && run->report.damaged; i++) {
		status = verify_repair(&run->repair, &run->report, &did);
		if (!status && did && run->remote_name)
			status = open_remote(run);
		if (!status && did)
			status = check_once(run);
	}
	return status;
}

static int check(struct run *run)
{
	struct session *s = &run->session;
	int status, ret;

	clock_gettime(CLOCK_MONOTONIC, &run->start);
	run->options.progress = show_progress;
	run->options.arg = run;
	run->options.elsewhere = !run->remote_name && remotes_fetch(s->remotes);
	status = check_and_repair(run);
	if (status)
		return status;
	ret = trace_run(s->repo, s->store, run->tips, run->tips_count, &run->report, &run->trace);
	if (ret)
		return fail(exit_code_of(ret), "cannot find what the damage touches: %s", error_text(ret));
	if (globals.json)
		json_report(run);
	else
		print_report(run);
	return run->report.damaged || run->broken_refs ? EXIT_FOUND : EXIT_DONE;
}

/* "10", "2.5%": a part of a hundred above 0. */
static int parse_sample(const char *text, double *sample)
{
	char *end;
	double value = strtod(text, &end);

	if (*end == '%')
		end++;
	if (strspn(text, "0123456789.") == 0 || *end || !(value > 0 && value <= 100))
		return fail_usage("'--sample %s': a number above 0 and up to 100 is wanted", text);
	*sample = value / 100;
	return EXIT_DONE;
}

static int parse(struct run *run, int argc, char **argv)
{
	enum { FULL = COMMAND_LONG, SAMPLE, REBUILD, REMOTE, REPAIR };
	static const struct option options[] = {
	    {"full", no_argument, NULL, FULL},
	    {"sample", required_argument, NULL, SAMPLE},
	    {"rebuild", no_argument, NULL, REBUILD},
	    {"remote", required_argument, NULL, REMOTE},
	    {"repair", no_argument, NULL, REPAIR},
	    {"jobs", required_argument, NULL, 'j'},
	    {0},
	};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int option, status = EXIT_DONE;

	run->options.sample = 1;
	run->options.jobs = cores > 0 ? (unsigned)cores : 1;
	while (!status && (option = command_option_shared(&command_verify, argc, argv, "j:", options,
	                                                  COMMAND_JSON | COMMAND_PROGRESS, &run->given)) != -1) {
		if (option == FULL)
			run->options.full = true;
		else if (option == REBUILD)
			run->options.rebuild = true;
		else if (option == REMOTE)
			run->remote_name = optarg;
		else if (option == REPAIR)
			run->repairs = true;
		else if (option == SAMPLE)
			status = parse_sample(optarg, &run->options.sample);
		else
			status = command_jobs(optarg, &run->options.jobs);
	}
	if (!status && run->remote_name && run->options.rebuild)
		return fail_usage("--rebuild is for the store here, not for a remote");
	return status;
}

static int run_verify(int argc, char **argv)
{
	struct run run = {0};
	int status = parse(&run, argc, argv);

	if (status)
		return status;
	status = session_open(&run.session, run.repairs ? SESSION_CREATE : SESSION_STORE);
	if (!status)
		status = take_revisions(&run, argv + optind, argc - optind);
	if (!status && run.remote_name)
		status = open_remote(&run);
	if (!status)
		status = check(&run);
	release(&run);
	return status;
}

const struct command command_verify = {
    .name = "verify",
    .run = run_verify,
    .usage =
	"revfs verify [--remote NAME] [--repair] [--full] [--sample PERCENT] [--rebuild] [-j N] [--json] [--progress | "
	"--no-progress] "
	"[REV...]",
    .summary = "check the store against its hashes",
};
