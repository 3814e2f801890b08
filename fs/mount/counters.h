/*
 * What a mount has done, in numbers: requests by kind, how long they took, and bytes read.
 *
 * Any thread may count and read at any time.
 */
#ifndef FS_COUNTERS_H
#define FS_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "cache/histogram.h"

#define COUNTERS_REQUESTS 64 /* the kernel's numbers of requests are below */

/* What the time of requests is told apart by. */
enum counters_kind {
	COUNTERS_OTHER,
	COUNTERS_LOOKUP,
	COUNTERS_READ,
	COUNTERS_READDIR,
	COUNTERS_KINDS,
};

struct counters {
	_Atomic uint64_t requests[COUNTERS_REQUESTS]; /* by the number that the kernel gives each kind; 0 the rest */
	_Atomic uint64_t bytes;                       /* of files, handed out */
	_Atomic uint64_t failures;                    /* answers that say EIO */
	_Atomic uint64_t parked;                      /* requests that wait for a remote, now */
	_Atomic uint64_t parked_all;                  /* that did so far */
	struct histogram durations[COUNTERS_KINDS];   /* of requests that were worked on, until they were answered */
	struct histogram waits;                       /* of those that were parked, from then on */
};

/* Count a request of the kind OPCODE. */
void counters_request(struct counters *counters, uint32_t opcode);

/* All requests. */
uint64_t counters_sum(struct counters *counters);

/* The name of a kind of request: "lookup", "read"; NULL for one without a name. */
const char *counters_name(uint32_t opcode);

/* The name of what is told apart: "other", "lookup", "read", "readdir". */
const char *counters_kind_name(enum counters_kind kind);

#endif
