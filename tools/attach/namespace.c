#include "tools/attach/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHOLE_MAP "4294967295" /* the length of the map where users are what they are to the machine */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		error = -errno;
	close(fd);
	return error;
}

/* Everybody stays who they are: of others the kernel shows nobody. */
static int map_user(uid_t uid, gid_t gid)
{
	char users[48], groups[48];
	int error = write_file("/proc/self/setgroups", "deny");

	snprintf(users, sizeof(users), "%u %u 1", uid, uid);
	snprintf(groups, sizeof(groups), "%u %u 1", gid, gid);
	if (!error || error == -ENOENT)
		error = write_file("/proc/self/uid_map", users);
	return error ? error : write_file("/proc/self/gid_map", groups);
}

/* What is mounted here is not to be seen elsewhere; the other way round it is. */
static int keep_mounts(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) ? -errno : 0;
}

/* With one of users. */
static int new_of_user(void)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int error;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	error = map_user(uid, gid);
	return error ? error : keep_mounts();
}

static int new_of_mounts(void)
{
	return unshare(CLONE_NEWNS) ? -errno : keep_mounts();
}

int namespace_new(void)
{
	int error = new_of_mounts();

	return error == -EPERM ? new_of_user() : error;
}

static int open_of(pid_t pid, const char *name)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void close_both(int one, int other)
{
	if (one >= 0)
		close(one);
	if (other >= 0)
		close(other);
}

int namespace_join(pid_t pid)
{
	int users = open_of(pid, "user"), mounts = open_of(pid, "mnt"), error = 0;

	if (users < 0 || mounts < 0)
		error = -errno;
	/* EINVAL: it is the one that this process is in. */
	if (!error && setns(users, CLONE_NEWUSER) && errno != EINVAL)
		error = -errno;
	if (!error && setns(mounts, CLONE_NEWNS))
		error = -errno;
	close_both(users, mounts);
	return error;
}

/* --- mounting through a child --- */

/* What the child answers: ERROR, and with 0 the descriptor FD. */
static int send_answer(int to, int error, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct iovec data = {&error, sizeof(error)};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

	if (!error) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	return sendmsg(to, &message, MSG_NOSIGNAL) < 0;
}

/* What it answered, or -errno. */
static int receive_answer(int from, int *fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	int error = 0;
	struct iovec data = {&error, sizeof(error)};
	struct msghdr message = {
	    .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t count;

	do
		count = recvmsg(from, &message, MSG_CMSG_CLOEXEC);
	while (count < 0 && errno == EINTR);
	if (count != (ssize_t)sizeof(error))
		return count < 0 ? -errno : -EIO;
	if (error || message.msg_controllen < CMSG_LEN(sizeof(int)))
		return error ? error : -EIO;
	memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
	return 0;
}

struct child {
	int (*mount_there)(void *arg);
	void *arg;
	const char *place;
	bool of_user;
};

static int run_child(const struct child *c, int answer)
{
	int error = c->of_user ? new_of_user() : new_of_mounts(), fd = -1;

	if (!error)
		error = c->mount_there(c->arg);
	if (!error) {
		fd = open_tree(AT_FDCWD, c->place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
		error = fd < 0 ? -errno : 0;
		umount2(c->place, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	return send_answer(answer, error, fd);
}

int namespace_mount(int (*mount_there)(void *arg), void *arg, const char *place, bool of_user)
{
	const struct child child = {.mount_there = mount_there, .arg = arg, .place = place, .of_user = of_user};
	int ends[2], fd = -1, error = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	pid = fork();
	if (!pid)
		_exit(run_child(&child, ends[1]));
	if (pid < 0)
		error = -errno;
	close(ends[1]);
	if (!error)
		error = receive_answer(ends[0], &fd);
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!error && move_mount(fd, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH))
		error = -errno;
	if (fd >= 0)
		close(fd);
	return error;
}

/* --- rights --- */

static int read_rights(struct __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &header, rights) ? -errno : 0;
}

int namespace_keep_right(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3];
	int error = read_rights(rights);

	if (error)
		return error;
	rights[0].inheritable |= 1u << CAP_SYS_ADMIN;
	if (syscall(SYS_capset, &header, rights) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0))
		return -errno;
	return 0;
}

bool namespace_is_of_user(void)
{
	struct __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3];
	char map[64] = "";
	FILE *file;
	bool whole;

	if (read_rights(rights) || !(rights[0].effective & 1u << CAP_SYS_ADMIN))
		return false;
	file = fopen("/proc/self/uid_map", "re");
	if (!file)
		return false;
	whole = fgets(map, sizeof(map), file) && strstr(map, " " WHOLE_MAP);
	fclose(file);
	return !whole;
}
