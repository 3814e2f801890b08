/*
 * revfs install, revfs uninstall: what a repository may have of revfs at its user's wish.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/drivers.h"
#include "tools/hook.h"
#include "tools/output.h"
#include "tools/session.h"
#include "tools/shown.h"

/* A part of what is installed. */
struct part {
	char *path;
	bool changed;
	int status;
};

/* What is done to the parts, and how that is told. */
struct deed {
	int (*hook)(struct repo *repo, char **path, bool *changed);
	int (*drivers)(struct repo *repo, char **path, bool *changed);
	const char *hook_done;
	const char *drivers_done;
	const char *nothing;
};

static void report(const struct part *part, const char *done, const char *nothing)
{
	if (!part->status && !globals.json && !globals.quiet)
		printf("%s: %s\n", shown(part->path), part->changed ? done : nothing);
}

static void report_json(const struct part *hook, const struct part *drivers)
{
	json_t *object = json_object();

	output_json_path(object, "hook", hook->path);
	json_object_set_new(object, "changed", json_boolean(hook->changed));
	output_json_path(object, "attributes", drivers->path);
	json_object_set_new(object, "attributes_changed", json_boolean(drivers->changed));
	output_json(stdout, object);
}

/* Both commands.  A hook of another kind is no reason to go without the drivers. */
static int run(const struct command *command, int argc, char **argv, const struct deed *deed)
{
	struct session session;
	struct part hook = {0}, drivers = {0};
	int status;

	while (command_option_shared(command, argc, argv, "", NULL, COMMAND_JSON, NULL) != -1)
		;
	if (optind < argc)
		return fail_usage("too many arguments");
	status = session_open(&session, 0);
	if (status)
		return status;
	hook.status = deed->hook(session.repo, &hook.path, &hook.changed);
	report(&hook, deed->hook_done, deed->nothing);
	drivers.status = deed->drivers(session.repo, &drivers.path, &drivers.changed);
	report(&drivers, deed->drivers_done, deed->nothing);
	session_close(&session);
	status = hook.status ? hook.status : drivers.status;
	if (!status && globals.json)
		report_json(&hook, &drivers);
	free(hook.path);
	free(drivers.path);
	return status;
}

static int install(int argc, char **argv)
{
	static const struct deed deed = {
	    .hook = hook_install,
	    .drivers = drivers_install,
	    .hook_done = "'git push' pushes the data first",
	    .drivers_done = "git merges datasets and shows what changed in them",
	    .nothing = "is there already",
	};

	return run(&command_install, argc, argv, &deed);
}

static int uninstall(int argc, char **argv)
{
	static const struct deed deed = {
	    .hook = hook_remove,
	    .drivers = drivers_remove,
	    .hook_done = "removed",
	    .drivers_done = "removed",
	    .nothing = "is not there",
	};

	return run(&command_uninstall, argc, argv, &deed);
}

const struct command command_install = {
    .name = "install",
    .run = install,
    .usage = "revfs install [--json]",
    .summary = "have git push data, merge datasets and show their changes",
};

const struct command command_uninstall = {
    .name = "uninstall",
    .run = uninstall,
    .usage = "revfs uninstall [--json]",
    .summary = "undo 'revfs install'",
};
