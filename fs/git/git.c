/*
 * stdin of a child is a socket, not a pipe: a child that is gone then answers EPIPE without a SIGPIPE for the process.
 */
#include "fs/git/git.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/interrupt.h"

#define ARGS_MAX 256

extern char **environ;

static bool flag_is_set(void *flag)
{
	return atomic_load_explicit((const atomic_bool *)flag, memory_order_relaxed);
}

void git_set_interrupt(const atomic_bool *flag)
{
	interrupt_watch(flag ? flag_is_set : NULL, (void *)flag);
}

/* What `git rev-parse --local-env-vars` prints, but for the configuration, which stays the user's (git -c). */
static const char *const local_variables[] = {
    "GIT_DIR",
    "GIT_COMMON_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
    "GIT_NAMESPACE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
};

static const char *const reading_variables[] = {
    "LC_ALL", "LANGUAGE", "GIT_OPTIONAL_LOCKS", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE", "GIT_FLUSH",
};

/* By which git and ssh find a program that asks in a window. */
static const char *const asking_variables[] = {
    "GIT_ASKPASS", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY", "WAYLAND_DISPLAY",
};

static bool names_variable(const char *setting, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(setting, name, len) && setting[len] == '=';
}

static bool is_dropped(const char *setting, unsigned flags)
{
	if (!(flags & GIT_RUN_ENVIRONMENT))
		for (size_t i = 0; i < sizeof(local_variables) / sizeof(*local_variables); i++)
			if (names_variable(setting, local_variables[i]))
				return true;
	if ((flags & GIT_RUN_NO_QUESTIONS) && names_variable(setting, "GIT_TERMINAL_PROMPT"))
		return true;
	if (flags & GIT_RUN_APART)
		for (size_t i = 0; i < sizeof(asking_variables) / sizeof(*asking_variables); i++)
			if (names_variable(setting, asking_variables[i]))
				return true;
	if ((flags & GIT_RUN_NO_FETCH) && names_variable(setting, "GIT_NO_LAZY_FETCH"))
		return true;
	if (flags & GIT_RUN_READING)
		for (size_t i = 0; i < sizeof(reading_variables) / sizeof(*reading_variables); i++)
			if (names_variable(setting, reading_variables[i]))
				return true;
	return false;
}

/* Append NAME=VALUE to a list that has room; nothing where VALUE is NULL. */
static int set_variable(char **list, size_t *count, const char *name, const char *value)
{
	if (!value)
		return 0;
	if (asprintf(&list[*count], "%s=%s", name, value) < 0) {
		list[*count] = NULL;
		return -ENOMEM;
	}
	(*count)++;
	return 0;
}

struct environment {
	char **list; /* borrowed settings first, then OWNED of our own */
	size_t borrowed;
	size_t count;
};

static void environment_release(struct environment *e)
{
	for (size_t i = e->borrowed; i < e->count; i++)
		free(e->list[i]);
	free(e->list);
	memset(e, 0, sizeof(*e));
}

static int environment_init(struct environment *e, const struct git_where *where, unsigned flags)
{
	size_t count = 0;
	int r = 0;

	memset(e, 0, sizeof(*e));
	while (environ && environ[count])
		count++;
	e->list = calloc(count + 16, sizeof(*e->list));
	if (!e->list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!is_dropped(environ[i], flags))
			e->list[e->count++] = environ[i];
	e->borrowed = e->count;
	if (where && !(flags & GIT_RUN_ENVIRONMENT)) {
		const char *const settings[][2] = {
		    {"GIT_DIR", where->git_dir},
		    {"GIT_COMMON_DIR", where->common_dir},
		    {"GIT_WORK_TREE", where->work_tree},
		    {"GIT_INDEX_FILE", where->index_file},
		    {"GIT_OBJECT_DIRECTORY", where->object_dir},
		    {"GIT_ALTERNATE_OBJECT_DIRECTORIES", where->alternates},
		};
		for (size_t i = 0; !r && i < sizeof(settings) / sizeof(*settings); i++)
			r = set_variable(e->list, &e->count, settings[i][0], settings[i][1]);
	}
	if (!r && (flags & GIT_RUN_READING)) {
		r = set_variable(e->list, &e->count, "LC_ALL", "C");
		if (!r)
			r = set_variable(e->list, &e->count, "GIT_OPTIONAL_LOCKS", "0");
		if (!r)
			r = set_variable(e->list, &e->count, "GIT_NO_REPLACE_OBJECTS", "1");
	}
	if (!r && (flags & GIT_RUN_NO_QUESTIONS))
		r = set_variable(e->list, &e->count, "GIT_TERMINAL_PROMPT", "0");
	if (!r && (flags & GIT_RUN_APART))
		r = set_variable(e->list, &e->count, "SSH_ASKPASS_REQUIRE", "never");
	if (!r && (flags & GIT_RUN_NO_FETCH))
		r = set_variable(e->list, &e->count, "GIT_NO_LAZY_FETCH", "1");
	if (r)
		environment_release(e);
	return r;
}

static int make_actions(posix_spawn_file_actions_t *actions, const struct git_where *where,
                        const struct git_descriptors *d)
{
	int r = 0;

	if (where && where->dir)
		r = posix_spawn_file_actions_addchdir_np(actions, where->dir);
	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, d->input, STDIN_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, d->output, STDOUT_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(actions, d->errors, STDERR_FILENO);
	return -r;
}

/* Signals as a program expects them, whatever the caller's threads block or ignore. */
static int make_attributes(posix_spawnattr_t *attributes, unsigned flags)
{
	short set = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t none, defaults;
	int r;

	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGCHLD);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attributes, &defaults);
	if (flags & GIT_RUN_APART)
		set |= POSIX_SPAWN_SETSID;
	if (!r)
		r = posix_spawnattr_setflags(attributes, set);
	return -r;
}

int git_spawn(const struct git_where *where, const char *const *args, unsigned flags, const struct git_descriptors *d,
              pid_t *pid)
{
	const char *argv[ARGS_MAX + 4] = {"git"};
	posix_spawn_file_actions_t actions;
	struct environment environment;
	posix_spawnattr_t attributes;
	size_t count = 1;
	int r;

	if (flags & GIT_RUN_APART) {
		argv[count++] = "-c";
		argv[count++] = "core.askPass=";
	}
	while (*args && count <= ARGS_MAX + 2)
		argv[count++] = *args++;
	if (*args)
		return -E2BIG;
	r = environment_init(&environment, where, flags);
	if (r)
		return r;
	if (posix_spawn_file_actions_init(&actions)) {
		environment_release(&environment);
		return -ENOMEM;
	}
	posix_spawnattr_init(&attributes);
	r = make_actions(&actions, where, d);
	if (!r)
		r = make_attributes(&attributes, flags);
	if (!r)
		r = -posix_spawnp(pid, "git", &actions, &attributes, (char *const *)argv, environment.list);
	/* A missing program and a missing folder are told apart: only one of them is mended by installing git. */
	if (r == -ENOENT && (!where || !where->dir || !access(where->dir, X_OK)))
		r = -ENOPKG;
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	environment_release(&environment);
	return r;
}

int git_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Where this process has no stdin, say, a new descriptor may be 0: the child's dup2(2)s would tread on it. */
static int above_standard(int *fd)
{
	int moved;

	if (*fd > STDERR_FILENO)
		return 0;
	moved = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (moved < 0)
		return -errno;
	close(*fd);
	*fd = moved;
	return 0;
}

int git_connect(bool is_input, int *ours, int *theirs)
{
	int fds[2], r;

	if (is_input ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) : pipe2(fds, O_CLOEXEC))
		return -errno;
	r = above_standard(&fds[0]);
	if (!r)
		r = above_standard(&fds[1]);
	if (r) {
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	/* The child must not be able to talk back here. */
	if (is_input)
		shutdown(fds[0], SHUT_RD);
	*ours = fds[0];
	*theirs = fds[1];
	return 0;
}

int git_await(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	if (!interrupt_watched())
		return 0;
	do {
		if (interrupt_pending())
			return -EINTR;
		n = poll(&p, 1, INTERRUPT_POLL_MS);
	} while (!n || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}
