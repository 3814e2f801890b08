/*
 * A peer: the other side of a connection, which serves a store (revfs-serve(1)) and is asked by many threads at once.
 *
 * One thread of its own connects when the first request is there, sends what is asked and hands answers to whoever
 * waits; after the end of a connection it connects anew for the next request.  Every wait is bounded, by stretches in
 * which no byte comes or goes and by the time that one request may take, and ends with -EINTR where the thread that
 * waits is to give up (cache/interrupt.h); the answer is then thrown away.  Thread-safe.
 */
#ifndef CACHE_PEER_H
#define CACHE_PEER_H

#include "cache/remote.h"

struct peer;

#define PEER_STALL_MS 30000 /* without a byte, while something is asked for */
#define PEER_WORK_MS 600000 /* that a request may take without any news of it, though the peer says it is alive */
#define PEER_WHY_SIZE REMOTE_WHY_SIZE

/* How a connection ended. */
struct peer_end {
	bool greeted;     /* the peer spoke the language */
	int error;        /* 0: it ended by itself */
	const char *said; /* instead of a greeting; "" for nothing */
};

/* How to get a connection; called by the peer's thread. */
struct peer_line {
	/* Connect: *FD is a socket, *ASIDE where remarks come from, or -1.  0 or -errno, with WHY where it can be said.
	 */
	int (*open)(void *arg, int *fd, int *aside, char why[PEER_WHY_SIZE]);
	/* A remark came. */
	void (*hear)(void *arg, const char *text, size_t len);
	/* End what was opened.  Returns the error of all that was asked for, and WHY where it can be said. */
	int (*close)(void *arg, const struct peer_end *end, char why[PEER_WHY_SIZE]);
};

struct peer_setup {
	const struct io *io;
	const struct peer_line *line; /* borrowed */
	void *arg;
	unsigned stall_ms;
	unsigned work_ms;
};

/* Connects to nothing yet.  0 or -ENOMEM. */
int peer_open(const struct peer_setup *setup, struct peer **peer);

/* End the connection and free; nobody may be waiting.  NULL is ignored. */
void peer_close(struct peer *peer);

/* The operations of a remote.  Errors beside those of cache/remote.h are those of the line. */
ssize_t peer_read(struct peer *peer, const char *path, uint64_t offset, void *data, size_t len);

/* Size and time of PATH. */
int peer_stat(struct peer *peer, const char *path, struct remote_stat *st);

/* Put a body in memory, or of a descriptor. */
int peer_put(struct peer *peer, const char *path, const struct remote_body *body, bool replace);

/* Remove PATH. */
int peer_remove(struct peer *peer, const char *path);

/* Call EACH for the files below FOLDER; paths that are none of a store are -EPROTO. */
int peer_list(struct peer *peer, const char *folder, remote_each each, void *arg);

/* Why the last connection failed, or changes are refused; "" where there is nothing to say. */
void peer_why(struct peer *peer, char why[PEER_WHY_SIZE]);

#endif
