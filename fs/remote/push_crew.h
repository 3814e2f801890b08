/*
 * Tasks with numbers that several threads do at once, some of them only after others.
 *
 * Tasks are begun in a given order.  The first error ends it: what is under way is still waited for.
 */
#ifndef FS_PUSH_CREW_H
#define FS_PUSH_CREW_H

#include <stdbool.h>
#include <stddef.h>

struct push_crew {
	unsigned threads;    /* at most, the caller's among them; 0: that one alone */
	size_t count;        /* of tasks */
	const size_t *order; /* all numbers below COUNT; NULL: ascending */
	/* *BEFORE: what must be done before NUMBER is begun, so many; of these, what stands behind NUMBER in ORDER is
	 * not waited for.  NULL: nothing.  Called with a lock held. */
	size_t (*before)(void *arg, size_t number, const size_t **before);
	/* Whether NUMBER is for the thread of the caller alone.  NULL: none is. */
	bool (*is_callers)(void *arg, size_t number);
	/* Do NUMBER, on the thread THREAD, 0 being the caller's.  0 or an error. */
	int (*work)(void *arg, unsigned thread, size_t number);
	void *arg;
};

#define PUSH_CREW_MAX 8 /* threads */

/* Do it all.  0; the first error of WORK; -ENOMEM.  Fewer threads than asked for are enough. */
int push_crew_run(const struct push_crew *crew);

#endif
