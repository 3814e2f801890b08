/*
 * Namespaces of mounts: what is mounted in one is seen by its processes alone, and is gone with the last of them.
 *
 * Who is not root gets with it a namespace of users, in which everybody is who they are, and this process may mount.
 * There may be no other thread.  Functions return 0 or -errno.
 */
#ifndef TOOLS_NAMESPACE_H
#define TOOLS_NAMESPACE_H

#include <stdbool.h>
#include <sys/types.h>

/* Leave for a new namespace, in which is mounted what was in the old one.  -EPERM and -ENOSPC: the system does not
 * allow it. */
int namespace_new(void);

/* Leave for the namespace of the process PID, which is of this user.  The current directory is the root then. */
int namespace_join(pid_t pid);

/*
 * Mount at PLACE what MOUNT_THERE mounts there, in a child that has a new namespace with the same mounts: a process
 * that serves it and stays in that one does not keep this one from ending.  OF_USER: the child has all rights there,
 * also where this process has only that to mount, which namespace_keep_right() leaves.  Returns -errno, or what
 * MOUNT_THERE did where that is not 0.
 */
int namespace_mount(int (*mount_there)(void *arg), void *arg, const char *place, bool of_user);

/* The programs that this process becomes may mount, too. */
int namespace_keep_right(void);

/* Whether this process may mount overlays of the kernel, but not as the root of the machine: with attributes of users
 * only. */
bool namespace_is_of_user(void);

#endif
