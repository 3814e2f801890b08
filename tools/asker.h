/*
 * What a mount says of itself, asked by a process of its own: a server that hangs lets nobody go who asks it.
 *
 * For the main thread.
 */
#ifndef TOOLS_ASKER_H
#define TOOLS_ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cache/wire.h"

/* How long a server may usually take. */
#define ASKER_WAIT_MS 3000

/* Zero-initialised has nothing to do. */
struct asker {
	pid_t child; /* 0: none */
	int fd;
	bool done; /* the text is all that there is */
	struct buffer text;
};

/* Begin to ask for the file NAME in .revfs of the mount at MOUNTPOINT.  0 or -errno. */
int asker_begin(struct asker *asker, const char *mountpoint, const char *name);

/* Read what COUNT of them are told until all are done or TIMEOUT_MS are over. */
void asker_wait(struct asker *const *askers, size_t count, int timeout_ms);

/* The text, ended by a NUL byte, until asker_end(); NULL where there is none, or not yet. */
const char *asker_text(struct asker *asker);

/* Leave the child to itself where it is not done; free.  The asker may begin again. */
void asker_end(struct asker *asker);

#endif
