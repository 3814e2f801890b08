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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/interrupt.h"

#define CAPTURE_LIMIT ((size_t)64 << 20)
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

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int git_reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Bytes that come in; LIMIT counts without the NUL byte behind them. */
struct capture {
	int fd; /* -1: closed */
	char *data;
	size_t len;
	size_t size;
};

static int capture_grow(struct capture *c)
{
	size_t size = c->size ? 2 * c->size : 4096;
	char *data = realloc(c->data, size);

	if (!data)
		return -ENOMEM;
	c->data = data;
	c->size = size;
	return 0;
}

static int capture_read(struct capture *c, size_t limit)
{
	ssize_t n;
	int r;

	if (c->size - c->len < 2) {
		r = capture_grow(c);
		if (r)
			return r;
	}
	n = read(c->fd, c->data + c->len, c->size - c->len - 1);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (!n)
		close_fd(&c->fd);
	c->len += (size_t)n;
	c->data[c->len] = '\0';
	return c->len > limit ? -EFBIG : 0;
}

/* What is still to be sent to the child. */
struct feed {
	int fd; /* -1: closed */
	const char *data;
	size_t len;
};

static int feed_send(struct feed *f)
{
	ssize_t n = f->len ? send(f->fd, f->data, f->len, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A child that does not read its input to the end says so by its status. */
	if (n < 0 && errno != EPIPE && errno != ECONNRESET)
		return -errno;
	if (n > 0) {
		f->data += n;
		f->len -= (size_t)n;
	}
	if (n < 0 || !f->len)
		close_fd(&f->fd);
	return 0;
}

static int exchange(struct feed *feed, struct capture *output, struct capture *errors, size_t limit)
{
	int r = 0;

	while (!r && (feed->fd >= 0 || output->fd >= 0 || errors->fd >= 0)) {
		struct pollfd fds[3] = {
		    {.fd = feed->fd, .events = POLLOUT},
		    {.fd = output->fd, .events = POLLIN},
		    {.fd = errors->fd, .events = POLLIN},
		};
		if (interrupt_pending())
			return -EINTR;
		if (poll(fds, 3, interrupt_watched() ? INTERRUPT_POLL_MS : -1) < 0) {
			if (errno != EINTR)
				return -errno;
			continue;
		}
		if (fds[0].revents)
			r = feed_send(feed);
		if (!r && fds[1].revents)
			r = capture_read(output, limit);
		if (!r && fds[2].revents)
			r = capture_read(errors, limit);
	}
	return r;
}

/* The exit of a child that holds none of our descriptors can still be a while away; only who may be interrupted
 * polls. */
static int await_exit(pid_t pid, int *status)
{
	struct pollfd process = {.fd = -1, .events = POLLIN};
	siginfo_t ended = {0};
	int r = 0;

	if (interrupt_watched())
		process.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	while (!r && interrupt_watched() && poll(&process, 1, INTERRUPT_POLL_MS) <= 0) {
		/* Without such a descriptor (an old kernel, a container that forbids it) the poll is a pause. */
		if (process.fd < 0 && (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) || ended.si_pid))
			break;
		r = interrupt_pending() ? -EINTR : 0;
	}
	close_fd(&process.fd);
	if (!r)
		*status = git_reap(pid);
	return r;
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

/* Both ends of what connects us with one descriptor of the child. */
struct ends {
	int ours;
	int theirs;
};

struct connection {
	struct ends input;
	struct ends output;
	struct ends errors;
	struct git_descriptors child;
};

static void connection_close_theirs(struct connection *c)
{
	close_fd(&c->input.theirs);
	close_fd(&c->output.theirs);
	close_fd(&c->errors.theirs);
}

static void connection_close(struct connection *c)
{
	connection_close_theirs(c);
	close_fd(&c->input.ours);
	close_fd(&c->output.ours);
	close_fd(&c->errors.ours);
}

static int connection_open(struct connection *c, unsigned flags, int output_fd)
{
	int r = 0;

	*c = (struct connection){{-1, -1}, {-1, -1}, {-1, -1}, {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}};
	if (!(flags & GIT_RUN_PASS_INPUT)) {
		r = git_connect(true, &c->input.ours, &c->input.theirs);
		c->child.input = c->input.theirs;
	}
	if (!r && output_fd > 0) {
		c->child.output = output_fd;
	} else if (!r && (flags & GIT_RUN_OUTPUT_TO_STDERR)) {
		c->child.output = STDERR_FILENO;
	} else if (!r && !(flags & GIT_RUN_PASS_OUTPUT)) {
		r = git_connect(false, &c->output.ours, &c->output.theirs);
		c->child.output = c->output.theirs;
	}
	if (!r && !(flags & GIT_RUN_PASS_ERRORS)) {
		r = git_connect(false, &c->errors.ours, &c->errors.theirs);
		c->child.errors = c->errors.theirs;
	}
	if (r)
		connection_close(c);
	return r;
}

int git_run(struct git_run *run)
{
	struct capture output = {.fd = -1}, errors = {.fd = -1};
	struct feed feed = {.fd = -1};
	struct connection c;
	pid_t pid;
	int r;

	run->status = 127;
	run->output = run->errors = NULL;
	run->output_len = run->errors_len = 0;
	r = connection_open(&c, run->flags, run->output_fd);
	if (r)
		return r;
	r = git_spawn(run->where, run->args, run->flags, &c.child, &pid);
	if (r)
		goto out;
	connection_close_theirs(&c);
	feed = (struct feed){c.input.ours, run->input, run->input_len};
	output.fd = c.output.ours;
	errors.fd = c.errors.ours;
	c.input.ours = c.output.ours = c.errors.ours = -1;
	r = exchange(&feed, &output, &errors, run->limit ? run->limit : CAPTURE_LIMIT);
	close_fd(&feed.fd);
	close_fd(&output.fd);
	close_fd(&errors.fd);
	if (!r)
		r = await_exit(pid, &run->status);
	if (r) {
		kill(pid, SIGTERM);
		run->status = git_reap(pid);
	}
	run->output = output.data;
	run->output_len = output.len;
	run->errors = errors.data;
	run->errors_len = errors.len;
out:
	connection_close(&c);
	return r;
}

void git_run_release(struct git_run *run)
{
	free(run->output);
	free(run->errors);
	run->output = run->errors = NULL;
	run->output_len = run->errors_len = 0;
}

const char *git_run_message(struct git_run *run)
{
	if (!run->errors)
		return "";
	while (run->errors_len && run->errors[run->errors_len - 1] == '\n')
		run->errors[--run->errors_len] = '\0';
	return run->errors + (strncmp(run->errors, "fatal: ", 7) ? 0 : 7);
}
