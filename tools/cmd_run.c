/*
 * revfs run: a command that sees attached datasets, which nobody else does.
 */
#include "tools/attach/attach_all.h"
#include "tools/attach/private.h"
#include "tools/commands.h"
#include "tools/range.h"
#include "tools/stop.h"

static int attach(const struct attach_request *request)
{
	struct attaching a = {0};
	int status;

	stop_catch();
	status = private_enter();
	if (!status)
		status = attaching_open(&a);
	a.is_for_program = true;
	if (!status)
		status = attach_all(&a, request);
	if (!status)
		status = outcome_status(&a.outcome);
	attaching_close(&a);
	return stop_finish(status);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{0}};
	struct attach_request request = {0};
	int split = range_split(argc, argv), status;

	while (command_option(&command_run_attached, split, argv, "", options) != -1)
		;
	if (split >= argc)
		return fail_usage("'--' and the command to run are missing");
	if (split + 1 >= argc)
		return fail_usage("the command to run is missing");
	request.arguments = argv + optind;
	request.count = (size_t)(split - optind);
	status = attach(&request);
	return status ? status : private_exec(argv + split + 1);
}

const struct command command_run_attached = {
    .name = "run",
    .run = run,
    .usage = "revfs run [REV] [PATH...] -- COMMAND [ARGUMENT...]",
    .summary = "run a command with datasets attached for it",
};
