/*
 * A disk that fails on demand: an io that passes to another one but fails the calls it was told to, gives short
 * transfers, or has only so much room.
 *
 * Thread-safe once set up.
 */
#ifndef TESTS_SUPPORT_FAULT_H
#define TESTS_SUPPORT_FAULT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/io.h"

enum fault_call {
	FAULT_OPEN,
	FAULT_READ,
	FAULT_WRITE,
	FAULT_LIST,
	FAULT_FSYNC,
	FAULT_TRUNCATE,
	FAULT_CHMOD,
	FAULT_RENAME,
	FAULT_LINK,
	FAULT_UNLINK,
	FAULT_MKDIR,
	FAULT_STAT,
	FAULT_LOCK,
	FAULT_CALLS, /* how many kinds there are; as a kind: a call of any kind */
};

/* What one kind of call is to do: from the FIRST call on (counted from 1; 0: never), COUNT calls answer ERROR. */
struct fault_plan {
	uint64_t first;
	uint64_t count;
	int error;
};

struct fault {
	struct io io; /* to be given to the code under test */
	const struct io *below;
	struct fault_plan plans[FAULT_CALLS + 1];
	_Atomic uint64_t calls[FAULT_CALLS + 1];
	_Atomic int64_t open_files; /* opened and not closed yet */
	_Atomic int64_t room;       /* bytes that may still be written; -1: no limit; then ENOSPC */
	size_t transfer_max;        /* bytes of one read or write at most; 0: no limit */
	_Atomic uint64_t slept_ms;  /* sleeps are only counted */
	_Atomic uint64_t clock_ns;  /* added to both clocks; sleeping adds to it */
};

/* Begin without faults.  BELOW is borrowed. */
void fault_init(struct fault *f, const struct io *below);

/* Fail the NTH call of KIND from now on (1: the next), and COUNT - 1 more, with ERROR (negative). */
void fault_set(struct fault *f, enum fault_call kind, uint64_t nth, uint64_t count, int error);

/* No more faults; counters begin at 0 again, but for open_files. */
void fault_clear(struct fault *f);

#endif
