/*
 * revfs unpin: what revfs pin kept in the cache may go from there again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cache/pins.h"
#include "tools/cache_place.h"
#include "tools/commands.h"
#include "tools/session.h"
#include "tools/shown.h"

/* A pin that is looked for as it is listed: its commit may be gone. */
struct looking {
	const char *repository;
	const char *text; /* "COMMIT:path" */
	bool found;
};

static int is_it(void *arg, const struct pin *pin)
{
	struct looking *l = arg;
	const size_t len = strlen(pin->commit);
	const char *path = l->text + len;

	if (strcmp(pin->repository, l->repository) != 0 || strncmp(l->text, pin->commit, len) != 0)
		return 0;
	l->found = !strcmp(*path == ':' ? path + 1 : path, pin->path);
	return l->found;
}

/* Remove the pin that ARGUMENT names. */
static int unpin_one(struct session *s, struct cached *cached, const char *argument)
{
	struct looking looking = {.repository = repo_common_dir(s->repo), .text = argument};
	struct pin pin = {.repository = looking.repository, .path = ""};
	struct target target = {0};
	char hex[OID_HEX_MAX];
	int status = EXIT_DONE, error;

	pins_each(cached, is_it, &looking);
	if (looking.found) {
		const char *colon = strchr(argument, ':');

		snprintf(pin.commit, sizeof(pin.commit), "%.*s", (int)strcspn(argument, ":"), argument);
		pin.path = colon ? colon + 1 : "";
	} else {
		status = session_target(s, argument, &target);
		if (status)
			return status;
		snprintf(pin.commit, sizeof(pin.commit), "%s", oid_format(&target.commit, hex));
		pin.path = target.path;
	}
	error = pins_remove(cached, &pin);
	if (error == -ENOENT)
		status = fail(EXIT_NOT_FOUND, "'%s' is not pinned: 'revfs pin' lists what is", shown(argument));
	else if (error)
		status = fail(exit_code_of(error), "cannot unpin '%s': %s", shown(argument), error_text(error));
	target_release(&target);
	return status;
}

static int unpin(int argc, char **argv)
{
	struct outcome outcome = {0};
	struct session session;
	struct cached *cached;
	int status;

	while (command_option_shared(&command_unpin, argc, argv, "", NULL, COMMAND_JSON, NULL) != -1)
		;
	if (optind == argc)
		return fail_usage("no revision named");
	status = session_open(&session, SESSION_STORE);
	if (status)
		return status;
	status = cache_place_open_here(&cached);
	if (!status) {
		for (int i = optind; i < argc; i++)
			outcome_add(&outcome, unpin_one(&session, cached, argv[i]));
		status = outcome_status(&outcome);
		cached_close(cached);
	}
	session_close(&session);
	return status;
}

const struct command command_unpin = {
    .name = "unpin",
    .run = unpin,
    .usage = "revfs unpin [--json] REV[:PATH]...",
    .summary = "let pinned revisions go from the cache",
};
