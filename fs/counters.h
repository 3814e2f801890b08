/*
 * What a mount has done, in numbers: requests by kind and bytes read.
 *
 * Any thread may count and read at any time.
 */
#ifndef FS_COUNTERS_H
#define FS_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define COUNTERS_REQUESTS 64 /* the kernel's numbers of requests are below */

struct counters {
	_Atomic uint64_t requests[COUNTERS_REQUESTS]; /* by the number that the kernel gives each kind; 0 the rest */
	_Atomic uint64_t bytes;                       /* of files, handed out */
	_Atomic uint64_t failures;                    /* answers that say EIO */
	_Atomic uint64_t parked;                      /* requests that wait for a remote, now */
};

/* Count a request of the kind OPCODE. */
void counters_request(struct counters *counters, uint32_t opcode);

/* All requests. */
uint64_t counters_sum(struct counters *counters);

/* The name of a kind of request: "lookup", "read"; NULL for one without a name. */
const char *counters_name(uint32_t opcode);

#endif
