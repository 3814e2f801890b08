/*
 * revfs pin: keep revisions in the cache; without one, list what is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pins.h"
#include "cache/wire.h"
#include "fs/remote/prefetch.h"
#include "tools/cache_fit.h"
#include "tools/cache_place.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/parts.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/shown.h"
#include "tools/stop.h"

#define JOBS 8

struct run {
	struct session session;
	struct cached *cached;
	struct progress *progress;
	struct outcome outcome;
	json_t *list; /* of pins, for JSON */
	struct command_given given;
};

/* --- the list --- */

static int print_pin(void *arg, const struct pin *pin)
{
	struct run *run = arg;
	char size[32];
	json_t *object;

	if (!run->list) {
		printf("%s\t%s:%s\t%s\n", shown(pin->repository), pin->commit, shown(pin->path),
		       output_size(pin->bytes, size));
		return 0;
	}
	object = json_object();
	output_json_path(object, "repository", pin->repository);
	json_object_set_new(object, "commit", json_string(pin->commit));
	output_json_path(object, "path", pin->path);
	json_object_set_new(object, "packs", json_integer((json_int_t)pin->packs_count));
	json_object_set_new(object, "bytes", json_integer((json_int_t)pin->bytes));
	json_array_append_new(run->list, object);
	return 0;
}

static int list_pins(struct run *run)
{
	struct cached *cached;
	int status = cache_place_open_here(&cached), error;

	if (status)
		return status;
	run->list = globals.json ? json_array() : NULL;
	error = pins_each(cached, print_pin, run);
	cached_close(cached);
	if (error) {
		json_decref(run->list);
		return fail(exit_code_of(error), "cannot read the pins: %s", error_text(error));
	}
	if (run->list)
		output_json(stdout, json_pack("{so}", "pins", run->list));
	return EXIT_DONE;
}

/* --- pinning --- */

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

/* Let the cache take what is missing.  0 or an exit status; what fails alone is told and counted. */
static int bring(struct run *run, const struct target *target, const struct place *place)
{
	const struct prefetch_setup setup = {
	    .world = &run->session.world,
	    .fetch = remotes_fetch(run->session.remotes),
	    .jobs = JOBS,
	    .progress = on_progress,
	    .failed = on_failed,
	    .arg = run,
	};
	struct prefetch_result result;
	struct prefetch *prefetch;
	uint64_t files, bytes;
	int error = prefetch_open(&setup, &prefetch);

	if (error)
		return fail(EXIT_SYSTEM, "%s", error_text(error));
	error = prefetch_add(prefetch, place, target->name);
	if (!error) {
		run->progress = progress_start("pinning", run->given.progress);
		prefetch_measure(prefetch, &files, &bytes);
		progress_total(run->progress, files, bytes);
		error = prefetch_run(prefetch, &result);
		progress_end(run->progress);
	}
	prefetch_close(prefetch);
	if (error == -EINTR)
		return stop_status();
	return error ? fail(exit_code_of(error), "%s", error_text(error)) : EXIT_DONE;
}

/* Write the pin of what LACK found, and of the roots of PARTS that are not here; in a dry run only list it, where a
 * list is wanted. */
static int write_pin(struct run *run, const struct target *target, const struct lack *lack, const struct parts *parts)
{
	struct pin pin = {.repository = repo_common_dir(run->session.repo), .path = target->path};
	struct buffer packs = {0}, roots = {0};
	char hex[OID_HEX_MAX];
	int error;

	snprintf(pin.commit, sizeof(pin.commit), "%s", oid_format(&target->commit, hex));
	for (size_t i = 0; i < lack->packs_count; i++) {
		if (lack->packs[i].wanted_bytes)
			buffer_append(&packs, &lack->packs[i].id, sizeof(struct pack_id));
		pin.bytes += lack->packs[i].wanted_bytes;
	}
	for (size_t i = 0; i < parts->count; i++) {
		if (!parts->list[i].lack.has_root)
			buffer_append(&roots, &parts->list[i].lack.pointer.root, sizeof(struct id));
	}
	pin.packs = (const struct pack_id *)(const void *)packs.data;
	pin.packs_count = packs.len / sizeof(struct pack_id);
	pin.roots = (const struct id *)(const void *)roots.data;
	pin.roots_count = roots.len / sizeof(struct id);
	error = packs.failed || roots.failed ? -ENOMEM : run->given.dry_run ? 0 : pins_write(run->cached, &pin);
	if (!error && run->list)
		print_pin(run, &pin);
	buffer_release(&packs);
	buffer_release(&roots);
	return error ? fail(exit_code_of(error), "cannot pin '%s': %s", shown(target->name), error_text(error))
	             : EXIT_DONE;
}

/* Find where all of it lies, pin that, and bring it. */
static int pin_one(struct run *run, const char *argument)
{
	struct lack lack = {.store = run->session.store, .fetch = remotes_fetch(run->session.remotes)};
	struct parts parts = {0};
	char size[32];
	struct target target = {0};
	struct place place;
	int status = session_target(&run->session, argument, &target);

	lack.stores_count = remotes_stores(run->session.remotes, &lack.stores, NULL);
	if (!status)
		status = session_place(&run->session, &target, &place);
	if (!status)
		status = parts_add(&run->session, argument, &parts, NULL, NULL);
	if (!status)
		status = parts_take(&run->session, &parts, &lack);
	if (!status)
		cache_fit_warn(run->cached, cache_fit_wanted(&lack), true);
	if (!status && run->given.dry_run && !globals.json && !globals.quiet)
		printf("%s: %s would be kept\n", shown(argument), output_size(cache_fit_wanted(&lack), size));
	if (!status)
		status = write_pin(run, &target, &lack, &parts);
	if (!status && !run->given.dry_run)
		status = bring(run, &target, &place);
	lack_release(&lack);
	parts_release(&parts);
	target_release(&target);
	return status;
}

static int pin_all(struct run *run, char **arguments, size_t count)
{
	struct remote_store *const *stores;
	int status;

	if (!remotes_fetch(run->session.remotes))
		return fail(EXIT_NOT_FOUND, "there is no remote: 'revfs remote add NAME URL' names one");
	remotes_stores(run->session.remotes, &stores, &run->cached);
	if (!run->cached)
		return fail(EXIT_REFUSED, "there is no cache: 'git config revfs.cacheDir DIR' says where one may be");
	for (size_t i = 0; i < count; i++) {
		status = pin_one(run, arguments[i]);
		if (atomic_load(stop_flag()))
			return stop_status();
		outcome_add(&run->outcome, status);
	}
	return outcome_status(&run->outcome);
}

static int pin(int argc, char **argv)
{
	struct run run = {0};
	int status;

	while (command_option_shared(&command_pin, argc, argv, "", NULL,
	                             COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &run.given) != -1)
		;
	if (optind == argc)
		return list_pins(&run);
	status = session_open(&run.session, SESSION_STORE);
	if (status)
		return status;
	stop_catch();
	run.list = globals.json ? json_array() : NULL;
	status = pin_all(&run, argv + optind, argc - optind);
	if (run.list && (status == EXIT_DONE || json_array_size(run.list)))
		output_json(stdout, json_pack("{sbsO}", "dry_run", run.given.dry_run, "pins", run.list));
	json_decref(run.list);
	session_close(&run.session);
	return stop_finish(status);
}

const struct command command_pin = {
    .name = "pin",
    .run = pin,
    .usage = "revfs pin [-n] [--json] [--progress] REV[:PATH]...\n"
	     "revfs pin [--json]",
    .summary = "keep revisions in the cache",
};
