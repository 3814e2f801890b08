/*
 * Whom damage touches: the revisions and paths that need what fs/verify.h found damaged.
 *
 * Reads pages again, but no chunk; subtrees without damage are gone through once.  Belongs to one thread.
 */
#ifndef FS_TRACE_H
#define FS_TRACE_H

#include "fs/verify.h"

#define TRACE_PATHS_MAX 1000  /* of one damage */
#define TRACE_COMMITS_MAX 100 /* of one path */

/* A path, and the commits in which it is touched, the newest first. */
struct trace_path {
	char *path;
	struct oid *commits;
	size_t count;
	uint64_t more; /* commits that are not listed */
};

/* What one damage touches. */
struct trace_damage {
	struct trace_path *paths;
	size_t count;
	bool more; /* paths that are not listed */
};

struct trace {
	struct trace_damage *damages; /* one for each of the report's */
	size_t count;
};

/*
 * Find what the damages of REPORT touch in the COUNT commits TIPS and their history.  What cannot be read on the way is
 * passed over: it is damage that the report names itself.  0, -ENOMEM, -errno; trace_release() in any case.
 */
int trace_run(struct repo *repo, struct store *store, const struct oid *tips, size_t count,
              const struct verify_report *report, struct trace *trace);

/* Free what it holds. */
void trace_release(struct trace *trace);

#endif
