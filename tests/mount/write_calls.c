/*
 * Every system call that would write, tried in a folder; a line each with what it said.
 *
 *     write_calls DIR OUTSIDE
 *
 * DIR holds file, exec, empty, link (to file), dir/inner; OUTSIDE is a folder elsewhere that may be written to.  What
 * is printed must be the same in a read-only tmpfs and in a mount of revfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

static const char *outside; /* OUTSIDE/source is a file of the same bytes as file */

/* Print what a call answered. */
static void said(const char *name, long result)
{
	printf("%s: %s\n", name, result < 0 ? strerrorname_np(errno) : "0");
	fflush(stdout);
}

#define TRY(name, call) said(name, (long)(call))

/* An open that is closed again. */
static long try_open(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int must_open(const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static void opens(void)
{
	static const struct {
		const char *name;
		const char *path;
		int flags;
	} opens[] = {
	    {"open O_WRONLY", "file", O_WRONLY},
	    {"open O_RDWR", "file", O_RDWR},
	    {"open O_RDWR|O_APPEND", "file", O_RDWR | O_APPEND},
	    {"open O_WRONLY|O_TRUNC", "file", O_WRONLY | O_TRUNC},
	    {"open O_RDONLY|O_TRUNC", "file", O_RDONLY | O_TRUNC},
	    {"open O_WRONLY of an empty file", "empty", O_WRONLY | O_TRUNC},
	    {"open O_WRONLY of an executable", "exec", O_WRONLY},
	    {"open O_WRONLY through a link", "link", O_WRONLY},
	    {"open O_WRONLY of a folder", "dir", O_WRONLY},
	    {"open O_WRONLY of a file in a folder", "dir/inner", O_WRONLY},
	    {"open O_CREAT of a new file", "new", O_WRONLY | O_CREAT},
	    {"open O_CREAT|O_RDONLY of a new file", "new", O_RDONLY | O_CREAT},
	    {"open O_CREAT|O_RDONLY of a file", "file", O_RDONLY | O_CREAT},
	    {"open O_CREAT|O_EXCL of a file", "file", O_WRONLY | O_CREAT | O_EXCL},
	    {"open O_CREAT|O_EXCL of a new file", "dir/new", O_WRONLY | O_CREAT | O_EXCL},
	    {"open O_CREAT|O_WRONLY of a file", "file", O_WRONLY | O_CREAT},
	    {"open O_TMPFILE", ".", O_TMPFILE | O_RDWR},
	    {"open O_TMPFILE in a folder", "dir", O_TMPFILE | O_WRONLY},
	    {"open O_WRONLY|O_DIRECT", "file", O_WRONLY | O_DIRECT},
	};
	struct open_how how = {.flags = O_WRONLY | O_CREAT, .mode = 0644};
	int fd = creat("new", 0644);

	said("creat", fd);
	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++)
		TRY(opens[i].name, try_open(opens[i].path, opens[i].flags));
	TRY("openat2", syscall(SYS_openat2, AT_FDCWD, "new", &how, sizeof(how)));
}

static void through_proc(void)
{
	int fd = must_open("file", O_RDONLY), path_fd = must_open("file", O_PATH);
	char proc[64];

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	TRY("open O_WRONLY through /proc/self/fd", try_open(proc, O_WRONLY));
	TRY("truncate through /proc/self/fd", truncate(proc, 0));
	TRY("chmod through /proc/self/fd", chmod(proc, 0600));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path_fd);
	TRY("open O_RDWR of an O_PATH descriptor", try_open(proc, O_RDWR));
	close(fd);
	close(path_fd);
}

static void names(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	TRY("mkdir", mkdir("new", 0755));
	TRY("mkdir of a folder", mkdir("dir", 0755));
	TRY("mkdirat", mkdirat(AT_FDCWD, "dir/new", 0755));
	TRY("mknod of a file", mknod("new", S_IFREG | 0644, 0));
	TRY("mknod of a device", mknod("new", S_IFCHR | 0644, 0x103));
	TRY("mknod of a file that is there", mknod("file", S_IFREG | 0644, 0));
	TRY("mkfifo", mkfifo("new", 0644));
	TRY("bind of a socket", bind(fd, (struct sockaddr *)&address, sizeof(address)));
	TRY("symlink", symlink("file", "new"));
	TRY("symlink over a file", symlink("file", "file"));
	TRY("link", link("file", "new"));
	TRY("link over a file", link("file", "exec"));
	TRY("linkat of a link", linkat(AT_FDCWD, "link", AT_FDCWD, "new", AT_SYMLINK_FOLLOW));
	TRY("unlink", unlink("file"));
	TRY("unlink of a link", unlink("link"));
	TRY("unlink of a folder", unlink("dir"));
	TRY("unlink of nothing", unlink("nothing"));
	TRY("rmdir", rmdir("dir"));
	TRY("rmdir of a file", rmdir("file"));
	TRY("unlinkat AT_REMOVEDIR", unlinkat(AT_FDCWD, "dir", AT_REMOVEDIR));
	close(fd);
}

static void renames(void)
{
	char other[4096];

	TRY("rename", rename("file", "new"));
	TRY("rename over a file", rename("file", "exec"));
	TRY("rename of a folder", rename("dir", "new"));
	TRY("rename of nothing", rename("nothing", "new"));
	TRY("rename into a folder", rename("file", "dir/file"));
	TRY("renameat2 RENAME_NOREPLACE", renameat2(AT_FDCWD, "file", AT_FDCWD, "new", RENAME_NOREPLACE));
	TRY("renameat2 RENAME_EXCHANGE", renameat2(AT_FDCWD, "file", AT_FDCWD, "exec", RENAME_EXCHANGE));
	TRY("renameat2 RENAME_WHITEOUT", renameat2(AT_FDCWD, "file", AT_FDCWD, "new", RENAME_WHITEOUT));
	TRY("renameat2 of two flags", renameat2(AT_FDCWD, "file", AT_FDCWD, "new", RENAME_NOREPLACE | RENAME_EXCHANGE));
	snprintf(other, sizeof(other), "%s/source", outside);
	TRY("rename from outside", rename(other, "new"));
	TRY("link from outside", link(other, "new"));
	snprintf(other, sizeof(other), "%s/target", outside);
	TRY("rename to outside", rename("file", other));
}

static void contents(void)
{
	char other[4096], bytes[] = "x";
	struct file_clone_range range = {0};
	int fd = must_open("file", O_RDONLY), exec = must_open("exec", O_RDONLY), from, ends[2];
	struct iovec iov = {.iov_base = bytes, .iov_len = 1};

	snprintf(other, sizeof(other), "%s/source", outside);
	from = must_open(other, O_RDONLY);
	TRY("write", write(fd, bytes, 1));
	TRY("pwrite", pwrite(fd, bytes, 1, 0));
	TRY("pwritev2", pwritev2(fd, &iov, 1, 0, 0));
	TRY("truncate", truncate("file", 0));
	TRY("truncate to a larger size", truncate("file", 1 << 20));
	TRY("truncate of a folder", truncate("dir", 0));
	TRY("ftruncate", ftruncate(fd, 0));
	TRY("fallocate", fallocate(fd, 0, 0, 1 << 20));
	TRY("fallocate FALLOC_FL_PUNCH_HOLE", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
	TRY("copy_file_range to it", copy_file_range(from, NULL, fd, NULL, 1, 0));
	TRY("copy_file_range within it", copy_file_range(exec, NULL, fd, NULL, 1, 0));
	TRY("sendfile to it", sendfile(fd, from, NULL, 1));
	if (pipe(ends) || write(ends[1], bytes, 1) != 1)
		exit(2);
	TRY("splice to it", splice(ends[0], NULL, fd, NULL, 1, 0));
	TRY("FICLONE", ioctl(fd, FICLONE, exec));
	range.src_fd = exec;
	TRY("FICLONERANGE", ioctl(fd, FICLONERANGE, &range));
	close(ends[0]);
	close(ends[1]);
	close(from);
	close(exec);
	close(fd);
}

static void maps(void)
{
	int fd = must_open("file", O_RDONLY);
	char *map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	said("mmap, shared and writable", map == MAP_FAILED ? -1 : 0);
	map = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	said("mmap, shared", map == MAP_FAILED ? -1 : 0);
	TRY("mprotect to writable", mprotect(map, 1, PROT_READ | PROT_WRITE));
	map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	said("mmap, private and writable", map == MAP_FAILED ? -1 : 0);
	map[0] ^= 1; /* changes a copy: the caller compares the file afterwards */
	TRY("msync of a private map", msync(map, 1, MS_SYNC));
	close(fd);
}

static void labels(void)
{
	const struct timespec now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	const struct timespec omit[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
	const struct timespec then[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	const struct timeval past[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	const struct utimbuf old = {.actime = 1, .modtime = 1};
	int fd = must_open("file", O_RDONLY), dir = must_open("dir", O_RDONLY | O_DIRECTORY);

	TRY("chmod", chmod("file", 0600));
	TRY("chmod of a folder", chmod("dir", 0700));
	TRY("fchmod", fchmod(fd, 0600));
	TRY("fchmod of a folder", fchmod(dir, 0700));
	TRY("fchmodat", fchmodat(AT_FDCWD, "file", 0644, 0));
	TRY("chown", chown("file", 1, 1));
	TRY("chown of nothing", chown("nothing", 1, 1));
	TRY("chown to nobody new", chown("file", (uid_t)-1, (gid_t)-1));
	TRY("lchown", lchown("link", 1, 1));
	TRY("fchown", fchown(fd, 1, 1));
	TRY("fchownat", fchownat(AT_FDCWD, "link", 1, 1, AT_SYMLINK_NOFOLLOW));
	TRY("utimensat", utimensat(AT_FDCWD, "file", then, 0));
	TRY("utimensat UTIME_NOW", utimensat(AT_FDCWD, "file", now, 0));
	TRY("utimensat UTIME_OMIT", utimensat(AT_FDCWD, "file", omit, 0));
	TRY("utimensat of a link", utimensat(AT_FDCWD, "link", then, AT_SYMLINK_NOFOLLOW));
	TRY("futimens", futimens(fd, then));
	TRY("utimes", utimes("file", past));
	TRY("lutimes", lutimes("link", past));
	TRY("futimesat", futimesat(AT_FDCWD, "file", past));
	TRY("utime", utime("file", &old));
	close(fd);
	close(dir);
}

static void attributes(void)
{
	int fd = must_open("file", O_RDONLY);

	TRY("setxattr user", setxattr("file", "user.x", "1", 1, 0));
	TRY("setxattr user.revfs", setxattr("file", "user.revfs.id", "1", 1, 0));
	TRY("setxattr XATTR_REPLACE", setxattr("file", "user.x", "1", 1, XATTR_REPLACE));
	TRY("setxattr trusted", setxattr("file", "trusted.x", "1", 1, 0));
	TRY("setxattr security", setxattr("file", "security.x", "1", 1, 0));
	TRY("setxattr of a folder", setxattr("dir", "user.x", "1", 1, 0));
	TRY("lsetxattr of a link", lsetxattr("link", "trusted.x", "1", 1, 0));
	TRY("fsetxattr", fsetxattr(fd, "user.x", "1", 1, 0));
	TRY("removexattr", removexattr("file", "user.x"));
	TRY("lremovexattr", lremovexattr("link", "trusted.x"));
	TRY("fremovexattr", fremovexattr(fd, "user.x"));
	close(fd);
}

static void controls(void)
{
	struct fsxattr extended = {.fsx_xflags = FS_XFLAG_APPEND};
	int fd = must_open("file", O_RDONLY), dir = must_open("dir", O_RDONLY | O_DIRECTORY), flags = FS_APPEND_FL;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	TRY("FS_IOC_SETFLAGS", ioctl(fd, FS_IOC_SETFLAGS, &flags));
	TRY("FS_IOC_SETFLAGS of a folder", ioctl(dir, FS_IOC_SETFLAGS, &flags));
	TRY("FS_IOC_FSSETXATTR", ioctl(fd, FS_IOC_FSSETXATTR, &extended));
	TRY("F_SETLK for writing", fcntl(fd, F_SETLK, &lock));
	TRY("acct", syscall(SYS_acct, "file"));
	close(fd);
	close(dir);
}

/* A bind mount that is writable does not make what lies below it so. */
static void bind_mount(void)
{
	char target[4096], file[4200];

	snprintf(target, sizeof(target), "%s/bind", outside);
	snprintf(file, sizeof(file), "%s/file", target);
	if (mkdir(target, 0755) && errno != EEXIST)
		exit(2);
	TRY("mount MS_BIND", mount(".", target, NULL, MS_BIND, NULL));
	TRY("mount MS_REMOUNT|MS_BIND, writable", mount(NULL, target, NULL, MS_REMOUNT | MS_BIND, NULL));
	TRY("open O_WRONLY below it", try_open(file, O_WRONLY));
	TRY("truncate below it", truncate(file, 0));
	TRY("unlink below it", unlink(file));
	TRY("chmod below it", chmod(file, 0600));
	TRY("umount", umount(target));
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	outside = argv[2];
	if (chdir(argv[1])) {
		perror(argv[1]);
		return 2;
	}
	opens();
	through_proc();
	names();
	renames();
	contents();
	maps();
	labels();
	attributes();
	controls();
	bind_mount();
	return 0;
}
