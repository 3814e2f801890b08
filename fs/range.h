/*
 * Ranges: which entries of a directory changed from commit A to commit B, for @A..B/added, modified, deleted.
 *
 * Equal pages are never read, and what is known of a pair of directories is kept for a while.  Only datasets count; a
 * change of kind is a deletion and an addition.  What is too damaged to be compared is shown on every side, and its
 * inside is an error.  Thread-safe.
 */
#ifndef FS_RANGE_H
#define FS_RANGE_H

#include "fs/spot.h"

struct ranges;

/* WORLD is copied, what it names is borrowed.  0 or -ENOMEM. */
int ranges_open(const struct place_world *world, struct ranges **ranges);

/* Free.  NULL is ignored. */
void ranges_close(struct ranges *ranges);

/* The child NAME of DIR, a directory of a side that is not whole, and its rank.  -ENOENT where that side does not show
 * it; errors of place_child(). */
int range_child(struct ranges *ranges, const struct spot *dir, const char *name, struct place *child, uint64_t *rank);

/* Call EACH for the children that are shown whose rank is at least FROM, in the order of ranks, until it answers other
 * than 0; that is returned. */
int range_each_child(struct ranges *ranges, const struct spot *dir, uint64_t from, place_each_fn each, void *arg);

#endif
