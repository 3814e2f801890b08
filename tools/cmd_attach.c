/*
 * revfs attach: datasets of the work tree appear in place at once, and can be written to.
 */
#include <string.h>

#include "tools/attach/attach_all.h"
#include "tools/attach/detach_one.h"
#include "tools/attach/private.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/range.h"
#include "tools/stop.h"

/* Whether a shell is of use: what failed was named, and is mended rather in there. */
static bool is_anything_there(struct attaching *a, int status)
{
	bool there = !status || status == EXIT_PARTIAL;

	if (there || (status != EXIT_REFUSED && status != EXIT_FOUND) || attaching_reread(a))
		return there;
	for (size_t i = 0; !there && i < a->known.count; i++)
		there =
		    !strcmp(a->known.items[i].worktree, a->worktree) && attachment_is_mounted(&a->known.items[i]) == 1;
	return there;
}

static int attach(const struct attach_request *request, bool shell)
{
	struct attaching a = {0};
	bool opens;
	int status;

	stop_catch();
	status = shell ? private_enter() : EXIT_DONE;
	if (!status)
		status = attaching_open(&a);
	if (!status)
		status = attach_all(&a, request);
	if (a.has_below)
		detach_end(&a);
	if (!status)
		status = outcome_status(&a.outcome);
	if (globals.json && (status == EXIT_DONE || status == EXIT_PARTIAL))
		output_json(stdout, json_pack("{sO}", "datasets", a.rows));
	opens = shell && a.git_dir && is_anything_there(&a, status);
	attaching_close(&a);
	status = stop_finish(status);
	return opens ? private_exec(NULL) : status;
}

static int run(int argc, char **argv)
{
	enum { FOLLOW = COMMAND_LONG, REBASE, SHELL };
	static const struct option options[] = {{"follow", no_argument, NULL, FOLLOW},
	                                        {"rebase", no_argument, NULL, REBASE},
	                                        {"shell", no_argument, NULL, SHELL},
	                                        {0}};
	struct attach_request request = {0};
	int split = range_split(argc, argv), option;
	bool shell = false;

	while ((option = command_option_shared(&command_attach, split, argv, "", options, COMMAND_JSON, NULL)) != -1) {
		request.follow |= option == FOLLOW;
		request.rebase |= option == REBASE;
		shell |= option == SHELL;
	}
	request.arguments = argv + optind;
	request.count = (size_t)(split - optind);
	if (split < argc) {
		request.paths = argv + split + 1;
		request.paths_count = (size_t)(argc - split - 1);
	}
	return attach(&request, shell);
}

const struct command command_attach = {
    .name = "attach",
    .run = run,
    .usage = "revfs attach [--follow] [--rebase] [--shell] [--json] [REV] [--] [PATH...]",
    .summary = "show datasets in place at once, to be read and written",
};
