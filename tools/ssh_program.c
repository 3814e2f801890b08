#include "tools/ssh_program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/ssh/ssh_url.h"
#include "fs/git/git.h"
#include "tools/fail.h"

/* A variable that is not empty. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* *COMMAND: what core.sshCommand says, or NULL. */
static int from_settings(struct repo *repo, char **command)
{
	static const char *const args[] = {"config", "-z", "--get", "core.sshCommand", NULL};
	struct git_run run = {.where = repo_where(repo), .args = args, .flags = GIT_RUN_READING};
	int error = git_run(&run), status = EXIT_DONE;

	*command = NULL;
	if (!error && !run.status && run.output_len > 1) {
		*command = strdup(run.output);
		error = *command ? 0 : -ENOMEM;
	}
	if (error)
		status = fail(exit_code_of(error), "cannot read the setting 'core.sshCommand': %s", error_text(error));
	git_run_release(&run);
	return status;
}

int ssh_program_find(struct repo *repo, char **command)
{
	const char *whole = variable("GIT_SSH_COMMAND"), *program = variable("GIT_SSH");
	int status = EXIT_DONE;

	*command = whole ? strdup(whole) : NULL;
	if (!whole)
		status = from_settings(repo, command);
	/* The path of a program, whatever signs it has. */
	if (!status && !whole && !*command && program)
		*command = ssh_url_quote(program);
	if (!status && !*command && (whole || program))
		status = fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	return status;
}
