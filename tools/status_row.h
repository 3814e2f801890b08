/*
 * A dataset as `revfs status` tells of it.
 */
#ifndef TOOLS_STATUS_ROW_H
#define TOOLS_STATUS_ROW_H

#include "fs/git/worktree.h"
#include "tools/output.h"

enum status_state {
	STATUS_UNCHANGED,
	STATUS_CHANGED,
	STATUS_ABSENT,          /* not checked out */
	STATUS_EMPTY,           /* the directory is there, and nothing in it */
	STATUS_UNFINISHED,      /* a checkout began and did not end */
	STATUS_UNKNOWN,         /* files and pointer were never the same here */
	STATUS_POINTER_CHANGED, /* since they were */
	STATUS_POINTER_MISSING,
	STATUS_CONFLICT, /* the pointer file does not read */
	STATUS_LATER,    /* a pointer of a later version */
};

enum status_attached {
	STATUS_NOT_ATTACHED,
	STATUS_MOUNTED,
	STATUS_NOT_MOUNTED, /* here and now */
};

struct status_row {
	const struct work_dataset *dataset;
	enum status_state state;
	enum status_attached attached;
	bool committed; /* HEAD has this pointer */
	struct pointer pointer;
	uint64_t added, modified, deleted, problems;
	uint64_t folders;  /* that came or went */
	bool became_other; /* a file where the pointer says directory, or the other way round */
	unsigned line;     /* STATUS_CONFLICT */
	const char *why;
};

/* Whether something differs from what it is compared with. */
bool status_row_has_changes(const struct status_row *row);

/* Whether Git could not merge it, and the pointer file is what revfs made of it. */
bool status_row_is_unmerged(const struct status_row *row);

/* Print it, a line. */
void status_row_print(const struct status_row *row);

/* The same as JSON; to be given back with json_decref(). */
json_t *status_row_json(const struct status_row *row);

#endif
