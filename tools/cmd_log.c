/*
 * revfs log: the commits that changed datasets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/rename_count.h"
#include "tools/change_list.h"
#include "tools/color.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/range.h"
#include "tools/session.h"
#include "tools/stop.h"

/* What a commit did to one dataset. */
struct effect {
	char *path;
	struct change_counts counts;
	bool is_gone;
	struct pointer now; /* unless it is gone */
};

struct log {
	struct session session;
	struct range range;
	long left; /* commits still to be told; negative: all */
	struct outcome outcome;
	/* Of the commit at hand. */
	char hex[OID_HEX_MAX];
	struct effect *effects;
	size_t count;
	struct change_counts counts;  /* of the dataset at hand */
	struct rename_count *renames; /* NULL between datasets */
};

/* Ends a comparison: not an error of any function. */
#define ENOUGH 1

static int count_side(struct log *log, const struct entry *entry, bool added)
{
	if (entry->kind == ENTRY_DIRECTORY) {
		log->counts.directories++;
		return 0;
	}
	if (added)
		log->counts.added++;
	else
		log->counts.deleted++;
	return added ? rename_count_added(log->renames, entry) : rename_count_deleted(log->renames, entry);
}

static int count_change(void *arg, const struct change *change)
{
	struct log *log = arg;
	int ret = atomic_load(stop_flag()) ? -EINTR : 0;

	if (!ret && !log->renames)
		ret = rename_count_new(&log->renames);
	if (ret)
		return ret;
	log->counts.bytes_added += change->b ? change->b->size : 0;
	log->counts.bytes_deleted += change->a ? change->a->size : 0;
	if (change->a && change->b)
		log->counts.modified++;
	else
		ret = count_side(log, change->a ? change->a : change->b, !change->a);
	return ret;
}

/* The end of a dataset: what was counted becomes an effect. */
static int end_dataset(void *arg, const char *dataset, const struct pointer *a, const struct pointer *b)
{
	struct log *log = arg;
	struct change_counts counts = log->counts;
	struct effect *effects;

	(void)a;
	if (log->renames) {
		counts.renamed = rename_count_finish(log->renames);
		counts.added -= counts.renamed;
		counts.deleted -= counts.renamed;
		counts.bytes_added -= rename_count_bytes(log->renames);
		counts.bytes_deleted -= rename_count_bytes(log->renames);
		rename_count_free(log->renames);
		log->renames = NULL;
	}
	memset(&log->counts, 0, sizeof(log->counts));
	if (!counts.added && !counts.modified && !counts.deleted && !counts.renamed && !counts.directories)
		return 0;
	effects = reallocarray(log->effects, log->count + 1, sizeof(*effects));
	if (!effects)
		return -ENOMEM;
	log->effects = effects;
	effects[log->count] = (struct effect){.path = strdup(dataset), .counts = counts, .is_gone = !b};
	if (!effects[log->count].path)
		return -ENOMEM;
	if (b)
		effects[log->count].now = *b;
	log->count++;
	return 0;
}

static int count_failure(void *arg, const char *dataset, int error)
{
	struct log *log = arg;
	char *name;

	if (asprintf(&name, "%s:%s", log->hex, dataset) < 0)
		return -ENOMEM;
	outcome_add(&log->outcome, session_unreadable(&log->session, name, error));
	free(name);
	return 0;
}

static void forget_effects(struct log *log)
{
	for (size_t i = 0; i < log->count; i++)
		free(log->effects[i].path);
	free(log->effects);
	log->effects = NULL;
	log->count = 0;
	rename_count_free(log->renames);
	log->renames = NULL;
	memset(&log->counts, 0, sizeof(log->counts));
}

static int has_change(void *arg, const struct change *change)
{
	(void)arg;
	(void)change;
	return ENOUGH;
}

/* What changed from PARENT (NULL: nothing) to TREE, told to EACH. */
static int compare(struct log *log, const struct oid *parent, const struct oid *tree,
                   int (*each)(void *arg, const struct change *change), bool with_ends)
{
	struct changes_request request = {
	    .repo = log->session.repo,
	    .source = log->session.source,
	    .b = tree,
	    .limits = &log->range.limits,
	    .each = each,
	    .failed = count_failure,
	    .dataset_end = with_ends ? end_dataset : NULL,
	    .arg = log,
	};
	struct repo_commit commit;
	int ret;

	if (!parent)
		return changes_each(&request);
	ret = repo_commit(log->session.repo, parent, &commit);
	if (ret)
		return ret == -ENOENT ? -EBADMSG : ret;
	request.a = &commit.tree;
	ret = changes_each(&request);
	repo_commit_release(&commit);
	return ret;
}

/* A merge counts as a change only where it differs from each of its parents, as in git. */
static int differs_from_others(struct log *log, const struct repo_commit *commit)
{
	for (unsigned i = 1; i < commit->parents_count; i++) {
		int ret = compare(log, &commit->parents[i], &commit->tree, has_change, false);

		if (ret != ENOUGH)
			return ret;
	}
	return ENOUGH;
}

/* --- printing --- */

static void print_date(int64_t seconds)
{
	char text[64] = "";
	time_t time = (time_t)seconds;
	struct tm tm;

	if (localtime_r(&time, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("Date:   %s\n", text);
}

/* Text of somebody else's, without what could move the cursor. */
static void print_line(const char *before, const char *text)
{
	fputs(before, stdout);
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
	putchar('\n');
}

static int print_text(const struct log *log, const struct repo_commit *commit, bool is_first)
{
	if (!is_first)
		putchar('\n');
	printf("%scommit %s%s\n", color(COLOR_YELLOW), log->hex, color(COLOR_OFF));
	print_line("Author: ", commit->author);
	print_date(commit->author_time);
	print_line("\n    ", commit->summary);
	putchar('\n');
	for (size_t i = 0; i < log->count; i++) {
		char *text = change_counts_text(&log->effects[i].counts);

		if (!text)
			return -ENOMEM;
		fputs("    ", stdout);
		output_name(stdout, log->effects[i].path, false);
		printf(": %s\n", text);
		free(text);
	}
	return 0;
}

static json_t *json_effect(const struct effect *effect)
{
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {
	    {"added", effect->counts.added},
	    {"modified", effect->counts.modified},
	    {"deleted", effect->counts.deleted},
	    {"renamed", effect->counts.renamed},
	    {"added_bytes", effect->counts.bytes_added},
	    {"deleted_bytes", effect->counts.bytes_deleted},
	    {"files", effect->is_gone ? 0 : effect->now.files},
	    {"bytes", effect->is_gone ? 0 : effect->now.bytes},
	};
	json_t *object = json_object();
	char hex[ID_HEX_SIZE];

	output_json_path(object, "path", effect->path);
	if (!effect->is_gone)
		json_object_set_new(object, "root", json_string(id_format(&effect->now.root, hex)));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		json_object_set_new(object, numbers[i].name, json_integer((json_int_t)numbers[i].value));
	return object;
}

static void json_text(json_t *object, const char *key, const char *text)
{
	char *valid = output_replace_invalid(text);

	json_object_set_new(object, key, json_string(valid ? valid : ""));
	free(valid);
}

static void json_time(json_t *object, const char *key, int64_t seconds)
{
	const struct timespec time = {.tv_sec = seconds};
	char text[40];

	json_object_set_new(object, key, json_string(output_rfc3339(&time, text)));
}

static int print_json(const struct log *log, const struct repo_commit *commit)
{
	json_t *line = json_object(), *parents = json_array(), *datasets = json_array();
	char hex[OID_HEX_MAX];

	for (unsigned i = 0; i < commit->parents_count; i++)
		json_array_append_new(parents, json_string(oid_format(&commit->parents[i], hex)));
	for (size_t i = 0; i < log->count; i++)
		json_array_append_new(datasets, json_effect(&log->effects[i]));
	json_object_set_new(line, "commit", json_string(log->hex));
	json_object_set_new(line, "parents", parents);
	json_text(line, "author", commit->author);
	json_time(line, "author_time", commit->author_time);
	json_time(line, "time", commit->time);
	json_text(line, "summary", commit->summary);
	json_object_set_new(line, "datasets", datasets);
	output_json(stdout, line);
	return 0;
}

/* --- the walk --- */

/* Tell a commit, where it changed something.  Answers ENOUGH where no more are wanted. */
static int tell_commit(void *arg, const struct oid *oid, const struct repo_commit *commit)
{
	struct log *log = arg;
	int ret = ENOUGH;

	if (output_failed())
		return ENOUGH;
	oid_format(oid, log->hex);
	/* Whether a merge counts is asked first: most do not, and the first difference answers. */
	if (commit->parents_count > 1)
		ret = differs_from_others(log, commit);
	if (ret == ENOUGH)
		ret =
		    compare(log, commit->parents_count ? &commit->parents[0] : NULL, &commit->tree, count_change, true);
	if (!ret && log->count) {
		ret = globals.json ? print_json(log, commit) : print_text(log, commit, !log->outcome.done);
		log->outcome.done = true;
		if (!ret && log->left > 0 && !--log->left)
			ret = ENOUGH;
	}
	forget_effects(log);
	return ret;
}

static int parse_options(struct log *log, int argc, char **argv)
{
	enum { JSON = COMMAND_LONG, COLOR };
	static const struct option options[] = {
	    {"json", no_argument, NULL, JSON},
	    {"max-count", required_argument, NULL, 'n'},
	    {"color", optional_argument, NULL, COLOR},
	    {0},
	};
	int option, status = EXIT_DONE;
	char *end;

	while (!status && (option = command_option(&command_log, argc, argv, "n:", options)) != -1) {
		if (option == JSON) {
			globals.json = true;
		} else if (option == 'n') {
			errno = 0;
			log->left = strtol(optarg, &end, 10);
			if (errno || !*optarg || *end || log->left < 0)
				return fail_usage("-n takes a number, not '%s'", optarg);
		} else {
			status = color_option(optarg);
		}
	}
	return status;
}

static int run_log(struct log *log, int argc, char **argv)
{
	int split = range_split(argc, argv), status = parse_options(log, split, argv), ret;

	if (!status)
		status = session_open(&log->session, SESSION_STORE);
	if (!status)
		status = range_parse(&log->session, argv + optind, (size_t)(split - optind),
		                     split < argc ? argv + split + 1 : NULL,
		                     split < argc ? (size_t)(argc - split - 1) : 0, 1, &log->range);
	if (!status && !log->range.count)
		status = session_revision(&log->session, "HEAD", &log->range.commits[0]);
	if (status || !log->left)
		return status;
	ret = repo_each_commit(log->session.repo, log->range.commits, 1, tell_commit, log);
	forget_effects(log);
	if (ret == -EINTR)
		return stop_status();
	if (ret < 0)
		return fail(exit_code_of(ret), "cannot read the history: %s", error_text(ret));
	return outcome_status(&log->outcome);
}

static int run(int argc, char **argv)
{
	struct log log = {.left = -1};
	int status;

	stop_catch();
	status = run_log(&log, argc, argv);
	range_release(&log.range);
	session_close(&log.session);
	return stop_finish(status);
}

const struct command command_log = {
    .name = "log",
    .run = run,
    .usage = "revfs log [--json] [--color[=WHEN]] [-n COUNT] [REV] [--] [PATH...]",
    .summary = "list the commits that changed datasets",
};
