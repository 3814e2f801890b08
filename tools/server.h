/*
 * The process behind a mount.
 */
#ifndef TOOLS_SERVER_H
#define TOOLS_SERVER_H

#include <stdbool.h>

#include "tools/mount_options.h"

struct server {
	const char *repository; /* a work tree or Git directory; NULL: of the current directory */
	const char *mountpoint;
	struct mount_options options;
	bool foreground; /* serve in this process and return when the mount is gone */
	bool check_only; /* do all but mount */
};

/*
 * Mount and, unless in the foreground, leave the serving to a process of its own and return when the mount answers.
 * Must be called before any thread exists.  Prints its own errors.  Returns an exit status.
 */
int server_start(const struct server *server);

#endif
