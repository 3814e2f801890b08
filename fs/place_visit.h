/*
 * Walking everything below a place of a revision, in listing order.
 */
#ifndef FS_PLACE_VISIT_H
#define FS_PLACE_VISIT_H

#include "fs/place.h"

/* Who is told what a walk meets.  PATH is the whole path below the place where the walk began; borrowed. */
struct place_visitor {
	/*
	 * A file, link, directory or broken place.  Answers 0 to go on, and into a directory; 1 not to enter it; or
	 * -errno to end the walk with it.
	 */
	int (*each)(void *arg, const char *path, const struct place *place);
	/* A directory that was entered, the one where the walk began included (PATH ""), has ended.  May be NULL. */
	void (*leave)(void *arg, const char *path);
	/* A directory could not be read, or not to its end, and is left next.  Decides: 0 goes on behind it, -errno
	 * ends. */
	int (*failed)(void *arg, const char *path, int error);
	void *arg;
	bool without_pointers; /* pass over the pointer file of every dataset that stands beside it, whole or not */
};

/*
 * Walk what is below the directory PLACE.  While EACH runs no page stays pinned but those of the directory that is
 * listed. Directories more than PAGE_DEPTH_MAX below PLACE, or below the root of their dataset, fail with -EBADMSG.  A
 * broken place is never entered.  Whatever ends the walk, every directory that was entered is left.  Returns 0, the
 * answer that ended the walk, or -ENOMEM.
 */
int place_visit(const struct place_world *w, const struct place *place, const struct place_visitor *visitor);

#endif
