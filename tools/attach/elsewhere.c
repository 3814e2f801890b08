#include "tools/attach/elsewhere.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/io.h"
#include "tools/attach/namespace.h"
#include "tools/attach/overlay_mount.h"
#include "tools/fail.h"
#include "tools/shown.h"

#define SEEN_MAX 64
#define NAME_SIZE 32 /* of a namespace: "mnt:[4026531840]" */

/* --- who sees it --- */

struct search {
	const struct attachment **wanted;
	size_t count;
	char seen[SEEN_MAX][NAME_SIZE]; /* namespaces that were looked at; the first is that of this process */
	size_t seen_count;
	pid_t found;
};

static bool read_namespace(const char *process, char name[NAME_SIZE])
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", process);
	len = readlink(path, name, NAME_SIZE - 1);
	name[len > 0 ? len : 0] = '\0';
	return len > 0;
}

/* Whether the namespace of PROCESS is one that was not looked at yet. */
static bool is_new(struct search *s, const char *process)
{
	char name[NAME_SIZE];

	if (!read_namespace(process, name))
		return false;
	for (size_t i = 0; i < s->seen_count; i++)
		if (!strcmp(s->seen[i], name))
			return false;
	if (s->seen_count < SEEN_MAX)
		memcpy(s->seen[s->seen_count++], name, NAME_SIZE);
	return true;
}

static int search_process(void *arg, const char *name)
{
	struct search *s = arg;
	char path[48], *end;
	long pid = strtol(name, &end, 10);
	struct stat st;

	if (pid <= 0 || *end)
		return 0;
	snprintf(path, sizeof(path), "/proc/%ld", pid);
	if (stat(path, &st) || st.st_uid != geteuid() || !is_new(s, name))
		return 0;
	for (size_t i = 0; i < s->count; i++)
		if (attachment_is_mounted_for(s->wanted[i], (pid_t)pid) == 1)
			s->found = (pid_t)pid;
	return s->found != 0;
}

static pid_t search(const struct attachment **wanted, size_t count)
{
	struct search s = {.wanted = wanted, .count = count};

	if (count && is_new(&s, "self"))
		io_list(io_system(), AT_FDCWD, "/proc", search_process, &s);
	return s.found;
}

pid_t elsewhere_find(const struct attachments *known)
{
	const struct attachment **wanted = calloc(known->count + 1, sizeof(*wanted));
	size_t count = 0;
	pid_t found;

	for (size_t i = 0; wanted && i < known->count; i++)
		if (known->items[i].dialect != LAYER_FUSE && !attachment_is_mounted(&known->items[i]))
			wanted[count++] = &known->items[i];
	found = wanted ? search(wanted, count) : 0;
	free(wanted);
	return found;
}

/* --- whether anybody does --- */

/* A child looks, which is given the right to mount. */
static bool is_used(const struct attachment *attachment)
{
	pid_t child = fork();
	int status = 0;

	if (!child)
		_exit(!namespace_new() && overlay_is_used(attachment) ? 1 : 0);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void read_program(pid_t pid, char name[17])
{
	char path[48];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(name, 17, file))
		snprintf(name, 17, "a program");
	name[strcspn(name, "\n")] = '\0';
	if (file)
		fclose(file);
}

int elsewhere_refuse(const struct attachment *attachment, const char *what)
{
	const char *path = shown(attachment->path);
	char program[17];
	pid_t pid;

	if (attachment->dialect == LAYER_FUSE)
		return EXIT_DONE;
	pid = search(&attachment, 1);
	if (pid) {
		read_program(pid, program);
		return fail(EXIT_BUSY,
		            "cannot %s '%s': it is attached in a shell of its own, for process %d (%s); 'revfs attach "
		            "--shell' enters there",
		            what, path, (int)pid, shown(program));
	}
	/* Root sees them all, and copies of those for all in any namespace. */
	if (attachment->dialect == LAYER_KERNEL_USER && is_used(attachment))
		return fail(EXIT_BUSY,
		            "cannot %s '%s': it is attached in a shell of its own, or in a container: do it there, or "
		            "when that has ended",
		            what, path);
	return EXIT_DONE;
}
