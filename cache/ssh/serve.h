/*
 * Serving a folder to a peer: the operations of a remote, over a stream (revfs-serve(1)).
 *
 * The client is not trusted: what it asks for are files in a store below the folder, and what it may let wait is
 * bounded.  Requests are worked on by several threads and answered as they are done.
 */
#ifndef CACHE_SERVE_H
#define CACHE_SERVE_H

#include "cache/remote.h"

#define SERVE_ALIVE_MS 5000 /* how often a client that waits is told that it does not wait for the dead */

struct serve_setup {
	const struct io *io;
	const char *folder; /* made by the first put where it is missing */
	int in;             /* descriptors, borrowed */
	int out;
	bool read_only;
};

/*
 * Serve until the client ends, or this thread is to give up (cache/interrupt.h): what is unfinished then leaves no
 * trace.  Returns 0; -EPROTO where the client does not speak the language; -ECONNRESET, -EPIPE where it ended in the
 * midst of something; -EINTR; -EINVAL for a folder that is none; -ENOMEM; -errno.
 */
int serve_run(const struct serve_setup *setup);

#endif
