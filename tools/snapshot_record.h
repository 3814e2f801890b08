/*
 * Recording what was planned: each dataset goes to the store, by the engine that its files want.
 *
 * Functions print their own errors and return an exit status.
 */
#ifndef TOOLS_SNAPSHOT_RECORD_H
#define TOOLS_SNAPSHOT_RECORD_H

#include "tools/progress.h"
#include "tools/snapshot_plan.h"

struct snapshot_record {
	struct snapshot_plan *plan; /* borrowed */
	struct snapshot_run engine; /* PROBLEM, PROGRESS and ARG are set here */
	/* Private. */
	struct progress *progress;
	/* Of the dataset in the works: */
	const struct snapshot_item *item;
	uint64_t named; /* problems named so far */
	int first_problem;
};

/*
 * Record all items that are ready.  What cannot be recorded is named, counted in the plan's outcome, and not `ready`
 * any more.  PROGRESS as progress_start() has it.
 */
int snapshot_record_all(struct snapshot_record *record, int progress);

#endif
