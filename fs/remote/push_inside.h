/*
 * What the files of pushing share: what each thread does of a push, and how it puts an object.
 */
#ifndef FS_PUSH_INSIDE_H
#define FS_PUSH_INSIDE_H

#include "fs/remote/push.h"
#include "fs/remote/push_crew.h"

/* What one thread does of a push.  The caller's thread alone does what changes the plan. */
struct push {
	const struct push_request *request;
	struct push_plan *plan;
	struct push_result *result; /* this thread's own */
	const struct io *io;
	struct remote *to;
	int tmp; /* the store's folder of unfinished files; -1: not open yet */
};

struct pushes {
	struct push of[PUSH_CREW_MAX]; /* by thread */
	struct push_result results[PUSH_CREW_MAX];
	int errors[PUSH_CREW_MAX];
	bool *is_last; /* by pack: it may be looked at beside the roots */
	bool *unseen;  /* by pack: it was put, and is still to be looked at */
	int collected; /* as in the result of all */
};

/* Whether who asked for it gave it up. */
bool push_is_cancelled(const struct push *p);

/* Count what went, and tell of it. */
void push_tell(struct push *p, uint64_t packs, uint64_t bytes);

/* What stands at PATH is at work from now on: it is named where that fails. */
void push_at(struct push *p, const char *path);

/* Put BODY, which push_look() must follow.  0; 1 where there is one already, from a push at the same time: that is
 * looked at all the same, before anything else relies on it.  Errors of the remote. */
int push_put(struct push *p, const char *path, const struct remote_body *body, bool replace);

/* Whether the remote has what it was given, as its end tells: there is as much, and no more.  0; -EBADMSG where it has
 * not; errors of the remote, and of reading BODY. */
int push_look(struct push *p, const char *path, const struct remote_body *body);

/* Once all packs were put: put the roots with at most so many THREADS, look at them and at packs that were not looked
 * at yet, and learn meanwhile what was collected.  What push_run() returns. */
int push_roots(struct pushes *all, unsigned threads);

#endif
