/*
 * Places where something is mounted: the kernel's table, and taking a mount away.
 *
 * Thread-safe.
 */
#ifndef FS_MOUNTPOINT_H
#define FS_MOUNTPOINT_H

#include <stdbool.h>
#include <sys/types.h>

#define MOUNTPOINT_TYPE "fuse.revfs" /* of our own mounts */

/* One line of the kernel's table; strings borrowed until the callback returns. */
struct mountpoint {
	const char *path;
	const char *type;
	const char *source;
	const char *options; /* of the file system, between commas, escaped as the kernel does: mountpoint_unescape() */
	unsigned major, minor; /* st_dev below it */
};

/* Undo the \ooo escapes of the table in place. */
void mountpoint_unescape(char *text);

/* Call EACH for every mount that this process sees, the uppermost of a path last, until it answers other than 0; that
 * is returned.  0 at the end, or -errno. */
int mountpoint_each(int (*each)(void *arg, const struct mountpoint *mountpoint), void *arg);

/* The same for every mount that the process PID sees. */
int mountpoint_each_of(pid_t pid, int (*each)(void *arg, const struct mountpoint *mountpoint), void *arg);

/* Whether the uppermost mount at exactly PATH (absolute, without links) is of type revfs; *MINOR (may be NULL) is of
 * its st_dev.  Does not touch the mount itself, which may be dead.  1, 0, or -errno. */
int mountpoint_is_ours(const char *path, unsigned *minor);

/*
 * Take away the uppermost mount at PATH: lazily (LAZY) even while it is used.  As root umount2(2), else fusermount3.
 * Returns 0; -EBUSY; -EINVAL where nothing is mounted; -EPERM; -ENOENT where fusermount3 is missing; -errno.
 */
int mountpoint_remove(const char *path, bool lazy);

#endif
