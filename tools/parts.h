/*
 * The parts of datasets that REV[:PATH]s name: whole datasets, and what stands at paths in them.
 */
#ifndef TOOLS_PARTS_H
#define TOOLS_PARTS_H

#include "fs/remote/lack.h"
#include "tools/session.h"

struct part {
	struct lack_part lack;
	char *name; /* "v1:data/images", for messages */
	char *path; /* below the dataset; what LACK borrows */
	bool failed;
};

/* Zeroed, it is empty. */
struct parts {
	struct part *list;
	size_t count, room;
};

/*
 * Add the parts that ARGUMENT (NULL: HEAD, all of it) names; Git's own files are none, and what is there
 * already is not added again.  *COMMIT (may be NULL) is the
 * commit, *PATH (may be NULL; malloc'ed) the path in it.  Prints its own errors; a pointer file that cannot be read is
 * told, and the rest is added.  Returns 0 or an exit status.
 */
int parts_add(struct session *s, const char *argument, struct parts *parts, struct oid *commit, char **path);

/* Take all parts into LACK; what fails is told and marked.  Returns 0, or the exit status of the first that failed;
 * where it is that of being stopped, nothing was told. */
int parts_take(const struct session *s, struct parts *parts, struct lack *lack);

/* Free what they hold. */
void parts_release(struct parts *parts);

#endif
