#include "tools/attach/own_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/attach/above.h"
#include "tools/attach/detach_one.h"
#include "tools/attach/given.h"
#include "tools/attach/overlay_mount.h"
#include "tools/shown.h"
#include "tools/stop.h"

/* --- the namespace --- */

static int write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		error = -errno;
	close(fd);
	return error;
}

/* From here on mounts are ours alone; who we are stays as it is. */
static int leave_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char text[64];
	int error = 0;

	if (unshare(CLONE_NEWNS | (uid ? CLONE_NEWUSER : 0)))
		return -errno;
	if (uid) {
		error = write_map("/proc/self/setgroups", "deny");
		snprintf(text, sizeof(text), "%u %u 1", uid, uid);
		if (!error)
			error = write_map("/proc/self/uid_map", text);
		snprintf(text, sizeof(text), "%u %u 1", gid, gid);
		if (!error)
			error = write_map("/proc/self/gid_map", text);
	}
	/* What is unmounted outside goes here, too, and not the other way round. */
	if (!error && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		error = -errno;
	return error;
}

/* --- the command --- */

static void set_signals(void (*handler)(int))
{
	signal(SIGINT, handler);
	signal(SIGQUIT, handler);
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail(EXIT_SYSTEM, "cannot wait for the command: %s", strerror(errno));
	return status_of(status);
}

static int run_command(char **command)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return fail(EXIT_SYSTEM, "cannot start '%s': %s", command[0], strerror(errno));
	if (!pid) {
		set_signals(SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGHUP, SIG_DFL);
		execvp(command[0], command);
		fail(errno == ENOENT ? 127 : 126, "cannot run '%s': %s", command[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	/* Whoever presses ^C means the command. */
	set_signals(SIG_IGN);
	return wait_for(pid);
}

/* --- what is ours --- */

/* The names of attachments that were mounted before: nothing of ours. */
struct before {
	char (*names)[ATTACHMENT_NAME_SIZE];
	size_t count;
};

static int note_before(struct attaching *a, struct before *before)
{
	enum overlay_state state;

	before->names = calloc(a->known.count + 1, sizeof(*before->names));
	if (!before->names)
		return fail(EXIT_SYSTEM, "%s", error_text(-ENOMEM));
	for (size_t i = 0; i < a->known.count; i++)
		if (overlay_state(a->git_dir, &a->known.items[i], 0, &state) || state != OVERLAY_NONE)
			strcpy(before->names[before->count++], a->known.items[i].name);
	return EXIT_DONE;
}

static bool was_before(const struct before *before, const struct attachment *attachment)
{
	for (size_t i = 0; i < before->count; i++)
		if (!strcmp(before->names[i], attachment->name))
			return true;
	return false;
}

static int end_one(struct attaching *a, const struct attachment *attachment)
{
	enum overlay_state state;
	struct given given;
	int status;

	if (overlay_state(a->git_dir, attachment, 0, &state) || state == OVERLAY_NONE)
		return EXIT_DONE;
	status = given_find(a, attachment, &given);
	if (!status && given.is_recorded)
		return detach_one(a, attachment, &(struct detach_choice){.force = false});
	if (!status)
		inform("what was changed in '%s' is in no snapshot, and kept: 'revfs run' and 'revfs attach --shell' "
		       "show it again",
		       shown(attachment->path));
	return status;
}

/* Where something that the command started goes on, all is left to it: its mounts end with it. */
static void end_all(struct attaching *a, const struct before *before)
{
	for (size_t i = 0; i < a->known.count; i++) {
		const struct attachment *attachment = &a->known.items[i];

		if (!strcmp(attachment->worktree, a->worktree) && !was_before(before, attachment))
			end_one(a, attachment);
	}
}

/* --- the processes --- */

/* In the namespace. */
static int run_inside(const struct attach_request *request, char **command)
{
	struct attaching a = {0};
	struct before before = {0};
	int uses[ATTACHING_USES_MAX], status = attaching_open(&a), result;
	size_t uses_count;

	a.is_own_namespace = true;
	if (!status)
		status = note_before(&a, &before);
	if (!status)
		status = attach_all(&a, request);
	if (!status)
		status = outcome_status(&a.outcome);
	uses_count = a.uses_count;
	memcpy(uses, a.uses, sizeof(uses));
	attaching_close(&a);
	result = status ? status : run_command(command);
	/* Nobody may take over what is ours before it is ended. */
	if (!attaching_open(&a)) {
		a.is_own_namespace = true;
		for (size_t i = 0; i < uses_count; i++)
			close(uses[i]);
		end_all(&a, &before);
	}
	attaching_close(&a);
	free(before.names);
	return result;
}

/* The mount below is everybody's: it is there before the namespace is left. */
static int start_below(void)
{
	struct attaching a = {0};
	int status = attaching_open(&a);

	if (!status)
		status = attaching_below(&a);
	attaching_close(&a);
	return status;
}

static void end_below(void)
{
	struct attaching a = {0};

	if (!attaching_open(&a))
		detach_end(&a);
	attaching_close(&a);
}

int own_namespace_run(const struct attach_request *request, char **command)
{
	int status = start_below(), error;
	pid_t pid;

	if (status)
		return status;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return fail(EXIT_SYSTEM, "cannot start '%s': %s", command[0], strerror(errno));
	if (!pid) {
		error = leave_namespace();
		status = error ? fail(EXIT_NOT_AUTHORISED,
		                      "cannot make a namespace of mounts: %s; 'revfs attach' does without",
		                      error_text(error))
		               : run_inside(request, command);
		fflush(NULL);
		_exit(status);
	}
	set_signals(SIG_IGN);
	status = wait_for(pid);
	end_below();
	return status;
}

int own_namespace_shell(const struct attach_request *request)
{
	const char *shell = getenv("SHELL");
	char *command[] = {(char *)(shell && *shell ? shell : "/bin/sh"), NULL};

	return own_namespace_run(request, command);
}
