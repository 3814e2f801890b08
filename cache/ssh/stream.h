/*
 * A stream: frames (cache/ssh/serve_wire.h) to and from another process, over descriptors.
 *
 * One thread runs it: it hands on what comes, and writes what any thread queued.  Reading never waits for writing, so
 * that two sides that both have much to say do not hang.
 */
#ifndef CACHE_STREAM_H
#define CACHE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/ssh/serve_wire.h"

struct stream;

#define STREAM_SAID_SIZE 256
#define STREAM_QUEUE_MAX ((size_t)8 << 20) /* bytes queued above which stream_queue_slowly() waits */

/* All that is called is called by the thread that runs the stream; what answers other than 0 ends it with that. */
struct stream_setup {
	int in;           /* borrowed, as all descriptors */
	int out;          /* may be the same */
	int aside;        /* what the other process says beside the frames; -1: not heard */
	bool from_server; /* what comes is a server's */
	uint32_t flags;   /* of our greeting */
	int (*on_greeting)(void *arg, uint32_t flags);
	int (*on_frame)(void *arg, const struct serve_wire *frame);
	/* Before each wait.  *TIMEOUT_MS: how long that may be; for ever where it is left alone. */
	int (*on_wait)(void *arg, int *timeout_ms);
	/* Something came, or went. */
	void (*on_bytes)(void *arg);
	void (*on_aside)(void *arg, const char *text, size_t len);
	void *arg;
};

/* Queues the greeting.  0, -ENOMEM or -errno. */
int stream_open(const struct stream_setup *setup, struct stream **stream);

/* Free; nobody may run it.  NULL is ignored. */
void stream_close(struct stream *stream);

/*
 * Go on until the other side ends.  Returns 0 where it did so between frames; -ECONNRESET in one, or before its
 * greeting; -EPIPE where a server's client no longer listens; -EPROTO for what is no frame; -ENOMEM; what a function of
 * the setup answered; -errno.
 */
int stream_run(struct stream *stream);

/* Queue FRAME, whose memory is taken over, also on failure.  0; -EPIPE once the stream has ended; -ENOMEM. */
int stream_queue(struct stream *stream, struct buffer *frame);

/* The same, after a wait while too much is queued; not for the thread that runs it. */
int stream_queue_slowly(struct stream *stream, struct buffer *frame);

/* Bytes that are queued. */
size_t stream_queued(struct stream *stream);

/* Let the running thread look around: it calls ON_WAIT soon. */
void stream_wake(struct stream *stream);

/* What came instead of a greeting, as far as it is known: text of one line, printable; "" where one came, or nothing.
 * For the thread that ran it. */
const char *stream_said(const struct stream *stream);

#endif
