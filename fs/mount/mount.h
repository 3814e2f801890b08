/*
 * A mounted view: the kernel's session, the threads that answer it, and its end.
 *
 * One mount a process; its functions belong to the thread that opened it.  That thread must block SIGTERM, SIGINT and
 * SIGHUP before it makes other threads.
 */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "fs/mount/view.h"

struct mount;

struct mount_setup {
	struct view *view;      /* borrowed */
	const char *mountpoint; /* absolute, without links */
	const char *source;     /* shown in the table of mounts */
	bool allow_other;       /* not for the mounting user alone */
};

#define MOUNT_DRAIN_S 30 /* how long open files are served once the mount is detached */

/* Whether /dev/fuse is there and may be opened.  0; -ENOENT, -ENODEV; -EACCES, -EPERM; -errno. */
int mount_possible(void);

/*
 * Mount and start to answer.  Returns 0 or -errno; *MESSAGE (malloc'ed, may be NULL) is what libfuse said.
 * mount_close() frees.
 */
int mount_open(const struct mount_setup *setup, struct mount **mount, char **message);

/*
 * Answer until the mount is gone.  SIGTERM, SIGINT and SIGHUP detach it; what is open then is served for MOUNT_DRAIN_S
 * seconds, or until the next signal.  Returns whether all threads have ended: if not, the process must end without
 * mount_close(), and the kernel ends what is left.
 */
bool mount_wait(struct mount *mount);

/* Unmount where that has not been done, wait for the threads, free.  NULL is ignored. */
void mount_close(struct mount *mount);

#endif
