/*
 * revfs run: a command for which datasets are attached.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/attach/private.h"
#include "tools/commands.h"
#include "tools/range.h"

/* As `revfs attach` does, which says nothing of what succeeds: what comes out is the command's. */
static int attach(char **arguments, size_t count)
{
	char **argv = calloc(count + 3, sizeof(*argv));
	int status;

	if (!argv)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	argv[0] = (char *)command_attach.name;
	memcpy(argv + 1, arguments, count * sizeof(*argv));
	optind = 0;
	status = command_attach.run((int)count + 1, argv);
	free(argv);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{0}};
	int split = range_split(argc, argv), status;

	while (command_option(&command_run_program, split, argv, "+", options) != -1)
		;
	if (split + 1 >= argc)
		return fail_usage("%s", split < argc ? "the command to run is missing"
		                                     : "'--' and the command to run are missing");
	status = private_enter();
	if (!status)
		status = attach(argv + optind, (size_t)(split - optind));
	return status ? status : private_exec(argv + split + 1);
}

const struct command command_run_program = {
    .name = "run",
    .run = run,
    .usage = "revfs run [REV] [PATH...] -- COMMAND [ARGUMENT...]",
    .summary = "run a command with datasets attached for it",
};
