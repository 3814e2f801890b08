#include "tools/server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/attachment.h"
#include "fs/info_exclude.h"
#include "fs/mount/mount.h"
#include "fs/mount/mountpoint.h"
#include "fs/spool.h"
#include "tools/command.h"
#include "tools/metrics_file.h"
#include "tools/path.h"
#include "tools/registry.h"
#include "tools/session.h"
#include "tools/version.h"

/* --- the mountpoint --- */

/* Whether PATH is FOLDER or lies in it; both absolute and without links. */
static bool is_within(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	if (len == 1)
		return true;
	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Whether a mount is there whose server has died.  What stat(2) tells the kernel may still know; this it asks for. */
static bool is_dead(const char *path)
{
	struct statvfs st;

	return statvfs(path, &st) && (errno == ENOTCONN || errno == ECONNABORTED);
}

static int clear_dead(const char *path)
{
	int err;

	for (unsigned tries = 0; is_dead(path); tries++) {
		err = tries < 16 ? mountpoint_remove(path, true) : -EBUSY;
		if (err)
			return fail(exit_code_of(err),
			            "cannot clear the dead mount at '%s': %s; try 'fusermount3 -uz' there", path,
			            error_text(err));
	}
	return 0;
}

/* Find the mountpoint TYPED: *PATH is absolute and without links, malloc'ed. */
static int find_mountpoint(const char *typed, char **path)
{
	struct stat st;
	int status;

	status = clear_dead(typed);
	if (status)
		return status;
	if (stat(typed, &st)) {
		if (errno == ENOENT)
			return fail(EXIT_NOT_FOUND, "there is no folder '%s' to mount on: 'mkdir' makes one", typed);
		return fail(exit_code_of(-errno), "cannot mount on '%s': %s", typed, strerror(errno));
	}
	if (!S_ISDIR(st.st_mode))
		return fail(EXIT_REFUSED, "cannot mount on '%s': it is no folder", typed);
	*path = realpath(typed, NULL);
	if (!*path)
		return fail(exit_code_of(-errno), "cannot mount on '%s': %s", typed, strerror(errno));
	if (mountpoint_is_ours(*path, NULL) == 1) {
		status = fail(EXIT_BUSY, "'%s' is mounted already: 'revfs umount' ends that", *path);
		free(*path);
	}
	return status;
}

/* Whether it is the one in the Git directory that is below attached datasets. */
static bool is_for_attached(const struct repo *repo, const char *mountpoint)
{
	char *folder, *real = NULL;
	size_t len;
	bool is;

	if (asprintf(&folder, "%s/" ATTACHMENTS_FOLDER, repo_common_dir(repo)) >= 0) {
		real = realpath(folder, NULL);
		free(folder);
	}
	len = real ? strlen(real) : 0;
	is = real && !strncmp(mountpoint, real, len) && !strcmp(mountpoint + len, "/mount");
	free(real);
	return is;
}

static int check_mountpoint(const struct repo *repo, const char *mountpoint)
{
	const char *const folders[] = {repo_git_dir(repo), repo_common_dir(repo)};

	for (size_t i = 0; i < 2 && !is_for_attached(repo, mountpoint); i++) {
		char *folder = realpath(folders[i], NULL);
		bool within, around;

		if (!folder)
			return fail(exit_code_of(-errno), "cannot find '%s': %s", folders[i], strerror(errno));
		within = is_within(mountpoint, folder);
		around = is_within(folder, mountpoint);
		free(folder);
		if (within)
			return fail(EXIT_REFUSED, "cannot mount on '%s': it lies in the repository's Git directory",
			            mountpoint);
		if (around)
			return fail(
			    EXIT_REFUSED,
			    "cannot mount on '%s': the repository's Git directory lies in it, and would be hidden",
			    mountpoint);
	}
	return 0;
}

/* Git must not take what is shown for files of the work tree. */
static void hide_from_git(const struct repo *repo, const char *mountpoint)
{
	char *tree = repo_work_tree(repo) ? realpath(repo_work_tree(repo), NULL) : NULL;
	int err = 0;

	if (tree && !is_for_attached(repo, mountpoint) && is_within(mountpoint, tree) && strcmp(mountpoint, tree) != 0)
		err = info_exclude_add(repo, mountpoint + strlen(tree), true);
	if (err)
		warn("cannot add '%s' to info/exclude: %s; git sees what is mounted", mountpoint, error_text(err));
	free(tree);
}

/* --- serving --- */

static int fail_mount(const char *mountpoint, int err, const char *said)
{
	const char *instead = "'revfs export', 'cat' and 'archive' read revisions without a mount";

	if (err == -ENODEV || err == -ENOENT)
		return fail(EXIT_SYSTEM, "cannot mount: there is no /dev/fuse here; %s", instead);
	if (mount_possible() == -EACCES || mount_possible() == -EPERM)
		return fail(EXIT_NOT_AUTHORISED, "cannot mount: no permission to open /dev/fuse; %s", instead);
	if (said)
		return fail(exit_code_of(err), "cannot mount on '%s': %s", mountpoint, said);
	return fail(exit_code_of(err), "cannot mount on '%s': %s", mountpoint, error_text(err));
}

/* Signals that end a mount are waited for, in no thread; the others must not end it. */
static void prepare_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* Git's reader may end at any time */
	signal(SIGXFSZ, SIG_IGN); /* shared memory is a file to the kernel */
}

/* Nothing of the caller's stays open: no terminal, no pipe that somebody reads to its end. */
static void leave_caller(int ready)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char done = EXIT_DONE;
	ssize_t count;

	if (chdir("/"))
		syslog(LOG_WARNING, "cannot enter '/': %s", strerror(errno));
	fflush(NULL);
	if (null >= 0) {
		for (int fd = 0; fd <= 2; fd++)
			dup2(null, fd);
		close(null);
	}
	count = write(ready, &done, 1);
	(void)count;
	close(ready);
}

/* Serve VIEW at MOUNTPOINT until it is gone.  READY: where the caller waits, or -1. */
static int serve(const struct server *server, const struct session *session, struct view *view, const char *mountpoint,
                 int ready)
{
	const char *tree = repo_work_tree(session->repo);
	const char *source = tree ? tree : repo_git_dir(session->repo);
	struct mount_setup setup = {
	    .view = view, .mountpoint = mountpoint, .source = source, .allow_other = server->options.allow_other};
	struct metrics_file *metrics = NULL;
	struct mount *mount;
	bool ended;
	char *said;
	int err, status;

	openlog("revfs", LOG_PID | (ready < 0 ? LOG_PERROR : 0), LOG_DAEMON);
	err = mount_open(&setup, &mount, &said);
	status = err ? fail_mount(mountpoint, err, said) : EXIT_DONE;
	free(said);
	if (status)
		return status;
	err = registry_add(mountpoint, source);
	if (err)
		warn("'%s' is mounted, but 'revfs mounts' will not list it: %s", mountpoint, error_text(err));
	err = *server->options.metrics_file ? metrics_file_open(view, server->options.metrics_file, &metrics) : 0;
	if (err)
		warn("the metrics are not written to '%s': %s", server->options.metrics_file, error_text(err));
	if (ready >= 0)
		leave_caller(ready);
	ended = mount_wait(mount);
	metrics_file_close(metrics);
	if (!ended) {
		/* What is still open fails from now on: threads may hang in it, so that nothing can be freed. */
		registry_remove();
		_exit(EXIT_DONE);
	}
	mount_close(mount);
	registry_remove();
	return EXIT_DONE;
}

/* Everything from the repository on.  The current directory is that of the repository. */
static int serve_repository(const struct server *server, const char *mountpoint, int ready)
{
	const struct remotes_wait wait = {
	    .usual_s = REMOTES_WAIT_MOUNT_S,
	    .asked_s = server->options.io_timeout_s,
	    .offline = server->options.offline,
	    .serves = true,
	    .log = true,
	};
	struct view_setup setup = {
	    .mountpoint = mountpoint, .version = VERSION, .uid = server->options.uid, .gid = server->options.gid};
	struct spool *spool = NULL;
	struct session session;
	struct view *view = NULL;
	int err, status;

	status = session_open_sized(&session, SESSION_CREATE_IF_POSSIBLE, server->options.memory_bytes, &wait);
	if (status)
		return status;
	status = check_mountpoint(session.repo, mountpoint);
	if (status || server->check_only)
		goto out;
	err = mount_possible();
	if (err) {
		status = fail_mount(mountpoint, err, NULL);
		goto out;
	}
	hide_from_git(session.repo, mountpoint);
	err = spool_open(session.repo, NULL, &spool);
	if (!err)
		err = repo_fetch_aside(session.repo, remotes_wait_ms(session.remotes));
	setup.world = session.world;
	setup.world.memory = session.memory;
	setup.world.spool = spool;
	if (!err)
		err = view_open(&setup, &view);
	status = err ? fail(EXIT_SYSTEM, "cannot mount: %s", error_text(err))
	             : serve(server, &session, view, mountpoint, ready);
	view_close(view);
	spool_close(spool);
out:
	session_close(&session);
	return status;
}

static int run(const struct server *server, int ready)
{
	char *mountpoint;
	int status;

	prepare_signals();
	status = find_mountpoint(server->mountpoint, &mountpoint);
	if (status)
		return status;
	if (server->repository) {
		/* What is named counts, not what the environment says. */
		unsetenv("GIT_DIR");
		unsetenv("GIT_WORK_TREE");
		unsetenv("GIT_COMMON_DIR");
		if (chdir(server->repository))
			status = fail(exit_code_of(-errno), "cannot enter the repository '%s': %s", server->repository,
			              strerror(errno));
	}
	if (!status)
		status = serve_repository(server, mountpoint, ready);
	free(mountpoint);
	return status;
}

/* --- a process of its own --- */

/* In the middle of three processes: the server must be nobody's child and no session's leader. */
static void start_server(const struct server *server, int ready)
{
	char status;
	ssize_t count;

	if (setsid() < 0)
		_exit(EXIT_SYSTEM);
	if (fork() != 0)
		_exit(EXIT_DONE);
	/* What the caller had open beside the first three. */
	if (ready > 3)
		close_range(3, (unsigned)ready - 1, 0);
	close_range((unsigned)ready + 1, ~0u, 0);
	status = (char)run(server, ready);
	fflush(NULL);
	count = write(ready, &status, 1);
	(void)count;
	exit(status);
}

/* What the server said: an exit status, once. */
static int wait_ready(int ready, const char *mountpoint)
{
	ssize_t count;
	char status;

	do
		count = read(ready, &status, 1);
	while (count < 0 && errno == EINTR);
	if (count != 1)
		return fail(EXIT_SYSTEM, "the process that should serve '%s' ended early", mountpoint);
	/* Waits for the first answer; what it is, readers will see. */
	if (status == EXIT_DONE && is_dead(mountpoint))
		return fail(EXIT_SYSTEM, "the process that serves '%s' ended early", mountpoint);
	return status;
}

int server_start(const struct server *server)
{
	int ends[2], status;
	pid_t child;

	if (server->foreground || server->check_only)
		return run(server, -1);
	fflush(NULL);
	if (pipe2(ends, O_CLOEXEC))
		return fail(EXIT_SYSTEM, "cannot start: %s", strerror(errno));
	child = fork();
	if (child < 0)
		return fail(EXIT_SYSTEM, "cannot start: %s", strerror(errno));
	if (child == 0) {
		close(ends[0]);
		start_server(server, ends[1]);
	}
	close(ends[1]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	status = wait_ready(ends[0], server->mountpoint);
	close(ends[0]);
	return status;
}
