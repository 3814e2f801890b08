/*
 * Progress on stderr: only on a terminal or with --progress; a line that is redrawn, removed at the end.
 *
 * progress_add() may be called by any thread.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress;

/* VERB: "snapshotting".  WANTED: 1 --progress, 0 --no-progress, -1 as the terminal says.  Never NULL. */
struct progress *progress_start(const char *verb, int wanted);

/* What is to be done, where known (0: not known). */
void progress_total(struct progress *p, uint64_t files, uint64_t bytes);

/* More was done: SAVED_BYTES of BYTES need not be stored.  Thread-safe. */
void progress_add(struct progress *p, uint64_t files, uint64_t bytes, uint64_t saved_bytes);

/* Remove the line and free.  NULL is ignored. */
void progress_end(struct progress *p);

#endif
