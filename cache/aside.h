/*
 * Fetching aside, for those who may not wait.
 *
 * Whoever serves requests holds the ticket of one while working on it.  What would have to wait for a remote
 * (cache/fetch.h) then ends with -EINPROGRESS and is brought by a thread of the fetching; once it is there, or has
 * failed, the ticket says so: the request is worked on once more, from its beginning, and finds what it lacked.  All
 * that was brought for a ticket is kept until the ticket is let go of.
 *
 * What several ask for is brought once, and each waits for itself: one who lets go, or whose time is over, takes nobody
 * along.  A try that failed in passing is made again when its remotes have rested, while anybody waits; a thread is
 * busy only while a remote is being asked.  Thread-safe; no lock is held meanwhile.
 */
#ifndef CACHE_ASIDE_H
#define CACHE_ASIDE_H

#include <stdbool.h>

#include "cache/record.h"

#define ASIDE_THREADS_MAX 64

struct ticket {
	/* Something that was waited for is there, or has failed.  Called by any thread, with a lock held: it may pass
	 * the word on, and ask for nothing. */
	void (*ready)(struct ticket *ticket);
	struct claim *claims; /* NULL at first; private */
};

/* From now on this thread works for TICKET (borrowed), and may not wait; NULL: it may again. */
void ticket_hold(struct ticket *ticket);

/* What this thread holds, or NULL. */
struct ticket *ticket_held(void);

/* Let go of what was brought for TICKET; `ready` is not called any more. */
void ticket_release(struct ticket *ticket);

/* What is to be brought: the root of ID, or the record of KIND that lies at AT. */
struct wanted {
	bool is_root;
	unsigned kind;
	struct id id;
	struct locator at;
};

struct aside;

struct aside_setup {
	const struct io *io;
	uint64_t wait_ms;     /* who waited so long gets the last failure, or -ETIMEDOUT; UINT64_MAX: never */
	unsigned threads_max; /* 1 to ASIDE_THREADS_MAX; 0: as many as that */
	/* What is tried may take for ever: a try that nobody waits for any more is interrupted, and the time counts
	 * while one is being made, too.  Without it a try once begun is let end. */
	bool stops;
	/*
	 * One try.  0 (the record's data is malloc'ed, or NULL); an error that is the answer; -EAGAIN where it may
	 * pass: *FAILURE says what it was, and *UNTIL_NS (monotonic) when to try again; -EINTR where the thread was to
	 * give up (cache/interrupt.h), which is found out with a lock held.
	 */
	int (*bring)(void *arg, const struct wanted *wanted, struct record *record, int *failure, uint64_t *until_ns);
	void *arg;
};

/* No thread is made before the first errand.  0 or -ENOMEM. */
int aside_open(const struct aside_setup *setup, struct aside **aside);

/* End the threads: what they wait for is given up.  No ticket may be left.  NULL is ignored. */
void aside_close(struct aside *aside);

/*
 * For the ticket that this thread holds: where WANTED was brought for it, 0 (the caller frees record->data) or the
 * error that was met; else -EINPROGRESS, and `ready` is called later.  -ENOMEM.
 */
int aside_read(struct aside *aside, const struct wanted *wanted, struct record *record);

/* Whether this thread holds a ticket that WANTED was asked for before: what it finds now was brought for it. */
bool aside_asked(const struct wanted *wanted);

/* How many records are waited for. */
unsigned aside_pending(struct aside *aside);

#endif
