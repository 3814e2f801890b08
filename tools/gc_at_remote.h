/*
 * What revfs gc does at a remote: collect garbage there, or forget revisions.
 */
#ifndef TOOLS_GC_AT_REMOTE_H
#define TOOLS_GC_AT_REMOTE_H

#include "fs/remote/gc_remote.h"
#include "tools/progress.h"
#include "tools/session.h"

struct gc_at_remote {
	const char *name;
	bool yes;      /* a URL of the shared file will do; what is to be forgotten is forgotten */
	char **forget; /* revisions; NULL: collect garbage */
	size_t forget_count;
	int progress; /* as progress_start() wants it */
	struct gc_remote_options options;
};

/* Do it.  Prints its own errors; returns an exit status.  gc_report_release() frees, in any case. */
int gc_at_remote(struct session *session, struct gc_at_remote *gc, struct gc_report *report);

#endif
