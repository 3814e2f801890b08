/*
 * revfs fetch: bring the store all data of commits, or of paths in them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/remote/bring.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/parts.h"
#include "tools/progress.h"
#include "tools/session.h"
#include "tools/stop.h"

#define LOCK_WAIT_MS 10000

struct options {
	struct command_given given;
};

struct run {
	struct options options;
	struct session session;
	struct remotes_item *items;
	size_t items_count;
	const char *remote; /* NULL: all */
	struct parts parts;
	struct lack lack;
	struct cached *cached;
	struct bring_result result;
	uint64_t roots;
	struct progress *progress;
	struct outcome outcome;
	int lock;
	uint64_t began_ns;
};

static void parse_options(int argc, char **argv, struct options *o)
{
	while (command_option_shared(&command_fetch, argc, argv, "", NULL,
	                             COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &o->given) != -1)
		;
}

/* The remotes that count: the one that is named first, or all.  *USED says whether an argument was taken. */
static int choose_remotes(struct run *run, char **arguments, size_t count, bool *used)
{
	int status = remotes_list(run->session.repo, &run->items, &run->items_count);

	if (status)
		return status;
	if (!run->items_count)
		return fail(EXIT_NOT_FOUND, "there is no remote: 'revfs remote add NAME URL' names one");
	for (size_t i = 0; i < run->items_count && count; i++) {
		if (!strcmp(run->items[i].name, arguments[0]))
			run->remote = run->items[i].name;
	}
	*used = run->remote;
	return EXIT_DONE;
}

static int choose_parts(struct run *run, char **arguments, size_t count)
{
	int status = EXIT_DONE;

	for (size_t i = 0; i < (count ? count : 1) && !status; i++)
		status = parts_add(&run->session, count ? arguments[i] : NULL, &run->parts, NULL, NULL);
	return status;
}

/* Find the packs that have what the store lacks.  0, or that of being stopped; what fails is told. */
static int look(struct run *run)
{
	struct lack *lack = &run->lack;
	int status;

	lack->store = run->session.store;
	lack->fetch = remotes_fetch(run->session.remotes);
	lack->stores_count = remotes_stores(run->session.remotes, &lack->stores, &run->cached);
	if (run->remote) {
		lack->fetch = remotes_fetch_one(run->session.remotes, run->remote, &lack->stores);
		lack->stores_count = 1;
	}
	if (!lack->fetch)
		return run->remote ? fail(EXIT_REFUSED, "the remote '%s' cannot be used", run->remote)
		                   : fail(EXIT_REFUSED, "none of the remotes can be used");
	status = parts_take(&run->session, &run->parts, lack);
	if (status && atomic_load(stop_flag()))
		return stop_status();
	for (size_t i = 0; i < run->parts.count; i++) {
		if (run->parts.list[i].failed)
			outcome_add(&run->outcome, status);
	}
	return EXIT_DONE;
}

/* --- the work --- */

static void on_progress(void *arg, uint64_t packs, uint64_t bytes)
{
	struct run *run = arg;

	progress_add(run->progress, packs, bytes, 0);
}

static void on_failed(void *arg, const struct pack_id *pack, const char *name, int error, bool last)
{
	char hex[PACK_ID_HEX_SIZE];

	(void)arg;
	pack_id_format(pack, hex);
	if (last)
		fail(remote_may_pass(error) ? EXIT_TEMPORARY : exit_code_of(error),
		     "cannot bring the pack %s from the remote '%s': %s", hex, name, error_text(error));
	else
		warn("the pack %s of the remote '%s' is passed over: %s", hex, name, error_text(error));
}

/* What is to come: packs, all their bytes, and what is wanted of these. */
static void measure(const struct run *run, uint64_t *packs, uint64_t *bytes, uint64_t *wanted)
{
	*packs = *bytes = *wanted = 0;
	for (size_t i = 0; i < run->lack.packs_count; i++) {
		const struct lack_pack *pack = &run->lack.packs[i];

		if (!pack->stores || !pack->wanted_bytes)
			continue;
		++*packs;
		*bytes += pack->bytes;
		*wanted += pack->wanted_bytes;
	}
}

static int bring(struct run *run)
{
	const struct bring_request request = {
	    .lack = &run->lack,
	    .cached = run->cached,
	    .progress = on_progress,
	    .failed = on_failed,
	    .arg = run,
	};
	uint64_t packs, bytes, wanted;
	int error;

	run->progress = progress_start("fetching", run->options.given.progress);
	measure(run, &packs, &bytes, &wanted);
	progress_total(run->progress, packs, bytes);
	error = bring_packs(&request, &run->result);
	progress_end(run->progress);
	if (error == -EINTR)
		return stop_status();
	if (error)
		return fail(exit_code_of(error), "cannot write to the store: %s; what came stays, run this again",
		            error_text(error));
	if (run->result.packs)
		outcome_add(&run->outcome, EXIT_DONE);
	if (run->result.failed)
		outcome_add(&run->outcome,
		            remote_may_pass(run->result.first) ? EXIT_TEMPORARY : exit_code_of(run->result.first));
	return EXIT_DONE;
}

/* Look whether all of PART is here, and then write its root. */
static int finish_part(struct run *run, struct part *part)
{
	struct lack here = {.store = run->session.store};
	int error = lack_take(&here, &part->lack);

	lack_release(&here);
	if (error == -EINTR)
		return stop_status();
	if (error == -ENODATA)
		return fail(exit_code_of(error), "not all of '%s' is here: run this again once a remote has the rest",
		            part->name);
	if (error)
		return session_unreadable(&run->session, part->name, error);
	error = bring_root(run->session.store, &part->lack);
	if (error)
		return fail(exit_code_of(error), "cannot write the root of '%s': %s", part->name, error_text(error));
	run->roots += !part->lack.has_root;
	return EXIT_DONE;
}

static int finish(struct run *run)
{
	int status = EXIT_DONE;

	store_refresh(run->session.store);
	for (size_t i = 0; i < run->parts.count && !atomic_load(stop_flag()); i++) {
		struct part *part = &run->parts.list[i];

		if (part->failed)
			continue;
		status = finish_part(run, part);
		if (status || !part->lack.has_root)
			outcome_add(&run->outcome, status);
	}
	return atomic_load(stop_flag()) ? stop_status() : EXIT_DONE;
}

static void report(const struct run *run)
{
	double seconds = (double)(io_monotonic_ns(io_system()) - run->began_ns) / 1e9;
	uint64_t packs = run->result.packs, roots = run->roots, bytes = run->result.bytes, all, all_bytes, wanted;
	char count[32], written[32], size[32], part[32];

	measure(run, &all, &all_bytes, &wanted);
	if (run->options.given.dry_run) {
		packs = all;
		bytes = all_bytes;
		for (size_t i = 0; i < run->parts.count; i++)
			roots += run->parts.list[i].lack.record.data && !run->parts.list[i].lack.has_root;
	}
	if (globals.json) {
		output_json(stdout,
		            json_pack("{ss?sbsIsIsIsIsIsf}", "remote", run->remote, "dry_run",
		                      run->options.given.dry_run, "packs", (json_int_t)packs, "roots",
		                      (json_int_t)roots, "bytes", (json_int_t)bytes, "wanted_bytes", (json_int_t)wanted,
		                      "failed", (json_int_t)run->result.failed, "seconds", seconds));
		return;
	}
	if (globals.quiet)
		return;
	if (!all && !roots && !run->outcome.failure) {
		puts("everything is here");
		return;
	}
	printf("%s packs, %s roots, %s, of which %s are wanted, %.2f s\n", output_count(packs, count),
	       output_count(roots, written), output_size(bytes, size), output_size(wanted, part), seconds);
	if (run->options.given.dry_run)
		puts("nothing was fetched");
}

static int lock_store(struct run *run)
{
	run->lock = run->session.store ? store_lock(run->session.store, false, LOCK_WAIT_MS) : -1;
	if (run->lock == -EBUSY)
		return fail(EXIT_BUSY, "the store is locked by another command ('revfs gc'?): try again later");
	if (run->lock < 0 && run->session.store)
		return fail(exit_code_of(run->lock), "cannot lock the store: %s", error_text(run->lock));
	return EXIT_DONE;
}

static int run_all(struct run *run, char **arguments, size_t count)
{
	bool used = false;
	int status = choose_remotes(run, arguments, count, &used);

	if (!status)
		status = lock_store(run);
	if (!status)
		status = choose_parts(run, arguments + used, count - used);
	if (!status)
		status = look(run);
	if (!status && !run->options.given.dry_run)
		status = bring(run);
	if (!status && !run->options.given.dry_run)
		status = finish(run);
	if (status)
		return status;
	report(run);
	return outcome_status(&run->outcome);
}

static int fetch(int argc, char **argv)
{
	struct run run = {.began_ns = io_monotonic_ns(io_system()), .lock = -1};
	int status;

	parse_options(argc, argv, &run.options);
	status = session_open(&run.session, run.options.given.dry_run ? SESSION_STORE : SESSION_CREATE);
	if (status)
		return status;
	stop_catch();
	status = run_all(&run, argv + optind, argc - optind);
	if (run.session.store)
		store_unlock(run.session.store, run.lock);
	lack_release(&run.lack);
	parts_release(&run.parts);
	remotes_list_free(run.items, run.items_count);
	session_close(&run.session);
	return stop_finish(status);
}

const struct command command_fetch = {
    .name = "fetch",
    .run = fetch,
    .usage = "revfs fetch [-n] [--json] [--progress] [REMOTE] [REV[:PATH]...]",
    .summary = "bring the data of commits here",
};
