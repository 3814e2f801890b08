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

#define SIZE_MAX_READ ((size_t)64 << 10)

#define HEAD "#!/bin/sh\n"
#define TAIL "; 'revfs uninstall' takes this file away.\n"

/* What was not attached is none of theirs; a failure is said, and nothing to fail for. */
#define FOLLOW                                                                                                         \
	"[ -d \"$(git rev-parse --git-common-dir)/revfs/attached\" ] || exit 0\n"                                      \
	"revfs -q attach --follow || :\n"

static const struct hook {
	const char *name;
	const char *text;
	const char *instead; /* what one of another kind may do itself */
} hooks[HOOK_KINDS] = {
    /* Git tells this one a line for each ref: name, commit, name there, commit there. */
    [HOOK_PRE_PUSH] = {"pre-push",
                       HEAD "# Data goes before the commits that name it" TAIL
                            "revs=$(awk '$2 !~ /^0*$/ { print $2 }') || exit\n"
                            "[ -z \"$revs\" ] || [ -z \"$(revfs remote)\" ] || exec revfs push $revs\n",
                       "revfs push"},
    /* And these: whether it was another commit; nothing that matters; what rewrote the commits. */
    [HOOK_POST_CHECKOUT] = {"post-checkout",
                            HEAD "# Attached datasets follow the branch" TAIL "[ \"$3\" = 1 ] || exit 0\n" FOLLOW,
                            "revfs attach --follow"},
    [HOOK_POST_MERGE] = {"post-merge", HEAD "# Attached datasets follow what was merged" TAIL FOLLOW,
                         "revfs attach --follow"},
    [HOOK_POST_REWRITE] = {"post-rewrite",
                           HEAD "# Attached datasets follow what was rebased" TAIL
                                "[ \"$1\" = rebase ] || exit 0\n" FOLLOW,
                           "revfs attach --follow"},
};

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
static int look(int folder, const struct hook *hook)
{
	size_t len;
	void *data;
	int error = io_read_file(io_system(), folder, hook->name, SIZE_MAX_READ, &data, &len);

	if (error == -ENOENT)
		return 0;
	if (error)
		return error == -ENOMEM ? error : -EEXIST;
	error = len == strlen(hook->text) && !memcmp(data, hook->text, len) ? 1 : -EEXIST;
	free(data);
	return error;
}

static int change(int folder, const struct hook *hook, bool install, bool *changed)
{
	const struct io *io = io_system();
	int found = look(folder, hook);

	*changed = found == !install;
	if (found < 0 || !*changed)
		return found < 0 ? found : 0;
	return install ? io_replace_file(io, folder, ".", hook->name, hook->text, strlen(hook->text), 0755)
	               : io_unlink(io, folder, hook->name);
}

static int run(struct repo *repo, const struct hook *hook, bool install, char **path, bool *changed)
{
	const struct io *io = io_system();
	char *folder;
	int fd, error = 0, status = find_folder(repo, &folder);

	*path = NULL;
	*changed = false;
	if (!folder)
		return status;
	if (asprintf(path, "%s/%s", folder, hook->name) < 0) {
		*path = NULL;
		free(folder);
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	}
	if (install)
		error = io_mkdir(io, AT_FDCWD, folder, 0777);
	fd = error && error != -EEXIST ? error : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		fd = -errno;
	error = fd < 0 ? fd : change(fd, hook, install, changed);
	io_close(io, fd);
	free(folder);
	if (error == -ENOENT && !install)
		return EXIT_DONE;
	if (error == -EEXIST)
		return fail(EXIT_REFUSED, "'%s' is a hook of another kind: it may run '%s' itself", shown(*path),
		            hook->instead);
	return error ? fail(exit_code_of(error), "cannot change '%s': %s", shown(*path), error_text(error)) : EXIT_DONE;
}

int hook_install(struct repo *repo, enum hook_kind kind, char **path, bool *changed)
{
	return run(repo, &hooks[kind], true, path, changed);
}

int hook_remove(struct repo *repo, enum hook_kind kind, char **path, bool *changed)
{
	return run(repo, &hooks[kind], false, path, changed);
}
