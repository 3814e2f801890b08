/*
 * Requests that wait for a remote: parked, so that they hold memory and no thread.
 *
 * A call is worked on by whoever received it.  What it needs and no store on this machine has is fetched aside
 * (cache/aside.h), and so is what Git lacks in a partial clone (fs/git/repo.h); meanwhile the call is parked, and once
 * that is there it is worked on again by one of a few threads. Who is interrupted while parked is answered -EINTR after
 * a moment's patience.
 */
#ifndef FS_OPS_PARKING_H
#define FS_OPS_PARKING_H

#include <fuse_lowlevel.h>
#include <stdatomic.h>
#include <stdint.h>

#include "cache/aside.h"
#include "fs/mount/counters.h"

#define CALL_NAME_MAX 1024 /* of a name in a request, as the kernel has it */

/* How long one is still waited for whose answer nobody wants: the kernel tells of any signal, of a profiler's timer
 * too, so what is about to be answered is. */
#define PARKING_PATIENCE_MS 40

struct parking;

/* A request of the kernel, taken apart. */
struct call {
	fuse_req_t req;
	/* Answers and returns 0; or -EINPROGRESS (cache/aside.h), and nothing was answered or counted. */
	int (*run)(struct call *call);
	uint64_t ino;
	size_t size;
	off_t offset;
	enum counters_kind kind; /* RUN says it */
	/* private: */
	struct ticket ticket;
	struct parking *parking;
	struct call *next, **link;
	int state;
	bool again; /* what it waited for came before it was parked */
	uint64_t began_ns;
	uint64_t parked_ns; /* when it was parked first; 0: it was not */
	uint64_t end_ns;    /* when it is given up, being interrupted; 0: it is wanted */
	/* public again; it is long, and mostly not used: */
	char name[CALL_NAME_MAX + 1];
};

/* What is parked and how long all take is counted in COUNTERS (borrowed).  0; -ENOMEM; -EAGAIN where no thread can be
 * made. */
int parking_open(struct counters *counters, struct parking **parking);

/* Answer -EINTR to all that is parked, end the threads, free.  Nothing may be running.  NULL is ignored. */
void parking_close(struct parking *parking);

/* Work on CALL (malloc'ed, what is private zeroed; taken over).  Returns it where it is done with, for the next
 * one; else NULL. */
struct call *parking_run(struct parking *parking, struct call *call);

#endif
