/*
 * revfs mirror: bring one remote everything that another has.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/remote/mirror.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/remote_argument.h"
#include "tools/session.h"
#include "tools/stop.h"
#include "tools/url.h"

struct run {
	struct command_given given;
	struct session session;
	struct remote_argument from, to;
	bool to_nothing;
	struct progress *progress;
	struct mirror_result result;
	uint64_t began_ns;
};

static void parse_options(int argc, char **argv, struct run *run)
{
	while (command_option_shared(&command_mirror, argc, argv, "", NULL,
	                             COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS, &run->given) != -1)
		;
}

/* --- the two sides --- */

static int open_from(struct run *run, const char *text)
{
	int status = remote_argument_open(run->session.repo, text, &run->from), error;

	if (status)
		return status;
	if (remote_kind_of(run->from.item->url) == &remote_kind_http)
		return fail(
		    EXIT_REFUSED,
		    "an HTTP server does not list what it has, so '%s' cannot be mirrored from: name its folder, "
		    "bucket or ssh:// URL",
		    url_shown(run->from.item->url));
	error = remote_store_check(run->from.store);
	if (error == -ENOENT || error == -EHOSTDOWN)
		return fail(EXIT_NOT_FOUND, "there is no store at '%s'", url_shown(run->from.item->url));
	if (error == -ENOTSUP)
		return fail(EXIT_REFUSED, "the store at '%s' was written by a later version of revfs: upgrade this one",
		            url_shown(run->from.item->url));
	if (error == -EINTR)
		return stop_status();
	return error ? remote_argument_fail(&run->from, "use", error) : EXIT_DONE;
}

static int open_to(struct run *run, const char *text)
{
	int status = remote_argument_open(run->session.repo, text, &run->to), error;

	if (status)
		return status;
	if (!strcmp(run->from.item->url, run->to.item->url))
		return fail_usage("'%s' is both sides", url_shown(run->to.item->url));
	if (remote_kind_of(run->to.item->url) == &remote_kind_http)
		return fail(EXIT_REFUSED, "an HTTP server is only read from: nothing can be brought to '%s'",
		            url_shown(run->to.item->url));
	status = run->given.dry_run ? EXIT_DONE : remote_argument_check_writing(&run->to);
	if (status)
		return status;
	error = remote_store_check(run->to.store);
	run->to_nothing = error == -ENOENT || error == -EHOSTDOWN;
	if (error == -ENOTSUP)
		return fail(EXIT_REFUSED, "the store at '%s' was written by a later version of revfs: upgrade this one",
		            url_shown(run->to.item->url));
	if (error == -EINTR)
		return stop_status();
	return error && !run->to_nothing ? remote_argument_fail(&run->to, "use", error) : EXIT_DONE;
}

/* --- the work --- */

static void on_total(void *arg, uint64_t packs, uint64_t bytes)
{
	struct run *run = arg;

	progress_total(run->progress, packs, bytes);
}

static void on_progress(void *arg, uint64_t packs, uint64_t bytes)
{
	struct run *run = arg;

	progress_add(run->progress, packs, bytes, 0);
}

/* Say what went wrong, on which side. */
static int fail_mirror(const struct run *run, int error)
{
	const struct mirror_result *r = &run->result;
	const struct remote_argument *side = r->at_from ? &run->from : &run->to;
	char what[REMOTE_PATH_SIZE + 32];

	if (error == -EINTR)
		return stop_status();
	if (error == -EBUSY)
		return fail(EXIT_BUSY,
		            "a garbage collection is about to remove '%s' at '%s': run this again once 'revfs gc "
		            "--remote' has ended there",
		            r->failed, url_shown(side->item->url));
	if (error == -ESTALE)
		return fail(EXIT_TEMPORARY, "'%s' went from '%s' meanwhile: run this again", r->failed,
		            url_shown(side->item->url));
	if (error == -EBADMSG)
		return fail(EXIT_DAMAGED, "'%s' at '%s' is damaged: what went before stays at '%s'", r->failed,
		            url_shown(side->item->url), url_shown(run->to.item->url));
	if (*r->failed)
		snprintf(what, sizeof(what), "%s '%s' %s", r->at_from ? "read" : "bring", r->failed,
		         r->at_from ? "from" : "to");
	else
		snprintf(what, sizeof(what), "list");
	return remote_argument_fail(side, what, error);
}

static void report(const struct run *run)
{
	const struct mirror_result *r = &run->result;
	double seconds = (double)(io_monotonic_ns(io_system()) - run->began_ns) / 1e9;
	char packs[32], size[32], roots[32], condemned[32];

	if (globals.json) {
		json_t *object = json_object();

		output_json_path(object, "from", run->from.item->name);
		output_json_path(object, "to", run->to.item->name);
		json_object_update_new(object, json_pack("{sbsIsIsIsIsIsf}", "dry_run", run->given.dry_run, "packs",
		                                         (json_int_t)r->packs, "moved", (json_int_t)r->moved, "roots",
		                                         (json_int_t)r->roots, "bytes", (json_int_t)r->bytes,
		                                         "condemned", (json_int_t)r->condemned, "seconds", seconds));
		output_json(stdout, object);
		return;
	}
	if (globals.quiet)
		return;
	if (r->condemned)
		printf("%s: %s packs and roots that are about to be removed there were left out\n",
		       url_shown(run->from.item->name), output_count(r->condemned, condemned));
	if (!r->packs && !r->roots && !r->moved) {
		printf("%s: has everything\n", url_shown(run->to.item->name));
		return;
	}
	printf("%s: %s packs, %s roots, %s, %.2f s\n", url_shown(run->to.item->name), output_count(r->packs, packs),
	       output_count(r->roots, roots), output_size(r->bytes, size), seconds);
	if (run->given.dry_run)
		puts("nothing was sent");
}

static int mirror_all(struct run *run)
{
	struct mirror_request request = {
	    .io = io_system(),
	    .from = run->from.store,
	    .to = run->to.store,
	    .to_nothing = run->to_nothing,
	    .tmp = -1,
	    .dry = run->given.dry_run,
	    .cancelled = stop_flag(),
	    .total = on_total,
	    .progress = on_progress,
	    .arg = run,
	};
	int error = 0;

	if (!run->given.dry_run)
		error = store_make_folder(run->session.store, "tmp");
	if (!run->given.dry_run && !error) {
		request.tmp = io_open(request.io, store_dirfd(run->session.store), "tmp", O_RDONLY | O_DIRECTORY, 0);
		error = request.tmp < 0 ? request.tmp : 0;
	}
	if (error)
		return fail(exit_code_of(error), "cannot use '%s/tmp': %s", store_path(run->session.store),
		            error_text(error));
	run->progress = progress_start("mirroring", run->given.progress);
	error = mirror_run(&request, &run->result);
	progress_end(run->progress);
	io_close(request.io, request.tmp);
	if (error)
		return fail_mirror(run, error);
	report(run);
	return EXIT_DONE;
}

static int mirror(int argc, char **argv)
{
	struct run run = {.began_ns = io_monotonic_ns(io_system())};
	int status;

	parse_options(argc, argv, &run);
	if (argc - optind != 2)
		return fail_usage(argc - optind < 2 ? "two remotes are to be named" : "too many arguments");
	status = session_open(&run.session, run.given.dry_run ? SESSION_REPO : SESSION_CREATE);
	if (status)
		return status;
	stop_catch();
	status = open_from(&run, argv[optind]);
	if (!status)
		status = open_to(&run, argv[optind + 1]);
	if (!status)
		status = mirror_all(&run);
	remote_argument_release(&run.from);
	remote_argument_release(&run.to);
	session_close(&run.session);
	return stop_finish(status);
}

const struct command command_mirror = {
    .name = "mirror",
    .run = mirror,
    .usage = "revfs mirror [-n] [--json] [--progress | --no-progress] FROM TO",
    .summary = "bring one remote everything that another has",
};
