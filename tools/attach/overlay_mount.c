#include "tools/attach/overlay_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/io.h"
#include "cache/wire.h"
#include "fs/mount/mountpoint.h"
#include "tools/attach/namespace.h"
#include "tools/attach/private.h"
#include "tools/stop.h"

#define SOURCE "revfs:"
#define OPTIONS_MAX 4095 /* the kernel takes a page, with a NUL byte */
#define SAID_MAX 4096
#define POLL_MS 100
/* What the kernel reads ahead uses the mount a little longer than the program that read. */
#define BUSY_MS 1000
#define BUSY_STEP_MS 25

extern char **environ;

/* --- the kernel's --- */

/* Append KEY=PATH/NAME, with a backslash before what would end or divide it. */
static void put_option(struct buffer *text, const char *key, const char *path, const char *name)
{
	buffer_append(text, key, strlen(key));
	for (; *path; path++) {
		if (strchr("\\,:", *path))
			buffer_put8(text, '\\');
		buffer_put8(text, (uint8_t)*path);
	}
	buffer_append(text, name, strlen(name));
}

/* With attributes of users the kernel takes a word only that says that no redirection is followed. */
static const char *fixed_options(enum layer_dialect dialect)
{
	return dialect == LAYER_KERNEL_USER ? ",userxattr,redirect_dir=nofollow,metacopy=off,index=off,xino=off"
	                                    : ",redirect_dir=off,metacopy=off,index=off,xino=off";
}

struct call {
	const char *source, *place, *options;
};

static int call_mount(void *arg)
{
	const struct call *c = arg;

	return mount(c->source, c->place, "overlay", MS_NOSUID | MS_NODEV, c->options) ? -errno : 0;
}

static int mount_kernel(const struct overlay_mount *m, const char *place)
{
	const struct attachment *a = m->attachment;
	struct buffer text = {0};
	char source[32];
	struct call call = {.source = source, .place = place};
	int error = 0;

	put_option(&text, "lowerdir=", m->lower, "");
	put_option(&text, ",upperdir=", a->folder, "/upper");
	put_option(&text, ",workdir=", a->folder, "/work");
	put_option(&text, fixed_options(a->dialect), "", "");
	buffer_put8(&text, 0);
	snprintf(source, sizeof(source), "%s%u", private_is_here() ? ATTACHMENT_FOR_SHELLS : SOURCE, m->minor);
	if (text.failed)
		error = -ENOMEM;
	else if (text.len > OPTIONS_MAX)
		error = -ENAMETOOLONG;
	call.options = (const char *)text.data;
	if (!error)
		error = call_mount(&call);
	/* Its folder for work is closed to everybody: whoever mounts it must be above that. */
	if (error == -EACCES && a->dialect == LAYER_KERNEL_USER)
		error = namespace_mount(call_mount, &call, place, true);
	buffer_release(&text);
	return error;
}

bool overlay_is_used(const struct attachment *attachment)
{
	/* Told to keep it to itself, the kernel refuses an upper folder that another overlay has.  One that nobody has
	 * it refuses, too, for a folder for work that can belong to none; nothing is written before. */
	const char *impossible = ",workdir=/proc,userxattr,redirect_dir=nofollow,index=on";
	struct buffer text = {0};
	bool is;

	put_option(&text, "lowerdir=/,upperdir=", attachment->folder, "/upper");
	put_option(&text, impossible, "", "");
	buffer_put8(&text, 0);
	is = !text.failed && text.len <= OPTIONS_MAX &&
	     mount(SOURCE, attachment->folder, "overlay", MS_NOSUID | MS_NODEV, text.data) && errno == EBUSY;
	buffer_release(&text);
	return is;
}

/* --- fuse-overlayfs --- */

/* The last line of TEXT, which warnings may stand before. */
static char *last_line(char *text)
{
	size_t len = strlen(text);
	char *line;

	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	line = strrchr(text, '\n');
	return len ? strdup(line ? line + 1 : text) : NULL;
}

/* Take all that comes from FD until the other end is closed, which a server that started does, or the user gives up. */
static int read_words(int fd, char words[SAID_MAX])
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char piece[512];
	size_t len = 0;
	ssize_t count;

	for (;;) {
		if (atomic_load(stop_flag()))
			return -EINTR;
		if (poll(&ready, 1, POLL_MS) <= 0)
			continue;
		count = read(fd, piece, sizeof(piece));
		if (count < 0 && errno != EINTR)
			return -errno;
		if (!count)
			break;
		for (ssize_t i = 0; i < count && len < SAID_MAX - 1; i++)
			words[len++] = piece[i];
	}
	words[len] = '\0';
	return 0;
}

static int run_fuse(const char *options, const char *place, char **said)
{
	char *argv[] = {"fuse-overlayfs", "-o", (char *)options, (char *)place, NULL};
	posix_spawn_file_actions_t actions;
	char words[SAID_MAX] = "";
	int ends[2], status, error;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (error) {
		close(ends[0]);
		return error == ENOENT || error == ENOTDIR || error == EACCES ? -ENOPKG : -error;
	}
	error = read_words(ends[0], words);
	close(ends[0]);
	if (error)
		kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (error || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return error;
	*said = last_line(words);
	return -EIO;
}

/* The path of the file `below`; malloc'ed. */
static char *note_path(const char *git_dir, const struct attachment *attachment)
{
	char *path;

	return asprintf(&path, "%s/" ATTACHMENTS_FOLDER "/%s/below", git_dir, attachment->name) < 0 ? NULL : path;
}

/* Before it is mounted: what is mounted then has it. */
static int note(const struct overlay_mount *m)
{
	char *path = note_path(m->git_dir, m->attachment), text[16];
	int error;

	if (!path)
		return -ENOMEM;
	snprintf(text, sizeof(text), "%u\n", m->minor);
	error = io_replace_file(io_system(), AT_FDCWD, m->git_dir, path, text, strlen(text), 0644);
	free(path);
	return error;
}

/* It divides what it is told at commas and colons: folders are told as descriptors that it inherits.  The path of the
 * upper one it divides again. */
static int mount_fuse(const struct overlay_mount *m, const char *place, char **said)
{
	enum { LOWER, UPPER, WORK, COUNT };
	char *paths[COUNT] = {strdup(m->lower)}, *options = NULL;
	int fds[COUNT] = {-1, -1, -1}, error = 0;

	if (asprintf(&paths[UPPER], "%s/upper", m->attachment->folder) < 0)
		paths[UPPER] = NULL;
	if (asprintf(&paths[WORK], "%s/work", m->attachment->folder) < 0)
		paths[WORK] = NULL;
	for (size_t i = 0; !error && i < COUNT; i++) {
		fds[i] = paths[i] ? open(paths[i], O_PATH | O_DIRECTORY | O_NOFOLLOW) : -1;
		error = !paths[i] ? -ENOMEM : fds[i] < 0 ? -errno : 0;
	}
	if (!error && asprintf(&options, "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d",
	                       fds[LOWER], fds[UPPER], fds[WORK]) < 0) {
		options = NULL;
		error = -ENOMEM;
	}
	if (!error)
		error = note(m);
	if (!error)
		error = run_fuse(options, place, said);
	free(options);
	for (size_t i = 0; i < COUNT; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		free(paths[i]);
	}
	return error;
}

int overlay_mount(const struct overlay_mount *request, char **said)
{
	char *place = attachment_place(request->attachment);
	int error;

	*said = NULL;
	if (!place)
		return -ENOMEM;
	if (request->attachment->dialect == LAYER_FUSE && strchr(request->attachment->folder, ':')) {
		*said = strdup("fuse-overlayfs takes no colon in the path of the folder for what is written; set "
		               "revfs.attachDir to one without");
		error = -EINVAL;
	} else if (request->attachment->dialect == LAYER_FUSE)
		error = mount_fuse(request, place, said);
	else
		error = mount_kernel(request, place);
	free(place);
	return error;
}

/* --- what stands --- */

struct search {
	const char *place;
	bool is_above; /* the uppermost mount is one of ours, above that mount */
	unsigned minor;
};

/* What SOURCE has behind what it begins with, for one of ours; or NULL. */
static const char *number_of(const char *source)
{
	static const char *const begins[] = {SOURCE, ATTACHMENT_FOR_SHELLS};

	for (size_t i = 0; i < sizeof(begins) / sizeof(*begins); i++)
		if (!strncmp(source, begins[i], strlen(begins[i])))
			return source + strlen(begins[i]);
	return NULL;
}

bool overlay_is_ours(const char *source)
{
	return number_of(source) != NULL;
}

static bool stands_above(const char *source, unsigned minor)
{
	const char *number = number_of(source);
	char want[16];

	snprintf(want, sizeof(want), "%u", minor);
	return number && !strcmp(number, want);
}

static int search_each(void *arg, const struct mountpoint *mountpoint)
{
	struct search *s = arg;

	if (!strcmp(mountpoint->path, s->place))
		s->is_above = stands_above(mountpoint->source, s->minor);
	return 0;
}

/* Whether the file `below` has that number. */
static bool is_noted(const char *git_dir, const struct attachment *attachment, unsigned minor)
{
	char *path = note_path(git_dir, attachment), want[16];
	void *text = NULL;
	size_t len;
	bool is;

	snprintf(want, sizeof(want), "%u\n", minor);
	is = path && !io_read_file(io_system(), AT_FDCWD, path, sizeof(want), &text, &len) && !strcmp(text, want);
	free(text);
	free(path);
	return is;
}

int overlay_state(const char *git_dir, const struct attachment *attachment, unsigned minor, enum overlay_state *state)
{
	struct search s = {.place = attachment_place(attachment), .minor = minor};
	int answer = s.place ? attachment_is_mounted(attachment) : -ENOMEM;

	*state = answer == 1 || answer == -ENOTCONN ? OVERLAY_STALE : OVERLAY_NONE;
	if (answer == 1 && minor && attachment->dialect == LAYER_FUSE) {
		s.is_above = is_noted(git_dir, attachment, minor);
	} else if (answer == 1 && minor) {
		answer = mountpoint_each(search_each, &s);
	}
	if (s.is_above)
		*state = OVERLAY_CURRENT;
	free((char *)s.place);
	return answer < 0 && answer != -ENOTCONN ? answer : 0;
}

static int look_above(void *arg, const struct mountpoint *mountpoint)
{
	const unsigned *minor = arg;

	return !strcmp(mountpoint->type, "overlay") && stands_above(mountpoint->source, *minor);
}

int overlay_is_above(unsigned minor)
{
	return mountpoint_each(look_above, &minor);
}

int overlay_unmount(const char *place)
{
	int error = mountpoint_remove(place, false);

	for (unsigned waited = 0; error == -EBUSY && waited < BUSY_MS; waited += BUSY_STEP_MS) {
		if (atomic_load(stop_flag()))
			return -EINTR;
		io_sleep_ms(io_system(), BUSY_STEP_MS);
		error = mountpoint_remove(place, false);
	}
	return error;
}
