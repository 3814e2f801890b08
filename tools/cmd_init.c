/*
 * revfs init: the tracked file .revfs/config, in the work tree and in the index.
 */
#include <stdio.h>

#include "tools/commands.h"
#include "tools/output.h"
#include "tools/session.h"
#include "tools/setup.h"

static int run(int argc, char **argv)
{
	struct session session;
	bool made = false;

	while (command_option_shared(&command_init, argc, argv, "", NULL, COMMAND_JSON, NULL) != -1)
		;
	if (optind < argc)
		return fail_usage("too many arguments");
	int status = session_open(&session, SESSION_WORK_TREE);
	if (status)
		return status;
	status = setup_config(session.repo, &made);
	if (!status)
		status = setup_stage(session.repo);
	session_close(&session);
	if (status)
		return status;
	if (globals.json)
		output_json(stdout, json_pack("{ss sb}", "config", SETUP_PATH, "created", made));
	else if (!globals.quiet)
		puts(made ? "wrote '" SETUP_PATH "' and added it to the index" : "'" SETUP_PATH "' is there already");
	return EXIT_DONE;
}

const struct command command_init = {
    .name = "init",
    .run = run,
    .usage = "revfs init [--json]",
    .summary = "prepare a repository: write .revfs/config and stage it",
};
