#include "tools/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cache/io.h"
#include "fs/mount/mountpoint.h"

/* A file is strings with their NUL bytes: the magic, mountpoint, repository, process id, its start, since. */
#define MAGIC "revfs-mount 1"
#define FIELDS 6
#define FILE_MAX 65536
#define PREFIX "mount-"

/* --- processes --- */

/*
 * When the process PID was started, in ticks since the machine was (proc_pid_stat(5)); 0 where there is none.  One that
 * has ended and is not reaped yet is none: in a container nobody may ever do that.
 */
static uint64_t process_started(pid_t pid)
{
	char path[64], text[4096];
	const char *p;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	/* The second field, the name, is in parentheses and may hold anything; then the state; the 22nd is wanted. */
	p = strrchr(text, ')');
	if (!p || strncmp(p, ") Z", 3) == 0 || strncmp(p, ") X", 3) == 0)
		return 0;
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

int registry_wait(const struct registered *mount, int timeout_ms)
{
	struct pollfd process = {.events = POLLIN};
	int ready;

	process.fd = (int)syscall(SYS_pidfd_open, mount->pid, 0);
	if (process.fd < 0)
		return 0;
	/* Asked after the descriptor is there: it is of this process or of a later one. */
	if (process_started(mount->pid) != mount->started) {
		close(process.fd);
		return 0;
	}
	do
		ready = poll(&process, 1, timeout_ms);
	while (ready < 0 && errno == EINTR);
	close(process.fd);
	return ready > 0 ? 0 : -ETIMEDOUT;
}

/* --- the folder --- */

/* The folder's path; malloc'ed. */
static char *folder_path(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *path;
	int len;

	if (geteuid() == 0)
		return strdup("/run/revfs");
	if (runtime && runtime[0] == '/' && access(runtime, W_OK) == 0)
		len = asprintf(&path, "%s/revfs", runtime);
	else
		len = asprintf(&path, "/tmp/revfs-%u", (unsigned)geteuid());
	return len < 0 ? NULL : path;
}

/* Open the folder, made where MAKE is set.  -EPERM where it is another's: what lies there is not to be believed. */
static int folder_open(bool make)
{
	char *path = folder_path();
	struct stat st;
	int fd;

	if (!path)
		return -ENOMEM;
	if (make && mkdir(path, 0700) && errno != EEXIST) {
		int err = -errno;

		free(path);
		return err;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	free(path);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 022) == 0)
		return fd;
	close(fd);
	return -EPERM;
}

static void file_name(pid_t pid, char name[32])
{
	snprintf(name, 32, PREFIX "%d", (int)pid);
}

int registry_add(const char *mountpoint, const char *repository)
{
	char name[32], *text;
	int fd = folder_open(true), len, err;

	if (fd < 0)
		return fd;
	file_name(getpid(), name);
	len = asprintf(&text, "%s%c%s%c%s%c%d%c%llu%c%lld", MAGIC, 0, mountpoint, 0, repository, 0, (int)getpid(), 0,
	               (unsigned long long)process_started(getpid()), 0, (long long)io_now(io_system()).tv_sec);
	if (len < 0) {
		close(fd);
		return -ENOMEM;
	}
	err = io_replace_file(io_system(), fd, ".", name, text, (size_t)len + 1, 0600);
	free(text);
	close(fd);
	return err;
}

void registry_remove(void)
{
	char name[32];
	int fd = folder_open(false);

	if (fd < 0)
		return;
	file_name(getpid(), name);
	unlinkat(fd, name, 0);
	close(fd);
}

/* --- reading --- */

struct listed {
	struct registered mount;
	char *text; /* which it borrows from */
};

struct list {
	int folder;
	struct listed *items;
	size_t count;
};

/* The file TEXT of LEN bytes as a mount.  False for what is no such file. */
static bool parse(char *text, size_t len, struct registered *mount)
{
	char *fields[FIELDS];

	for (size_t i = 0; i < FIELDS; i++) {
		size_t field = strnlen(text, len);

		if (field == len)
			return false;
		fields[i] = text;
		text += field + 1;
		len -= field + 1;
	}
	if (len || strcmp(fields[0], MAGIC) != 0)
		return false;
	mount->mountpoint = fields[1];
	mount->repository = fields[2];
	mount->pid = (pid_t)strtol(fields[3], NULL, 10);
	mount->started = strtoull(fields[4], NULL, 10);
	mount->since = strtoll(fields[5], NULL, 10);
	return mount->pid > 0;
}

static int list_add(struct list *list, struct listed *item)
{
	struct listed *items = reallocarray(list->items, list->count + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	list->items[list->count++] = *item;
	return 0;
}

static int list_file(void *arg, const char *name)
{
	struct list *list = arg;
	struct listed item = {0};
	void *data;
	size_t len;
	int err;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
	    name[strspn(name + strlen(PREFIX), "0123456789") + strlen(PREFIX)])
		return 0;
	err = io_read_file(io_system(), list->folder, name, FILE_MAX, &data, &len);
	if (err)
		return err == -ENOMEM ? err : 0;
	item.text = data;
	if (parse(item.text, len, &item.mount)) {
		uint64_t started = process_started(item.mount.pid);

		item.mount.alive = started && started == item.mount.started;
		if (item.mount.alive || mountpoint_is_ours(item.mount.mountpoint, NULL) == 1) {
			err = list_add(list, &item);
			if (err)
				free(data);
			return err;
		}
	}
	free(data);
	unlinkat(list->folder, name, 0);
	return 0;
}

static int item_order(const void *a, const void *b)
{
	const struct registered *x = &((const struct listed *)a)->mount, *y = &((const struct listed *)b)->mount;
	int order = strcmp(x->mountpoint, y->mountpoint);

	/* The living before the dead. */
	if (!order)
		order = y->alive - x->alive;
	return order ? order : x->pid - y->pid;
}

/* Whether the mount of LIST[I], dead, was mounted anew since by one that lives. */
static bool is_replaced(const struct list *list, size_t i)
{
	const struct registered *mount = &list->items[i].mount;

	return i && !mount->alive && strcmp(list->items[i - 1].mount.mountpoint, mount->mountpoint) == 0;
}

int registry_each(int (*each)(void *arg, const struct registered *mount), void *arg)
{
	struct list list = {.folder = folder_open(false)};
	int answer;

	if (list.folder < 0)
		return list.folder == -ENOENT ? 0 : list.folder;
	answer = io_list(io_system(), list.folder, ".", list_file, &list);
	if (!answer && list.count)
		qsort(list.items, list.count, sizeof(list.items[0]), item_order);
	for (size_t i = 0; !answer && i < list.count; i++)
		if (!is_replaced(&list, i))
			answer = each(arg, &list.items[i].mount);
	for (size_t i = 0; i < list.count; i++)
		free(list.items[i].text);
	free(list.items);
	close(list.folder);
	return answer;
}
