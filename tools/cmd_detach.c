/*
 * revfs detach: ends what attach began.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/attach/detach_one.h"
#include "tools/attach/stray.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/shown.h"
#include "tools/stop.h"

struct run {
	struct attaching a;
	struct detach_choice choice;
	struct command_given given;
};

static int do_path(struct run *run, const char *path)
{
	struct attaching *a = &run->a;
	bool met = !*path;
	int status = EXIT_DONE;

	for (size_t i = 0; i < a->known.count && status <= EXIT_SYSTEM; i++) {
		const struct attachment *attachment = &a->known.items[i];

		if (strcmp(attachment->worktree, a->worktree) || !attaching_is_meant(attachment->path, path))
			continue;
		met = true;
		status = detach_one(a, attachment, &run->choice);
		outcome_add(&a->outcome, status);
	}
	if (!met)
		outcome_add(&a->outcome, fail(EXIT_NOT_FOUND, "'%s' is not attached", shown(path)));
	return status > EXIT_SYSTEM ? status : attaching_reread(a);
}

/* What was typed: a path of this work tree, or the place of a dataset in another one of the repository. */
static int do_typed(struct run *run, const char *typed)
{
	struct attaching *a = &run->a;
	const struct attachment *attachment = stray_find(a, typed);
	char *path;
	int status;

	if (attachment) {
		status = detach_one(a, attachment, &run->choice);
		outcome_add(&a->outcome, status);
		return status > EXIT_SYSTEM ? status : attaching_reread(a);
	}
	status = attaching_path(a, typed, &path);
	if (!status) {
		status = do_path(run, path);
		free(path);
	}
	return status;
}

static int run_all(struct run *run, char **arguments, size_t count)
{
	int status = attaching_open(&run->a);

	if (!status && !count)
		status = do_path(run, "");
	for (size_t i = 0; !status && i < count; i++)
		status = do_typed(run, arguments[i]);
	if (!status && !run->choice.dry)
		detach_end(&run->a);
	return status;
}

static int detach(int argc, char **argv)
{
	static const struct option options[] = {{"force", no_argument, NULL, 'f'}, {0}};
	struct run run = {0};
	int status;

	while (command_option_shared(&command_detach, argc, argv, "f", options, COMMAND_DRY_RUN | COMMAND_JSON,
	                             &run.given) != -1)
		run.choice.force = true;
	run.choice.dry = run.given.dry_run;
	stop_catch();
	status = run_all(&run, argv + optind, (size_t)(argc - optind));
	if (!status)
		status = outcome_status(&run.a.outcome);
	if (globals.json && (status == EXIT_DONE || status == EXIT_PARTIAL))
		output_json(stdout, json_pack("{sbsO}", "dry_run", run.choice.dry, "datasets", run.a.rows));
	attaching_close(&run.a);
	return stop_finish(status);
}

const struct command command_detach = {
    .name = "detach",
    .run = detach,
    .usage = "revfs detach [-f] [-n] [--json] [PATH...]",
    .summary = "take away what attach shows",
};
