/*
 * Comparing two trees by their pages: equal pages are skipped unread, so the cost follows what changed.
 *
 * Thread-safe.
 */
#ifndef FS_COMPARE_H
#define FS_COMPARE_H

#include "cache/wire.h"
#include "fs/tree.h"

/*
 * Called for each difference in path order, with the entry on either side or NULL.  A directory that is on one side
 * only is told before what is in it.  Both sides: the content or the executable bit differs, or a symlink's target; two
 * directories of one name are not told, what is in them is; a change of kind is told twice, first as a deletion (of
 * everything below, too) and then as an addition.  Borrowed until the callback returns.
 * Answers 0 to go on, 1 not to enter that directory, or -errno to end with it.
 */
typedef int (*compare_each)(void *arg, const char *path, size_t path_len, const struct entry *a, const struct entry *b);

/*
 * Compare A with B; either may be NULL for an empty tree.  Broken entries are told like others, and not entered.
 * Folders deeper than PAGE_DEPTH_MAX are -EBADMSG.  Errors are those of source_pin_page(): the first ends the
 * comparison.
 */
int compare_trees(struct source *s, const struct directory *a, const struct directory *b, compare_each each, void *arg);

/* Whether two entries are the same thing (kind, bit, content); names and labels do not count. */
bool compare_entries_equal(const struct entry *a, const struct entry *b);

/*
 * The entries of one directory that differ, by name, without entering directories: for the @A..B folders.  Told in name
 * order from the first name not below FROM (NULL: the first); PATH is the name.  Two directories of one name that
 * differ are told, with both sides; so is a change of kind, once.  Any answer of EACH but 0 ends and is returned.
 */
int compare_level(struct source *s, const struct directory *a, const struct directory *b, const char *from,
                  size_t from_len, compare_each each, void *arg);

/* Append to NAMES the names that differ in two directories (NULL: an empty one), in order, each with a NUL byte.
 * Nothing is read where both are the same.  Returns 0, -ENOMEM, or errors of reading. */
int compare_names(struct source *s, const struct directory *a, const struct directory *b, struct buffer *names);

/* The name at *AT of such NAMES where it comes before NAME (NULL: all do), NULL where there is none left; *AT goes
 * behind it, and behind NAME itself. */
const char *compare_next_name(const struct buffer *names, size_t *at, const char *name, size_t len, size_t *next_len);

#endif
