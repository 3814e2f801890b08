#include "fs/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/wire.h"
#include "fs/git/git.h"

#define PATHS_FILE "paths"
#define MESSAGE_FILE "message"
#define NOTE_FILE "unsynced"

static int write_text(const struct worktree *wt, const char *name, const void *data, size_t len)
{
	int fd, error;

	/* What a killed run of another user left cannot be written to. */
	io_unlink(wt->io, wt->folder, name);
	fd = io_open(wt->io, wt->folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	error = fd < 0 ? fd : io_write_exact(wt->io, fd, data, len, 0);
	io_close(wt->io, fd);
	return error;
}

/* Write PATHS, each with a NUL byte, to the file that git is given. */
static int write_paths(const struct worktree *wt, const char *const *paths)
{
	struct buffer text = {0};
	int error;

	for (; *paths; paths++)
		buffer_append(&text, *paths, strlen(*paths) + 1);
	error = text.failed ? -ENOMEM : write_text(wt, PATHS_FILE, text.data, text.len);
	buffer_release(&text);
	return error;
}

/* "OPTION<folder>/NAME", malloc'ed. */
static char *option(const struct worktree *wt, const char *text, const char *name)
{
	char *made;

	return asprintf(&made, "%s%s/" INSTEP_FOLDER "/%s", text, repo_git_dir(wt->repo), name) < 0 ? NULL : made;
}

int commit_stage(const struct worktree *wt, const char *const *paths, char **message)
{
	char *from = option(wt, "--pathspec-from-file=", PATHS_FILE);
	const char *args[] = {
	    "-c", "core.fsync=all", "--literal-pathspecs", "add", "-f", "--sparse", from, "--pathspec-file-nul", NULL};
	struct git_where where = *repo_where(wt->repo);
	struct git_run run = {.where = &where, .args = args, .flags = GIT_RUN_LOCKING};
	int error = from ? write_paths(wt, paths) : -ENOMEM;

	*message = NULL;
	where.dir = repo_work_tree(wt->repo);
	if (!error)
		error = git_run(&run);
	if (!error && run.status) {
		*message = strdup(git_run_message(&run));
		error = -ECANCELED;
	}
	git_run_release(&run);
	io_unlink(wt->io, wt->folder, PATHS_FILE);
	free(from);
	return error;
}

static int run_commit(const struct worktree *wt, const char *from, const char *file, bool edit)
{
	const char *args[] = {
	    "-c", "core.fsync=all",      "--literal-pathspecs",         "commit", "--only", "-q", "-F", file,
	    from, "--pathspec-file-nul", edit ? "--edit" : "--no-edit", NULL};
	struct git_where where = *repo_where(wt->repo);
	struct git_run run = {.where = &where,
	                      .args = args,
	                      .flags = GIT_RUN_LOCKING | GIT_RUN_PASS_INPUT | GIT_RUN_OUTPUT_TO_STDERR |
	                               GIT_RUN_PASS_ERRORS};
	int error;

	where.dir = repo_work_tree(wt->repo);
	error = git_run(&run);
	if (!error && run.status)
		error = -ECANCELED;
	git_run_release(&run);
	return error;
}

int commit_make(const struct worktree *wt, const struct commit_request *request, struct oid *commit)
{
	char *from = option(wt, "--pathspec-from-file=", PATHS_FILE), *file = option(wt, "", MESSAGE_FILE);
	int error = from && file ? write_paths(wt, request->paths) : -ENOMEM;

	if (!error)
		error = write_text(wt, MESSAGE_FILE, request->message, strlen(request->message));
	if (!error)
		error = run_commit(wt, from, file, request->edit);
	if (!error)
		error = repo_ref(wt->repo, "HEAD", commit);
	io_unlink(wt->io, wt->folder, PATHS_FILE);
	io_unlink(wt->io, wt->folder, MESSAGE_FILE);
	free(from);
	free(file);
	return error;
}

static int sync_folder(const struct worktree *wt, const char *path)
{
	int fd = io_open(wt->io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0), error;

	if (fd < 0)
		return fd;
	error = syncfs(fd) < 0 ? -errno : 0;
	io_close(wt->io, fd);
	return error;
}

int commit_begin(const struct worktree *wt)
{
	return write_text(wt, NOTE_FILE, "", 0);
}

int commit_sync(const struct worktree *wt)
{
	const char *git = repo_git_dir(wt->repo), *common = repo_common_dir(wt->repo);
	int error = sync_folder(wt, common);

	if (!error && strcmp(git, common))
		error = sync_folder(wt, git);
	return error ? error : io_unlink(wt->io, wt->folder, NOTE_FILE);
}

int commit_settle(const struct worktree *wt)
{
	struct stat st;
	int error = io_stat(wt->io, wt->folder, NOTE_FILE, &st);

	if (error)
		return error == -ENOENT ? 0 : error;
	return commit_sync(wt);
}
