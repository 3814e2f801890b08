/*
 * Giving up a wait: whether whoever a thread works for still wants the answer.
 *
 * A thread says once how that is found out.  What may wait for long asks interrupt_pending() at least every
 * INTERRUPT_POLL_MS and ends with -EINTR.
 */
#ifndef CACHE_INTERRUPT_H
#define CACHE_INTERRUPT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define INTERRUPT_POLL_MS 50

/* Whether to give up; called by the thread that waits, which may hold a lock: it asks, and does not wait. */
typedef bool (*interrupt_check)(void *arg);

/* From now on CHECK tells whether this thread is to give up; NULL: never (the default).  ARG is borrowed until the next
 * call. */
void interrupt_watch(interrupt_check check, void *arg);

/* From now on every thread that has no check gives up once FLAG (borrowed for ever) is true. */
void interrupt_all(const atomic_bool *flag);

/*
 * From now on this thread also gives up once TIMEOUT_MS have passed; a limit that it has already stays where it is
 * nearer.  Returns the limit before, for interrupt_unlimit().
 */
uint64_t interrupt_limit(uint64_t timeout_ms);

/* Back to the limit BEFORE.  Whether the time of the one that ends was up. */
bool interrupt_unlimit(uint64_t before);

/* Whether this thread has a check or a limit: without one, waiting need not be broken up. */
bool interrupt_watched(void);

/* Whether this thread is to give up. */
bool interrupt_pending(void);

/* Whether ERROR says nothing about what was asked for: who asked gave up, may not wait (cache/aside.h), or memory is
 * short. */
bool is_unanswered(int error);

/*
 * Wait on CONDITION with LOCK held, as pthread_cond_wait(3): the caller looks again at what it waits for.  Returns 0,
 * or -EINTR where this thread is to give up.
 */
int interrupt_wait(pthread_cond_t *condition, pthread_mutex_t *lock);

/* The same for MS milliseconds at most. */
int interrupt_wait_for(pthread_cond_t *condition, pthread_mutex_t *lock, unsigned ms);

#endif
