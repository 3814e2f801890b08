/*
 * revfs diff: what changed in datasets, between two revisions or from one to the work tree.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/change_list.h"
#include "tools/change_print.h"
#include "tools/color.h"
#include "tools/commands.h"
#include "tools/config.h"
#include "tools/output.h"
#include "tools/range.h"
#include "tools/rename_candidates.h"
#include "tools/session.h"
#include "tools/stop.h"
#include "tools/work_changes.h"

enum form {
	FORM_LINES,
	FORM_STAT,
	FORM_NAME_STATUS,
	FORM_JSON,
};

struct diff {
	struct session session;
	struct range range;
	enum form form;
	bool z;
	bool exit_code;
	struct change_list list;
	struct outcome outcome;
};

/* --- collecting --- */

static int add_change(void *arg, const struct change *change)
{
	struct diff *diff = arg;
	struct change_list *list = &diff->list;
	int ret = 0;

	if (!list->datasets_count || strcmp(list->datasets[list->datasets_count - 1], change->dataset) != 0)
		ret = change_list_begin(list, change->dataset);
	if (!ret && atomic_load(stop_flag()))
		ret = -EINTR;
	return ret ? ret : change_list_add(list, change->path, change->a, change->b);
}

static int add_failure(void *arg, const char *dataset, int error)
{
	struct diff *diff = arg;

	outcome_add(&diff->outcome, session_unreadable(&diff->session, dataset, error));
	return 0;
}

static int tree_of(struct session *s, const struct oid *oid, struct oid *tree)
{
	struct repo_commit commit;
	int ret = repo_commit(s->repo, oid, &commit);

	if (ret)
		return ret;
	*tree = commit.tree;
	repo_commit_release(&commit);
	return 0;
}

static int collect_revisions(struct diff *diff)
{
	struct changes_request request = {
	    .repo = diff->session.repo,
	    .source = diff->session.source,
	    .limits = &diff->range.limits,
	    .each = add_change,
	    .failed = add_failure,
	    .arg = diff,
	};
	struct oid a, b;
	int ret = tree_of(&diff->session, &diff->range.commits[0], &a);

	if (!ret)
		ret = tree_of(&diff->session, &diff->range.commits[1], &b);
	if (ret)
		return ret;
	request.a = &a;
	request.b = &b;
	return changes_each(&request);
}

/* Against the work tree: from the revision named, else from HEAD, which need not have a commit yet. */
static int collect_work_tree(struct diff *diff, const struct exclude *exclude, struct worktree *wt)
{
	struct session *s = &diff->session;
	struct oid commit, tree;
	struct work_changes changes = {
	    .session = s,
	    .wt = wt,
	    .exclude = exclude,
	    .tree = &tree,
	    .limits = &diff->range.limits,
	    .list = &diff->list,
	    .outcome = &diff->outcome,
	};
	const struct rename_candidates candidates = {.wt = wt, .source = s->source, .list = &diff->list};
	int ret = 0;

	if (diff->range.count) {
		commit = diff->range.commits[0];
	} else {
		ret = repo_ref(s->repo, "HEAD", &commit);
		if (ret == -ENOENT)
			changes.tree = NULL;
		else if (ret)
			return ret;
	}
	if (changes.tree)
		ret = tree_of(s, &commit, &tree);
	else
		ret = 0;
	if (!ret)
		ret = work_changes_collect(&changes);
	return ret ? ret : rename_candidates_read(&candidates);
}

static int open_work_tree(struct diff *diff)
{
	struct worktree wt = {.root = -1, .folder = -1, .lock = -1};
	struct exclude *exclude = NULL;
	struct config *config = NULL;
	const char *const *patterns;
	int ret, status = EXIT_DONE;

	if (!repo_work_tree(diff->session.repo))
		return fail(EXIT_REFUSED,
		            "'%s' is a bare repository, without a work tree to compare with: name two revisions",
		            repo_git_dir(diff->session.repo));
	if (config_open(diff->session.repo, &config))
		return EXIT_USAGE;
	patterns = config_all(config, "snapshot.exclude");
	ret = patterns ? exclude_new(patterns, &exclude) : -ENOMEM;
	if (!ret)
		ret = worktree_open(io_system(), diff->session.repo, false, &wt);
	if (!ret) {
		ret = collect_work_tree(diff, exclude, &wt);
		worktree_close(&wt);
	}
	if (ret == -EINTR)
		status = stop_status();
	else if (ret)
		status = fail(exit_code_of(ret), "cannot compare with the work tree: %s", error_text(ret));
	exclude_free(exclude);
	config_close(config);
	return status;
}

static int collect(struct diff *diff)
{
	int ret;

	if (diff->range.count < 2)
		return open_work_tree(diff);
	ret = collect_revisions(diff);
	if (ret == -EINTR)
		return stop_status();
	return ret ? fail(exit_code_of(ret), "cannot compare the revisions: %s", error_text(ret)) : EXIT_DONE;
}

/* --- printing --- */

static void print_name_status(const struct diff *diff, const struct listed_change *change, char letter)
{
	printf("%s%c%s%s\t", change_letter_color(letter), letter, letter == 'R' ? "100" : "", color(COLOR_OFF));
	if (letter == 'R') {
		output_name(stdout, diff->list.items[change->from].path, false);
		putchar('\t');
	}
	change_print_path(change);
	putchar('\n');
}

/* The same with raw names. */
static void print_raw_name_status(const struct diff *diff, const struct listed_change *change, char letter)
{
	printf("%c%s", letter, letter == 'R' ? "100" : "");
	putchar('\0');
	if (letter == 'R') {
		fputs(diff->list.items[change->from].path, stdout);
		putchar('\0');
	}
	fputs(change->path, stdout);
	if (change_is_directory(change))
		putchar('/');
	putchar('\0');
}

static const char *kind_name(uint8_t kind)
{
	switch (kind) {
	case ENTRY_DIRECTORY:
		return "directory";
	case ENTRY_SYMLINK:
		return "symlink";
	default:
		return "file";
	}
}

static void json_side(json_t *line, const struct change_side *side, const char *type, const char *size, const char *id)
{
	char hex[ID_HEX_SIZE];

	json_object_set_new(line, type, json_string(kind_name(side->kind)));
	json_object_set_new(line, size, json_integer((json_int_t)side->size));
	if (!side->has_id)
		return;
	json_object_set_new(line, id, json_string(id_format(&side->id, hex)));
}

static void print_json(const struct diff *diff, const struct listed_change *change, char letter)
{
	const char *status = letter == 'A'   ? "added"
	                     : letter == 'D' ? "deleted"
	                     : letter == 'R' ? "renamed"
	                                     : "modified";
	const struct listed_change *from = letter == 'R' ? &diff->list.items[change->from] : change;
	json_t *line = json_object();

	json_object_set_new(line, "status", json_string(status));
	output_json_path(line, "path", change->path);
	output_json_path(line, "dataset", change->dataset);
	if (letter == 'R')
		output_json_path(line, "old_path", from->path);
	if (from->a.kind)
		json_side(line, &from->a, "old_type", "old_size", "old_id");
	if (change->b.kind)
		json_side(line, &change->b, "type", "size", "id");
	if (from->a.kind && change->b.kind && from->a.executable != change->b.executable)
		json_object_set_new(line, "executable", json_boolean(change->b.executable));
	output_json(stdout, line);
}

static int print_stat(const struct diff *diff)
{
	const struct change_list *list = &diff->list;
	size_t i = 0;

	while (i < list->count) {
		const char *dataset = list->items[i].dataset;
		struct change_counts counts = {0};
		char *text;

		for (; i < list->count && list->items[i].dataset == dataset; i++)
			change_count(&list->items[i], &counts);
		/* All that happened here was a move into another dataset, which counts there. */
		if (!counts.added && !counts.modified && !counts.deleted && !counts.renamed && !counts.directories)
			continue;
		text = change_counts_text(&counts);
		if (!text)
			return -ENOMEM;
		output_name(stdout, dataset, false);
		printf(": %s\n", text);
		free(text);
	}
	return 0;
}

static void print_all(const struct diff *diff)
{
	for (size_t i = 0; i < diff->list.count && !output_failed(); i++) {
		const struct listed_change *change = &diff->list.items[i];
		char letter = change_letter(change);

		if (!letter)
			continue;
		if (diff->form == FORM_JSON)
			print_json(diff, change, letter);
		else if (diff->form == FORM_LINES)
			change_print_line(&diff->list, change);
		else if (diff->z)
			print_raw_name_status(diff, change, letter);
		else
			print_name_status(diff, change, letter);
	}
}

/* --- the command --- */

static int parse_options(struct diff *diff, int argc, char **argv)
{
	enum { STAT = COMMAND_LONG, NAME_STATUS, JSON, EXIT_CODE, COLOR };
	static const struct option options[] = {
	    {"stat", no_argument, NULL, STAT},
	    {"name-status", no_argument, NULL, NAME_STATUS},
	    {"json", no_argument, NULL, JSON},
	    {"null", no_argument, NULL, 'z'},
	    {"exit-code", no_argument, NULL, EXIT_CODE},
	    {"color", optional_argument, NULL, COLOR},
	    {0},
	};
	int option, status = EXIT_DONE;

	while (!status && (option = command_option(&command_diff, argc, argv, "z", options)) != -1) {
		enum form form = option == STAT ? FORM_STAT : option == NAME_STATUS ? FORM_NAME_STATUS : FORM_JSON;

		if (option == STAT || option == NAME_STATUS || option == JSON) {
			if (diff->form != FORM_LINES && diff->form != form)
				return fail_usage(
				    "--stat, --name-status and --json are three forms of one output: give one of them");
			diff->form = form;
			globals.json = form == FORM_JSON;
		} else if (option == 'z') {
			diff->z = true;
		} else if (option == EXIT_CODE) {
			diff->exit_code = true;
		} else {
			status = color_option(optarg);
		}
	}
	if (!status && diff->z && diff->form != FORM_NAME_STATUS)
		return fail_usage("-z goes with --name-status");
	return status;
}

static int run_diff(struct diff *diff, int argc, char **argv)
{
	int split = range_split(argc, argv), status = parse_options(diff, split, argv), ret;

	if (!status)
		status = session_open(&diff->session, SESSION_STORE);
	if (!status)
		status = range_parse(&diff->session, argv + optind, (size_t)(split - optind),
		                     split < argc ? argv + split + 1 : NULL,
		                     split < argc ? (size_t)(argc - split - 1) : 0, 2, &diff->range);
	if (!status)
		status = collect(diff);
	if (status)
		return status;
	ret = change_list_find_renames(&diff->list);
	if (!ret && diff->form == FORM_STAT)
		ret = print_stat(diff);
	else if (!ret)
		print_all(diff);
	if (ret)
		return fail(EXIT_SYSTEM, "%s", error_text(ret));
	diff->outcome.done |= diff->list.count > 0;
	status = outcome_status(&diff->outcome);
	return !status && diff->exit_code && diff->list.count ? EXIT_FOUND : status;
}

static int run(int argc, char **argv)
{
	struct diff diff = {.form = FORM_LINES};
	int status;

	stop_catch();
	status = run_diff(&diff, argc, argv);
	change_list_release(&diff.list);
	range_release(&diff.range);
	session_close(&diff.session);
	return stop_finish(status);
}

const struct command command_diff = {
    .name = "diff",
    .run = run,
    .usage = "revfs diff [--stat | --name-status | --json] [-z] [--exit-code] [--color[=WHEN]] [A [B]] [--] [PATH...]",
    .summary = "show what changed in datasets",
};
