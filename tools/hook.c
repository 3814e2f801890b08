#include "tools/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/io.h"
#include "fs/git/git.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/shown.h"

#define NAME "pre-push"
#define SIZE_MAX_READ ((size_t)64 << 10)

/* What Git tells a hook of that name is a line for each ref: name, commit, name there, commit there. */
static const char text[] = "#!/bin/sh\n"
			   "# Data goes before the commits that name it; 'revfs uninstall' takes this file away.\n"
			   "revs=$(awk '$2 !~ /^0*$/ { print $2 }') || exit\n"
			   "[ -z \"$revs\" ] || [ -z \"$(revfs remote)\" ] || exec revfs push $revs\n";

/* Where hooks are, malloc'ed. */
static int find_folder(struct repo *repo, char **folder)
{
	static const char *const args[] = {"rev-parse", "--path-format=absolute", "--git-path", "hooks", NULL};
	struct git_run run = {.where = repo_where(repo), .args = args, .flags = GIT_RUN_READING};
	int error = git_run(&run), status = EXIT_DONE;

	*folder = NULL;
	if (error)
		status = fail(exit_code_of(error), "cannot run 'git rev-parse': %s", error_text(error));
	else if (run.status)
		status = fail(EXIT_SYSTEM, "'git rev-parse' failed: %s", git_run_message(&run));
	else
		*folder = strndup(run.output, strcspn(run.output, "\n"));
	if (!status && !*folder)
		status = fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	git_run_release(&run);
	return status;
}

/* What stands there: 1 ours, 0 nothing, -EEXIST another's, -errno. */
static int look(int folder)
{
	size_t len;
	void *data;
	int error = io_read_file(io_system(), folder, NAME, SIZE_MAX_READ, &data, &len);

	if (error == -ENOENT)
		return 0;
	if (error)
		return error == -ENOMEM ? error : -EEXIST;
	error = len == strlen(text) && !memcmp(data, text, len) ? 1 : -EEXIST;
	free(data);
	return error;
}

static int change(int folder, bool install, bool *changed)
{
	const struct io *io = io_system();
	int found = look(folder);

	*changed = found == !install;
	if (found < 0 || !*changed)
		return found < 0 ? found : 0;
	return install ? io_replace_file(io, folder, ".", NAME, text, strlen(text), 0755) : io_unlink(io, folder, NAME);
}

static int run(struct repo *repo, bool install, char **path, bool *changed)
{
	const struct io *io = io_system();
	char *folder;
	int fd, error = 0, status = find_folder(repo, &folder);

	*path = NULL;
	*changed = false;
	if (!folder)
		return status;
	if (asprintf(path, "%s/" NAME, folder) < 0) {
		*path = NULL;
		free(folder);
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	}
	if (install)
		error = io_mkdir(io, AT_FDCWD, folder, 0777);
	fd = error && error != -EEXIST ? error : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		fd = -errno;
	error = fd < 0 ? fd : change(fd, install, changed);
	io_close(io, fd);
	free(folder);
	if (error == -ENOENT && !install)
		return EXIT_DONE;
	if (error == -EEXIST)
		return fail(EXIT_REFUSED, "'%s' is a hook of another kind: it may run 'revfs push' itself",
		            shown(*path));
	return error ? fail(exit_code_of(error), "cannot change '%s': %s", shown(*path), error_text(error)) : EXIT_DONE;
}

int hook_install(struct repo *repo, char **path, bool *changed)
{
	return run(repo, true, path, changed);
}

int hook_remove(struct repo *repo, char **path, bool *changed)
{
	return run(repo, false, path, changed);
}
