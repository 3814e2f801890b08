/*
 * Counting renames: contents that were deleted at one path and added at another.
 *
 * 64 bits of each content and its size are kept; beyond RENAME_COUNT_MAX on either side nothing more is counted.
 * Belongs to one thread.
 */
#ifndef FS_RENAME_COUNT_H
#define FS_RENAME_COUNT_H

#include <stdint.h>

#include "fs/page.h"

#define RENAME_COUNT_MAX (8u << 20)

struct rename_count;

/* Begin with nothing.  Returns 0 or -ENOMEM. */
int rename_count_new(struct rename_count **count);
void rename_count_free(struct rename_count *count); /* NULL is ignored */

/* An entry that is no directory was deleted, or added.  Empty ones do not count.  Returns 0 or -ENOMEM. */
int rename_count_deleted(struct rename_count *count, const struct entry *entry);

/* The same for what was added. */
int rename_count_added(struct rename_count *count, const struct entry *entry);

/* How many of the deleted have one added with the same kind and content, each used once. */
uint64_t rename_count_finish(struct rename_count *count);

/* The bytes of those that rename_count_finish() counted. */
uint64_t rename_count_bytes(const struct rename_count *count);

#endif
