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

/* A part of what is installed: the hooks, then the drivers. */
struct part {
	char *path;
	bool changed;
	int status;
};

#define DRIVERS HOOK_KINDS
#define PARTS (HOOK_KINDS + 1)

/* What is done to the parts, and how that is told. */
struct deed {
	int (*hook)(struct repo *repo, enum hook_kind kind, char **path, bool *changed);
	int (*drivers)(struct repo *repo, char **path, bool *changed);
	const char *done[PARTS];
	const char *nothing;
};

static json_t *json_hook(const struct part *part)
{
	json_t *object = json_object();

	output_json_path(object, "hook", part->path);
	json_object_set_new(object, "changed", json_boolean(part->changed));
	return object;
}

static void report_json(const struct part parts[PARTS])
{
	const struct part *first = &parts[HOOK_PRE_PUSH], *drivers = &parts[DRIVERS];
	json_t *object = json_object(), *hooks = json_array();

	output_json_path(object, "hook", first->path);
	json_object_set_new(object, "changed", json_boolean(first->changed));
	output_json_path(object, "attributes", drivers->path);
	json_object_set_new(object, "attributes_changed", json_boolean(drivers->changed));
	for (size_t i = 0; i < HOOK_KINDS; i++)
		json_array_append_new(hooks, json_hook(&parts[i]));
	json_object_set_new(object, "hooks", hooks);
	output_json(stdout, object);
}

/* Do it all: a hook of another kind is no reason to go without the rest.  The first failure. */
static int do_parts(struct repo *repo, const struct deed *deed, struct part parts[PARTS])
{
	int status = EXIT_DONE;

	for (size_t i = 0; i < PARTS; i++) {
		struct part *part = &parts[i];

		part->status = i == DRIVERS ? deed->drivers(repo, &part->path, &part->changed)
		                            : deed->hook(repo, (enum hook_kind)i, &part->path, &part->changed);
		if (!part->status && !globals.json && !globals.quiet)
			printf("%s: %s\n", shown(part->path), part->changed ? deed->done[i] : deed->nothing);
		if (!status)
			status = part->status;
	}
	return status;
}

/* Both commands. */
static int run(const struct command *command, int argc, char **argv, const struct deed *deed)
{
	struct part parts[PARTS] = {0};
	struct session session;
	int status;

	while (command_option_shared(command, argc, argv, "", NULL, COMMAND_JSON, NULL) != -1)
		;
	if (optind < argc)
		return fail_usage("too many arguments");
	status = session_open(&session, 0);
	if (status)
		return status;
	status = do_parts(session.repo, deed, parts);
	session_close(&session);
	if (!status && globals.json)
		report_json(parts);
	for (size_t i = 0; i < PARTS; i++)
		free(parts[i].path);
	return status;
}

static int install(int argc, char **argv)
{
	static const struct deed deed = {
	    .hook = hook_install,
	    .drivers = drivers_install,
	    .done = {[HOOK_PRE_PUSH] = "'git push' pushes the data first",
	             [HOOK_POST_CHECKOUT] = "attached datasets follow 'git switch'",
	             [HOOK_POST_MERGE] = "attached datasets follow 'git merge' and 'git pull'",
	             [HOOK_POST_REWRITE] = "attached datasets follow 'git rebase'",
	             [DRIVERS] = "git merges datasets and shows what changed in them"},
	    .nothing = "is there already",
	};

	return run(&command_install, argc, argv, &deed);
}

static int uninstall(int argc, char **argv)
{
	static const struct deed deed = {
	    .hook = hook_remove,
	    .drivers = drivers_remove,
	    .done = {"removed", "removed", "removed", "removed", "removed"},
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
