/*
 * Counting what became of the files of one tree in another, entry by entry: only what differs is read.
 *
 * Belongs to one thread.
 */
#ifndef FS_CHANGE_COUNT_H
#define FS_CHANGE_COUNT_H

#include "cache/wire.h"
#include "fs/new_tree.h"
#include "fs/tree.h"

struct change_count;

/* Begin with nothing; trees are read through SOURCE (borrowed).  Returns 0 or -ENOMEM. */
int change_count_new(struct source *source, struct change_count **count);
void change_count_free(struct change_count *count); /* NULL is ignored */

/*
 * Where OLD stood (NULL: nothing) there is NOW (NULL: nothing); directories are counted with all that is in them, and
 * must be ones that can be read.  Returns 0, -ENOMEM, or errors of reading.
 */
int change_count_entry(struct change_count *count, const struct entry *old, const struct entry *now);

/* Append to NAMES the names that differ in two directories (NULL: an empty one), in order, each with a NUL byte: to be
 * counted one by one.  Nothing is read where both are the same.  Returns 0, -ENOMEM, or errors of reading. */
int change_count_names(struct change_count *count, const struct directory *old, const struct directory *now,
                       struct buffer *names);

/* What was counted.  The end: nothing more may be added. */
void change_count_finish(struct change_count *count, struct new_tree_counts *counts);

#endif
