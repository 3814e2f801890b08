/*
 * revfs install, revfs uninstall: what a repository may have of revfs at its user's wish.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/hook.h"
#include "tools/output.h"
#include "tools/session.h"
#include "tools/shown.h"

/* Both commands: WORK, and what is said afterwards. */
static int run(const struct command *command, int argc, char **argv,
               int (*work)(struct repo *repo, char **path, bool *changed), const char *done, const char *nothing)
{
	struct session session;
	char *path = NULL;
	bool changed = false;
	int status;

	while (command_option_shared(command, argc, argv, "", NULL, COMMAND_JSON, NULL) != -1)
		;
	if (optind < argc)
		return fail_usage("too many arguments");
	status = session_open(&session, 0);
	if (!status)
		status = work(session.repo, &path, &changed);
	session_close(&session);
	if (!status && globals.json) {
		json_t *object = json_object();

		output_json_path(object, "hook", path);
		json_object_set_new(object, "changed", json_boolean(changed));
		output_json(stdout, object);
	} else if (!status && !globals.quiet) {
		printf("%s: %s\n", shown(path), changed ? done : nothing);
	}
	free(path);
	return status;
}

static int install(int argc, char **argv)
{
	return run(&command_install, argc, argv, hook_install, "'git push' pushes the data first", "is there already");
}

static int uninstall(int argc, char **argv)
{
	return run(&command_uninstall, argc, argv, hook_remove, "removed", "is not there");
}

const struct command command_install = {
    .name = "install",
    .run = install,
    .usage = "revfs install [--json]",
    .summary = "have 'git push' push the data first",
};

const struct command command_uninstall = {
    .name = "uninstall",
    .run = uninstall,
    .usage = "revfs uninstall [--json]",
    .summary = "undo 'revfs install'",
};
