/*
 * What serve.c, the conversation, and serve_work.c, the work, share.
 */
#ifndef CACHE_SERVE_INSIDE_H
#define CACHE_SERVE_INSIDE_H

#include <pthread.h>

#include "cache/ssh/serve.h"
#include "cache/ssh/stream.h"

#define SERVE_WINDOW ((uint64_t)4 << 20) /* bytes of a put that may be on their way */

/* Bytes of a put that came and were not taken yet. */
struct serve_piece {
	struct serve_piece *next;
	size_t len;
	size_t taken;
	uint8_t data[];
};

/* A request that is not answered. */
struct serve_job {
	struct serve_job *next;
	struct serve_wire request; /* its data is not kept here */
	bool running;
	bool cancelled;
	struct serve_piece *pieces, **pieces_end; /* PUT */
	uint64_t came;                            /* PUT: bytes */
	uint64_t taken;                           /* PUT: bytes of them that went to the folder */
	uint64_t allowed;                         /* PUT: bytes that may come; LIST: bytes that may go */
};

struct serve {
	const struct serve_setup *setup;
	struct remote *folder;
	struct stream *stream;
	uint64_t alive_ns;      /* when that was last said; of the thread of the stream */
	pthread_mutex_t lock;   /* of all below; held for memory work only */
	pthread_cond_t changed; /* jobs */
	struct serve_job *jobs; /* in the order in which they came */
	size_t count;
	bool out_of_memory; /* an answer could not be given */
	bool ended;
};

/* What a thread of the work does: jobs, until the end. */
void *serve_work(void *serve);

/* With the lock held: a piece of a put came.  0; -EPROTO for more than was allowed; -ENOMEM. */
int serve_add_piece(struct serve_job *job, const uint8_t *data, size_t len);

/* With the lock held: take JOB out of the list, and free it. */
void serve_forget(struct serve *s, struct serve_job *job);

#endif
