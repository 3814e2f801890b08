#include "tools/attach/below.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/mount/mountpoint.h"
#include "tools/attach/overlay_mount.h"
#include "tools/fail.h"
#include "tools/registry.h"
#include "tools/stop.h"

#define END_MS 10000

extern char **environ;

/* Where the mount is; the last component is not touched: it may be dead. */
static char *find_mountpoint(const struct repo *repo)
{
	char *folder, *real = NULL, *path = NULL;

	if (asprintf(&folder, "%s/" ATTACHMENTS_FOLDER, repo_common_dir(repo)) < 0)
		return NULL;
	real = realpath(folder, NULL);
	if (real && asprintf(&path, "%s/mount", real) < 0)
		path = NULL;
	free(real);
	free(folder);
	return path;
}

struct search {
	const char *path;
	struct registered found; /* its strings are not valid */
	bool alive;
};

static int search_each(void *arg, const struct registered *mount)
{
	struct search *s = arg;

	if (mount->alive && !strcmp(mount->mountpoint, s->path)) {
		s->found = *mount;
		s->alive = true;
	}
	return 0;
}

/* Whether what is mounted at PATH is served: 1, 0, or an exit status below 0, negated. */
static int is_served(const char *path, unsigned *minor)
{
	struct search search = {.path = path};
	struct statvfs st;
	int ours = mountpoint_is_ours(path, minor);

	if (ours < 0)
		return -fail(exit_code_of(ours), "cannot read the table of mounts: %s", error_text(ours));
	if (!ours)
		return 0;
	registry_each(search_each, &search);
	if (search.alive || !statvfs(path, &st))
		return 1;
	if (errno == ENOTCONN || errno == ECONNABORTED)
		return 0;
	if (errno == EACCES)
		return -fail(EXIT_NOT_AUTHORISED,
		             "another user has attached datasets of this repository, and '%s' is closed to others: "
		             "work on a clone, or in the other's name",
		             path);
	return -fail(exit_code_of(-errno), "cannot use the mount at '%s': %s", path, strerror(errno));
}

/* Its process leaves this one's session by itself. */
static int start(const struct repo *repo, const char *mountpoint)
{
	char *argv[] = {"revfs", "mount", (char *)repo_common_dir(repo), (char *)mountpoint, NULL};
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int error, status;
	pid_t pid;

	self[len > 0 ? len : 0] = '\0';
	if (mkdir(mountpoint, 0700) && errno != EEXIST && errno != ENOTCONN && errno != ECONNABORTED)
		return fail(exit_code_of(-errno), "cannot make '%s': %s", mountpoint, strerror(errno));
	error = posix_spawn(&pid, self, NULL, NULL, argv, environ);
	if (error)
		return fail(EXIT_SYSTEM, "cannot start the mount of the repository: %s", strerror(error));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(EXIT_SYSTEM, "cannot wait for the mount of the repository: %s", strerror(errno));
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (atomic_load(stop_flag()))
		return stop_status();
	return fail(EXIT_SYSTEM, "the mount of the repository ended by signal %d", WTERMSIG(status));
}

int below_start(const struct repo *repo, struct below *below)
{
	int answer, status = EXIT_DONE;

	*below = (struct below){.mountpoint = find_mountpoint(repo)};
	if (!below->mountpoint)
		return fail(EXIT_SYSTEM, "cannot find the Git directory: %s", strerror(errno));
	answer = is_served(below->mountpoint, &below->minor);
	if (!answer) {
		status = start(repo, below->mountpoint);
		/* Another may have come before it: one that an attach began which was killed. */
		if (!status || status == EXIT_BUSY)
			answer = is_served(below->mountpoint, &below->minor);
		if (answer == 1)
			status = EXIT_DONE;
		if (!status && !answer)
			status =
			    fail(EXIT_SYSTEM, "the mount of the repository at '%s' ended early", below->mountpoint);
	}
	if (answer < 0)
		status = -answer;
	if (status)
		below_release(below);
	return status;
}

void below_release(struct below *below)
{
	free(below->mountpoint);
	*below = (struct below){0};
}

char *below_path(const struct below *below, const struct attachment *attachment)
{
	char *path, hex[OID_HEX_MAX];

	if (asprintf(&path, "%s/@%s/%s", below->mountpoint, oid_format(&attachment->commit, hex), attachment->path) < 0)
		return NULL;
	return path;
}

unsigned below_minor(const struct repo *repo)
{
	char *path = find_mountpoint(repo);
	unsigned minor;
	bool stands = path && mountpoint_is_ours(path, &minor) == 1;

	free(path);
	return stands ? minor : 0;
}

void below_end(const struct repo *repo)
{
	char *path = find_mountpoint(repo);
	struct search search = {.path = path};
	int error;

	if (path && mountpoint_is_ours(path, NULL) == 1) {
		registry_each(search_each, &search);
		error = overlay_unmount(path);
		if (error)
			warn("cannot end the mount at '%s': %s; 'revfs umount' there does", path, error_text(error));
		else if (search.alive && registry_wait(&search.found, END_MS))
			warn("'%s' is unmounted, but process %d has not ended yet", path, (int)search.found.pid);
	}
	if (path)
		rmdir(path);
	free(path);
}
