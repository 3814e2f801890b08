/*
 * Ordered work on many cores: items are submitted by one thread, worked on by several, and consumed by one in the order
 * of submission.
 *
 * At most DEPTH items are under way, so that memory is bounded and a slow consumer slows the submitter.
 */
#ifndef CACHE_PIPELINE_H
#define CACHE_PIPELINE_H

#include <stddef.h>

struct pipeline;

/*
 * Start THREADS workers (at least 1).  WORK is called for each item by some worker.
 * Returns 0, -ENOMEM or -EAGAIN (no threads).
 */
int pipeline_open(unsigned threads, unsigned depth, void (*work)(void *arg, void *item), void *arg,
                  struct pipeline **pipeline);

/*
 * Submit ITEM with the given WEIGHT (bytes); blocks while DEPTH items, or more than 256 MiB, are under way.
 * Returns 0, or -ECANCELED after pipeline_cancel(): the item stays the caller's.
 */
int pipeline_submit(struct pipeline *p, void *item, size_t weight);

/* No more will be submitted. */
void pipeline_end(struct pipeline *p);

/* The next item in the order of submission, worked on; blocks until there is one.  NULL after the last. */
void *pipeline_next(struct pipeline *p);

/* Let a blocked submitter go on with -ECANCELED; items submitted before still come out of pipeline_next(). */
void pipeline_cancel(struct pipeline *p);

/* Stop the workers and free.  Every item must have been consumed. */
void pipeline_close(struct pipeline *p);

#endif
