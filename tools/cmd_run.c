/*
 * revfs run: a command that sees attached datasets, which nobody else does.
 */
#include "tools/attach/own_namespace.h"
#include "tools/commands.h"
#include "tools/range.h"

static int run(int argc, char **argv)
{
	struct attach_request request = {0};
	int split = range_split(argc, argv);

	while (command_option(&command_run_attached, split, argv, "", (const struct option[]){{0}}) != -1)
		;
	if (split >= argc - 1)
		return fail_usage("the command is missing: it stands behind '--'");
	request.arguments = argv + optind;
	request.count = (size_t)(split - optind);
	return own_namespace_run(&request, argv + split + 1);
}

const struct command command_run_attached = {
    .name = "run",
    .run = run,
    .usage = "revfs run [REV] [PATH...] -- COMMAND [ARGUMENT...]",
    .summary = "run a command that sees datasets in place",
};
