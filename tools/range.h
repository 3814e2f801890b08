/*
 * The arguments of commands that look at changes: revisions, then paths, with `--` between them where that is not
 * clear.
 */
#ifndef TOOLS_RANGE_H
#define TOOLS_RANGE_H

#include "fs/changes.h"
#include "tools/session.h"

struct range {
	size_t count; /* revisions named */
	struct oid commits[2];
	struct path_limits limits;
};

/* The place of `--` in ARGV, or ARGC.  Options are parsed up to there, since getopt(3) forgets where it stood. */
int range_split(int argc, char **argv);

/*
 * Take apart the COUNT arguments that stood before `--` and the PATHS behind it (NULL: there was no `--`).  At most
 * MOST revisions; where that is 2, `A..B` stands for `A B`.  Without `--`, what is both a revision and a path is an
 * error, as in git.  Prints its own errors.  Returns 0 or an exit status; range_release() frees.
 */
int range_parse(struct session *s, char *const *arguments, size_t count, char *const *paths, size_t paths_count,
                size_t most, struct range *range);
void range_release(struct range *range); /* allowed on a zeroed one */

#endif
