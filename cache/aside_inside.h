/*
 * What the parts of cache/aside.h share.  Private to cache/aside*.c: aside.c is for who asks, aside_errand.c keeps
 * errands, aside_work.c has the threads.
 */
#ifndef CACHE_ASIDE_INSIDE_H
#define CACHE_ASIDE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/aside.h"

#define TABLE_SIZE 1024

enum errand_state {
	ERRAND_QUEUED,  /* a thread will take it */
	ERRAND_RUNNING, /* one has */
	ERRAND_RESTING, /* to be queued at due_ns */
	ERRAND_DONE,
};

/* One record that is brought.  In the table unless it failed; in one list while QUEUED or RESTING. */
struct errand {
	struct aside *aside;
	struct errand *next_in_table;
	struct errand *next, **link; /* in its list; LINK is what points to it */
	struct wanted wanted;
	enum errand_state state;
	bool in_table;
	uint64_t due_ns;
	int failure;          /* of the last try; 0: none has failed */
	struct claim *claims; /* those who still wait; once DONE, all who have it */
	/* Final once DONE. */
	int error;
	struct record record;
};

/* That a ticket waits for an errand, or has what it brought.  Whoever joins others waits as long as they did. */
struct claim {
	struct claim *next_of_ticket;
	struct claim *next_of_errand;
	struct ticket *ticket;
	struct aside *aside;
	struct wanted wanted;
	struct errand *errand; /* NULL: the time was over */
	int error;             /* of what is over */
	uint64_t end_ns;       /* when it will be */
};

struct errand_list {
	struct errand *first, **end;
};

struct aside {
	struct aside_setup setup;
	pthread_mutex_t lock; /* of all below, and of all errands and claims */
	pthread_cond_t work;
	struct errand_list queue, resting;
	struct errand *table[TABLE_SIZE];
	unsigned queued;
	unsigned pending;    /* errands that are not done */
	unsigned idle;       /* threads that wait for work */
	uint64_t soonest_ns; /* no claim of what is queued or rests ends before */
	unsigned threads_count;
	pthread_t threads[ASIDE_THREADS_MAX];
	atomic_bool closing;
};

/* --- with the lock held, all but the first two --- */

/* Whether two are one errand. */
bool wanted_equal(const struct wanted *a, const struct wanted *b);

/* Whether the threads are to end. */
bool aside_is_closing(const struct aside *aside);

/* Put ERRAND, which is in no list, behind the others of LIST. */
void errand_rest(struct errand_list *list, struct errand *errand);

/* The same for the queue, whose errands a thread takes. */
void errand_queue(struct errand *errand);

/* Take a QUEUED or RESTING errand out of its list. */
void errand_unlist(struct errand *errand);

/* The errand that brings WANTED, or NULL. */
struct errand *errand_find(struct aside *aside, const struct wanted *wanted);

/* From now on errand_find() finds ERRAND. */
void errand_insert(struct errand *errand);

/* Free ERRAND, which is in no list and has no claims. */
void errand_free(struct errand *errand);

/* ERRAND, which is in no list, is over: who waits is told, and it is freed where nobody does.  A failure is the answer
 * of those alone who wait for it now. */
void errand_finish(struct errand *errand, int error);

/* What they get who waited for ERRAND as long as was set: its last failure, or -ETIMEDOUT. */
int errand_failure(const struct errand *errand);

/* That is the answer of those who did.  Returns when the time of the next will be over, or UINT64_MAX. */
uint64_t errand_end_waits(struct errand *errand);

/* The same for all that no thread has taken. */
void aside_end_queued_waits(struct aside *aside);

/* See to it that a thread takes what was queued.  False where there is none at all. */
bool aside_call_thread(struct aside *aside);

#endif
