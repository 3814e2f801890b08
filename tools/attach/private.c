#include "tools/attach/private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/io.h"
#include "fs/attachment.h"
#include "tools/attach/elsewhere.h"
#include "tools/attach/namespace.h"
#include "tools/fail.h"
#include "tools/session.h"
#include "tools/shown.h"

/* The namespace, for the processes in it: it is told from one that they went on to. */
#define MARK "REVFS_NAMESPACE"
#define MARK_SIZE 32
#define QUEUE_WAIT_MS 60000

#define EXIT_NOT_RUN 126
#define EXIT_NO_PROGRAM 127

static bool shared;

static void read_mark(char mark[MARK_SIZE])
{
	ssize_t len = readlink("/proc/self/ns/mnt", mark, MARK_SIZE - 1);

	mark[len > 0 ? len : 0] = '\0';
}

bool private_is_here(void)
{
	const char *set = getenv(MARK);
	char mark[MARK_SIZE];

	read_mark(mark);
	return set && *mark && !strcmp(set, mark);
}

bool private_is_shared(void)
{
	return shared;
}

/* --- where the system does not allow it --- */

/* Whether the first sign of a setting of the kernel is DIGIT. */
static bool has_setting(const char *name, char digit)
{
	char path[96], value = '\0';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	file = fopen(path, "re");
	if (!file)
		return false;
	value = (char)fgetc(file);
	fclose(file);
	return value == digit;
}

static int fail_namespace(int error)
{
	const char *what = "cannot make a namespace of mounts",
		   *instead = "or install fuse-overlayfs, for 'revfs attach'";

	if (has_setting("kernel/unprivileged_userns_clone", '0'))
		return fail(EXIT_NOT_AUTHORISED,
		            "%s: 'kernel.unprivileged_userns_clone' is 0; root can 'sysctl -w' it to 1, %s", what,
		            instead);
	if (has_setting("kernel/apparmor_restrict_unprivileged_userns", '1'))
		return fail(EXIT_NOT_AUTHORISED,
		            "%s: 'kernel.apparmor_restrict_unprivileged_userns' is 1; root can 'sysctl -w' it to 0, %s",
		            what, instead);
	if (has_setting("user/max_user_namespaces", '0') || error == -ENOSPC)
		return fail(EXIT_NOT_AUTHORISED,
		            "%s: 'user.max_user_namespaces' allows no more of them; root can 'sysctl -w' it higher, %s",
		            what, instead);
	if (error == -EPERM || error == -EACCES)
		return fail(EXIT_NOT_AUTHORISED,
		            "%s: the system forbids it, as containers do that let no process make namespaces of users: "
		            "allow that one 'unshare' (its seccomp profile), %s",
		            what, instead);
	return fail(exit_code_of(error), "%s: %s", what, error_text(error));
}

/* --- entering --- */

/* One at a time, from here to private_exec(), which closes it. */
static int wait_in_line(const char *git_dir)
{
	const struct io *io = io_system();
	char *path;
	int fd, error;

	if (asprintf(&path, "%s/" ATTACHMENTS_FOLDER, git_dir) < 0)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	fd = io_open(io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	free(path);
	error = fd < 0 ? fd : io_lock(io, fd, true, QUEUE_WAIT_MS);
	if (!error)
		return EXIT_DONE;
	if (fd >= 0)
		io_close(io, fd);
	if (error == -EBUSY)
		return fail(EXIT_BUSY, "another 'revfs run' is attaching datasets of this repository");
	return fail(exit_code_of(error), "cannot lock the attached datasets: %s", error_text(error));
}

static int make(void)
{
	int error = namespace_new();

	if (!error && namespace_is_of_user())
		error = namespace_keep_right();
	return error ? fail_namespace(error) : EXIT_DONE;
}

static int join(pid_t pid)
{
	int error = namespace_join(pid);

	shared = !error;
	if (!error && namespace_is_of_user())
		error = namespace_keep_right();
	return error ? fail(exit_code_of(error), "cannot enter where process %d has datasets attached: %s", (int)pid,
	                    error_text(error))
	             : EXIT_DONE;
}

static int enter(const struct repo *repo)
{
	struct attachments known = {0};
	int error = attachments_lock(repo_common_dir(repo), 0), status;
	pid_t pid;

	/* This was for the folder, which it makes. */
	if (error >= 0)
		io_close(io_system(), error);
	status = error == -EBUSY || error >= 0
	             ? wait_in_line(repo_common_dir(repo))
	             : fail(exit_code_of(error), "cannot lock the attached datasets: %s", error_text(error));
	if (status)
		return status;
	error = attachments_read(repo_common_dir(repo), &known);
	if (error)
		return fail(exit_code_of(error), "cannot read what is attached: %s", error_text(error));
	pid = elsewhere_find(&known);
	attachments_release(&known);
	return pid ? join(pid) : make();
}

/* Names lead to what is mounted now, where this process stood before, too. */
static int go_to(const char *folder)
{
	return chdir(folder) ? fail(exit_code_of(-errno), "cannot enter the folder '%s' again: %s", shown(folder),
	                            strerror(errno))
	                     : EXIT_DONE;
}

int private_enter(void)
{
	char *folder, mark[MARK_SIZE];
	struct session session;
	int status;

	if (private_is_here())
		return EXIT_DONE;
	folder = getcwd(NULL, 0);
	if (!folder)
		return fail(exit_code_of(-errno), "cannot tell the current folder: %s", strerror(errno));
	status = session_open(&session, SESSION_WORK_TREE);
	if (!status)
		status = enter(session.repo);
	session_close(&session);
	if (!status)
		status = go_to(folder);
	free(folder);
	read_mark(mark);
	if (!status && setenv(MARK, mark, 1))
		status = fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	return status;
}

/* --- the program --- */

int private_exec(char **argv)
{
	const char *shell = getenv("SHELL");
	char *alone[] = {(char *)(shell && *shell ? shell : "/bin/sh"), NULL}, *folder = getcwd(NULL, 0);
	int status = folder ? go_to(folder) : EXIT_DONE, error;

	free(folder);
	if (status)
		return status;
	if (!argv)
		argv = alone;
	fflush(NULL);
	signal(SIGXFSZ, SIG_DFL);
	execvp(argv[0], argv);
	error = errno;
	fail(EXIT_SYSTEM, "cannot run '%s': %s", shown(argv[0]), strerror(error));
	return error == ENOENT || error == ENOTDIR ? EXIT_NO_PROGRAM : EXIT_NOT_RUN;
}
