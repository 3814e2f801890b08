/*
 * The mounts of this user that run: a small file for each, written by who serves it.
 *
 * They lie in /run/revfs (root), in $XDG_RUNTIME_DIR/revfs, else in /tmp/revfs-UID, which must be the user's own and
 * closed to others.  A file counts when the process that wrote it still runs: its id and the time it was started.  One
 * that ended without removing its file is dead; its mount, too, if it is still in the kernel's table.
 */
#ifndef TOOLS_REGISTRY_H
#define TOOLS_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct registered {
	const char *mountpoint; /* absolute, without links */
	const char *repository;
	pid_t pid;
	uint64_t started; /* by the kernel's clock, so that another process with this id is told apart */
	int64_t since;    /* seconds since 1970 */
	bool alive;
};

/* Write the file of this process.  Returns 0 or -errno. */
int registry_add(const char *mountpoint, const char *repository);

/* Remove the file of this process. */
void registry_remove(void);

/*
 * Call EACH for every mount, by mountpoint, the dead ones that are still mounted included; files of others that ended
 * are removed.  Borrowed until EACH returns, which answers 0 to go on.  Returns 0, EACH's answer, or -errno.
 */
int registry_each(int (*each)(void *arg, const struct registered *mount), void *arg);

/* Wait until the process of MOUNT has ended, at most TIMEOUT_MS.  Returns 0 or -ETIMEDOUT. */
int registry_wait(const struct registered *mount, int timeout_ms);

#endif
