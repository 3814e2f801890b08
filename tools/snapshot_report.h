/*
 * What a snapshot tells: of entries that cannot be recorded, the summary, the message of the commit.
 */
#ifndef TOOLS_SNAPSHOT_REPORT_H
#define TOOLS_SNAPSHOT_REPORT_H

#include "tools/snapshot_plan.h"

/* Entries of one dataset that are named at most; the others are counted. */
#define SNAPSHOT_PROBLEMS_NAMED 300

/* Print why PATH (from the root of the work tree) cannot be recorded.  Returns the exit status that belongs to it. */
int snapshot_report_problem(const char *path, enum problem problem, int error);

/* Whether there is something to tell of the item: it changed, or is not committed yet. */
bool snapshot_report_is_told(const struct snapshot_item *item);

/* The message that the editor opens on, or the commit gets where there is none: malloc'ed, NULL where memory ran out.
 */
char *snapshot_report_message(const struct snapshot_plan *plan);

struct snapshot_report {
	const struct snapshot_plan *plan;
	const struct oid *commit; /* NULL: none was made */
	const char *note;         /* why not, for people: "staged, ..." ; NULL: nothing to say */
	double seconds;
};

/* Print the summary on stdout, as JSON where that is asked for. */
void snapshot_report_print(const struct snapshot_report *report);

#endif
