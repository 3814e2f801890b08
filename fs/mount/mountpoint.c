#include "fs/mount/mountpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

void mountpoint_unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] && text[3]) {
			*out++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

/* One line: ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELD...] - TYPE SOURCE OPTIONS (proc(5)).  False for another
 * form. */
static bool parse_line(char *line, struct mountpoint *mountpoint)
{
	char *rest = strstr(line, " - "), *fields[5], *save = NULL;

	if (!rest)
		return false;
	*rest = '\0';
	rest += 3;
	for (size_t i = 0; i < 5; i++) {
		fields[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!fields[i])
			return false;
	}
	if (sscanf(fields[2], "%u:%u", &mountpoint->major, &mountpoint->minor) != 2)
		return false;
	mountpoint_unescape(fields[4]);
	mountpoint->path = fields[4];
	mountpoint->type = strtok_r(rest, " \n", &save);
	fields[0] = strtok_r(NULL, " \n", &save);
	if (!mountpoint->type || !fields[0])
		return false;
	mountpoint_unescape(fields[0]);
	mountpoint->source = fields[0];
	mountpoint->options = strtok_r(NULL, " \n", &save);
	if (!mountpoint->options)
		mountpoint->options = "";
	return true;
}

static int read_table(const char *path, int (*each)(void *arg, const struct mountpoint *mountpoint), void *arg)
{
	FILE *table = fopen(path, "re");
	struct mountpoint mountpoint;
	char *line = NULL;
	size_t size = 0;
	int answer = 0;

	if (!table)
		return -errno;
	while (!answer && getline(&line, &size, table) > 0)
		if (parse_line(line, &mountpoint))
			answer = each(arg, &mountpoint);
	if (!answer && ferror(table))
		answer = -EIO;
	free(line);
	fclose(table);
	return answer;
}

int mountpoint_each(int (*each)(void *arg, const struct mountpoint *mountpoint), void *arg)
{
	return read_table("/proc/self/mountinfo", each, arg);
}

int mountpoint_each_of(pid_t pid, int (*each)(void *arg, const struct mountpoint *mountpoint), void *arg)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	return read_table(path, each, arg);
}

struct search {
	const char *path;
	bool ours;
	unsigned minor;
};

static int search_each(void *arg, const struct mountpoint *mountpoint)
{
	struct search *search = arg;

	if (strcmp(mountpoint->path, search->path) == 0) {
		search->ours = strcmp(mountpoint->type, MOUNTPOINT_TYPE) == 0;
		search->minor = mountpoint->minor;
	}
	return 0;
}

int mountpoint_is_ours(const char *path, unsigned *minor)
{
	struct search search = {.path = path};
	int err = mountpoint_each(search_each, &search);

	if (err)
		return err;
	if (search.ours && minor)
		*minor = search.minor;
	return search.ours;
}

/* What fusermount3 printed, as an error. */
static int fusermount_error(const char *words)
{
	if (strstr(words, "busy"))
		return -EBUSY;
	if (strstr(words, "not found in") || strstr(words, "not mounted") || strstr(words, "Invalid argument"))
		return -EINVAL;
	return -EPERM;
}

static int fusermount(const char *path, bool lazy)
{
	char *argv[] = {"fusermount3", "-u", lazy ? "-z" : "--", lazy ? "--" : (char *)path, lazy ? (char *)path : NULL,
	                NULL};
	char *environment[] = {"LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin", NULL};
	char words[512] = "";
	posix_spawn_file_actions_t actions;
	int ends[2], status, err;
	size_t len = 0;
	ssize_t count;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (err) {
		close(ends[0]);
		return -err;
	}
	while ((count = read(ends[0], words + len, sizeof(words) - 1 - len)) > 0)
		len += (size_t)count;
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : fusermount_error(words);
}

int mountpoint_remove(const char *path, bool lazy)
{
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	return errno == EPERM ? fusermount(path, lazy) : -errno;
}
