/*
 * A peer whose other side is played by the test, and threads that ask it.
 */
#ifndef TESTS_SUPPORT_PLAYED_PEER_H
#define TESTS_SUPPORT_PLAYED_PEER_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/ssh/peer.h"
#include "cache/ssh/serve_wire.h"
#include "tests/support/fault.h"

/* The one there is. */
struct played {
	struct fault disk; /* of what is put */
	struct peer *peer;
	int fd; /* the server's end of the connection that was accepted last */
};
extern struct played played;

/* Open it, with the usual times; and close it. */
void played_begin_test(void);
void played_end_test(void);

/* The same in the midst of a test, with other times. */
void played_open(unsigned stall_ms, unsigned work_ms);
void played_close(void);

/* Who asks, in a thread of its own. */
struct played_asker {
	pthread_t thread;
	enum serve_wire_kind kind;
	size_t len;
	int fd;           /* of what is put; 0: it is in memory */
	atomic_bool stop; /* it is to give up */
	ssize_t result;
	uint8_t *data;
};

/* Let A ask for KIND: to read, or put, LEN bytes. */
void played_begin(struct played_asker *a, enum serve_wire_kind kind, size_t len);

/* The same, of the bytes of FD. */
void played_begin_put(struct played_asker *a, int fd, size_t len);

/* What became of it. */
ssize_t played_finish(struct played_asker *a);

/* Wait for a connection, and its client's greeting. */
void played_accept(void);

/* Let A ask what makes the connection, greet, and hear what it asks. */
void played_begin_and_hear(struct played_asker *a, enum serve_wire_kind kind, size_t len, struct serve_wire *request);

#endif
