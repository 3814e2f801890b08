/*
 * What peer.c, the connection, and peer_ask.c, the requests, share.
 */
#ifndef CACHE_PEER_INSIDE_H
#define CACHE_PEER_INSIDE_H

#include <pthread.h>

#include "cache/ssh/peer.h"
#include "cache/ssh/stream.h"

/* A part of a list that came. */
struct peer_part {
	struct peer_part *next;
	size_t len;
	uint8_t data[];
};

/*
 * What is asked for.  In the peer's table until it is done: then it belongs to whoever asked, or, given up, to nobody
 * and is freed.
 */
struct asked {
	struct asked *next; /* in the table */
	enum serve_wire_kind kind;
	uint32_t number;
	struct buffer frame; /* to be queued once there is a connection; empty: it was */
	bool given_up;
	bool done;
	int error;
	uint64_t news_ns; /* when something of it came or went */
	uint8_t *data;    /* READ: where the bytes go, ROOM of them; of whoever waits */
	size_t room;
	size_t got;
	struct remote_stat st;   /* STAT */
	uint64_t granted;        /* PUT: bytes behind the first ones that may go */
	uint64_t list_left;      /* LIST: bytes that may come */
	struct peer_part *parts; /* that nobody took yet */
	struct peer_part **parts_end;
};

struct peer {
	struct peer_setup setup;
	pthread_mutex_t lock;   /* of all below; held for memory work only, and around no other lock but a stream's */
	pthread_cond_t changed; /* for those who wait */
	pthread_cond_t work;    /* for the thread */
	bool has_thread;
	bool closing;
	pthread_t thread;
	struct stream *stream; /* NULL: there is no connection */
	struct asked *table;   /* in the order in which they were asked */
	size_t count;
	uint32_t number;   /* the last one given */
	uint64_t busy_ns;  /* since when something is asked for */
	uint64_t bytes_ns; /* when a byte last came or went */
	bool read_only;
	bool greeted; /* this connection */
	char why[PEER_WHY_SIZE];
};

/* With the lock held: queue the frames that wait for a connection.  What cannot be queued ends its request. */
void peer_send_waiting(struct peer *peer);

/* With the lock held: take A, which is in the table, out of it, with its result. */
void peer_finish(struct peer *peer, struct asked *a, int error);

/* With the lock held: see to it that the thread runs.  0 or -EAGAIN. */
int peer_start(struct peer *peer);

/* With the lock held: free A, which is in no table. */
void asked_free(struct asked *a);

#endif
