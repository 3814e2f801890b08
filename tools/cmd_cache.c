/*
 * revfs cache: the copies of what remotes hold, which all repositories of a user share.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cache/cached_check.h"
#include "tools/cache_place.h"
#include "tools/commands.h"
#include "tools/config.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/shown.h"
#include "tools/stop.h"

struct run {
	struct cache_place place;
	struct cached *cached;
	struct cached_size size;
	bool pinned; /* what is pinned goes, too */
	struct progress *progress;
	struct command_given given;
};

static void print(const struct run *run, uint64_t freed)
{
	char packs[32], held[32], limit[32], gone[32], kept[32], pins[32];

	if (globals.json) {
		json_t *object = json_object();

		output_json_path(object, "path", run->place.path);
		json_object_set_new(object, "bytes", json_integer((json_int_t)run->size.bytes));
		json_object_set_new(object, "packs", json_integer((json_int_t)run->size.packs));
		json_object_set_new(object, "pins", json_integer((json_int_t)run->size.pins));
		json_object_set_new(object, "pinned_bytes", json_integer((json_int_t)run->size.pinned_bytes));
		json_object_set_new(object, "limit", json_integer((json_int_t)run->place.limit_bytes));
		json_object_set_new(object, "freed", json_integer((json_int_t)freed));
		output_json(stdout, object);
		return;
	}
	if (freed)
		printf("%s: %s removed\n", shown(run->place.path), output_size(freed, gone));
	else
		printf("%s: %s of at most %s, %s packs\n", shown(run->place.path), output_size(run->size.bytes, held),
		       output_size(run->place.limit_bytes, limit), output_count(run->size.packs, packs));
	if (run->size.pins)
		printf("pinned: %s in %s pins ('revfs pin' lists them)\n", output_size(run->size.pinned_bytes, kept),
		       output_count(run->size.pins, pins));
}

static int info(struct run *run)
{
	if (!globals.quiet || globals.json)
		print(run, 0);
	return EXIT_DONE;
}

static int clear(struct run *run)
{
	uint64_t before = run->size.bytes;
	int error = run->pinned ? cached_clear(run->cached) : cached_trim(run->cached, 0);

	if (!error)
		error = cached_measure(run->cached, &run->size);
	if (error)
		return fail(exit_code_of(error), "cannot clear '%s': %s", shown(run->place.path), error_text(error));
	if (!globals.quiet || globals.json)
		print(run, before - run->size.bytes);
	return EXIT_DONE;
}

/* --- verify --- */

static void tell_damage(void *arg, const char *path)
{
	struct run *run = arg;

	fail(EXIT_FOUND, "'%s/%s' was damaged, and is removed: it is fetched again", shown(run->place.path), path);
}

static void on_progress(void *arg, uint64_t bytes)
{
	struct run *run = arg;

	progress_add(run->progress, 0, bytes, 0);
}

static int verify(struct run *run)
{
	struct cached_check found;
	char packs[32], roots[32], records[32], size[32], damaged[32], gone[32];
	int error;

	stop_catch();
	run->progress = progress_start("checking", run->given.progress);
	progress_total(run->progress, 0, run->size.bytes);
	error = cached_check(run->cached, tell_damage, on_progress, run, &found);
	progress_end(run->progress);
	if (error == -EINTR)
		return stop_status();
	if (error)
		return fail(exit_code_of(error), "cannot check '%s': %s", shown(run->place.path), error_text(error));
	if (globals.json)
		output_json(stdout,
		            json_pack("{sIsIsIsIsIsI}", "packs", (json_int_t)found.packs, "roots",
		                      (json_int_t)found.roots, "records", (json_int_t)found.records, "checked_bytes",
		                      (json_int_t)found.checked_bytes, "damaged", (json_int_t)found.damaged,
		                      "removed_bytes", (json_int_t)found.removed_bytes));
	else if (!globals.quiet)
		printf("checked %s packs, %s roots, %s records, %s: %s damaged, %s removed\n",
		       output_count(found.packs, packs), output_count(found.roots, roots),
		       output_count(found.records, records), output_size(found.checked_bytes, size),
		       output_count(found.damaged, damaged), output_size(found.removed_bytes, gone));
	return found.damaged ? EXIT_FOUND : EXIT_DONE;
}

static int run_verb(struct run *run, int (*verb)(struct run *run))
{
	int error = cache_place_open(&run->place, &run->cached);

	if (!error)
		error = cached_measure(run->cached, &run->size);
	if (error)
		return fail(exit_code_of(error), "cannot open the cache '%s': %s", shown(run->place.path),
		            error_text(error));
	return verb(run);
}

static int cache(int argc, char **argv)
{
	static const struct option options[] = {{"pinned", no_argument, NULL, COMMAND_LONG}, {0}};
	int (*verb)(struct run * run) = info;
	struct repo *repo = NULL;
	struct config *config;
	struct run run = {0};
	int error, status;

	while (command_option_shared(&command_cache, argc, argv, "", options, COMMAND_JSON | COMMAND_PROGRESS,
	                             &run.given) != -1)
		run.pinned = true;
	if (argc - optind > 1)
		return fail_usage("too many arguments");
	if (optind < argc && !strcmp(argv[optind], "clear"))
		verb = clear;
	else if (optind < argc && !strcmp(argv[optind], "verify"))
		verb = verify;
	else if (optind < argc && strcmp(argv[optind], "info") != 0)
		return fail_usage("'%s' is not one of info, clear, verify", argv[optind]);
	if (run.pinned && verb != clear)
		return fail_usage("--pinned belongs to 'clear'");
	/* Outside a repository the user's settings count. */
	if (repo_open(".", REPO_ANY, &repo, NULL))
		repo = NULL;
	error = config_open(repo, &config);
	if (error) {
		status = exit_code_of(error);
	} else {
		status = cache_place_find(config, &run.place);
		config_close(config);
	}
	if (!status)
		status = run_verb(&run, verb);
	cached_close(run.cached);
	cache_place_release(&run.place);
	if (repo)
		repo_close(repo);
	return stop_finish(status);
}

const struct command command_cache = {
    .name = "cache",
    .run = cache,
    .usage = "revfs cache [info | clear [--pinned] | verify [--progress]] [--json]",
    .summary = "copies of what remotes hold",
};
