/*
 * Fetching: records that the local store lacks, from the cache and the stores of remotes.
 *
 * Remotes are asked in order.  One that has not what is asked for, is missing, slow, or sends wrong bytes is passed
 * over for the next.  One that fails is left alone for a while, longer each time, and then tried again.  Where none is
 * left that could still answer, the read waits and tries again until the time that was set, or ends at once; whoever
 * the thread works for may give up meanwhile (cache/interrupt.h).  What is returned was checked against its id.
 *
 * A thread that holds a ticket (cache/aside.h) does not wait: where a remote is to be asked, the answer is
 * -EINPROGRESS.
 *
 * Thread-safe; no lock is held while anything is waited for.
 */
#ifndef CACHE_FETCH_H
#define CACHE_FETCH_H

#include "cache/remote_store.h"

struct fetch;

#define FETCH_FOR_EVER UINT64_MAX

struct fetch_setup {
	const struct io *io;
	struct remote_store *const *stores; /* in order; borrowed, the array is copied */
	size_t count;
	uint64_t wait_ms; /* how long a read waits for remotes that fail; FETCH_FOR_EVER */
	bool offline;     /* no remote is asked: what is not on this machine is -ENETDOWN */
	/*
	 * Told of each remote once when a read begins to wait for it, which failed with ERROR, and once when it answers
	 * again (ERROR 0).  By any thread, without a lock; may be NULL.
	 */
	void (*tell)(void *arg, struct remote *remote, int error);
	void *arg;
};

/* 0 or -ENOMEM. */
int fetch_open(const struct fetch_setup *setup, struct fetch **fetch);

/* Free.  NULL is ignored. */
void fetch_close(struct fetch *fetch);

/*
 * Read the record that lies at HINT, wherever there is a good copy.  Returns 0 (the caller frees record->data); -ENOENT
 * where every remote answered and none has it; -EBADMSG where what they have is not the record; -ENOTSUP; -EACCES;
 * -EINTR; -EINPROGRESS; -ENOMEM; after the wait, the failure of the remote that was asked last.
 */
int fetch_read(struct fetch *fetch, unsigned kind, const struct id *id, const struct locator *hint,
               struct record *record);

/* The same for the root of ID. */
int fetch_read_root(struct fetch *fetch, const struct id *id, struct record *record);

/* Say that who has read what lies at LAST, and what is before it in its pack, goes on at NEXT in another: what is only
 * supposed. */
void fetch_expect(struct fetch *fetch, const struct locator *last, const struct locator *next);

/* Say that who reads what lies at FIRST reads all up to what lies at LAST, behind it in its pack. */
void fetch_reach(struct fetch *fetch, const struct locator *first, const struct locator *last);

#define FETCH_WHY_SIZE (REMOTE_WHY_SIZE + 128)

/* What became of the requests to remote number I, in the order of the setup. */
struct fetch_counts {
	uint64_t records;             /* that it gave */
	uint64_t wrong;               /* answers that were not what was asked for */
	uint64_t failures;            /* that may pass */
	uint64_t rests;               /* how often it was left alone */
	uint64_t retries;             /* how often it was asked whether it answers again */
	bool resting;                 /* it is being left alone */
	struct timespec silent_since; /* it has not answered since then; 0 seconds: it did, or was never asked */
	struct timespec failed;       /* when it failed last, in whatever way; 0 seconds: never */
	int last_failure;
	char why[REMOTE_WHY_SIZE]; /* what it said then */
};

/* What remote number I did so far. */
void fetch_counts(struct fetch *fetch, size_t i, struct fetch_counts *counts);

/*
 * Where this thread was answered ERROR when it last read: what the remote that failed last with it had to say, its name
 * in front ("the remote 'lab': it refused the password").  "" for nothing, and where ERROR comes from elsewhere; that
 * answer is then forgotten.
 */
void fetch_why(struct fetch *fetch, int error, char why[FETCH_WHY_SIZE]);

/* How many remotes there are. */
size_t fetch_remotes(const struct fetch *fetch);

/* The store on remote number I, borrowed. */
struct remote_store *fetch_store(struct fetch *fetch, size_t i);

/* Where records were found. */
struct fetch_found {
	uint64_t held;    /* on this machine, for those who did not have to wait */
	uint64_t brought; /* from remotes */
};

/* All that were, so far. */
void fetch_found(struct fetch *fetch, struct fetch_found *found);

#endif
