/*
 * Merging two trees that came from a third: by their pages alone, no content is read.
 *
 * Directories are compared side against side, and what is equal is skipped unread, so the cost follows what differs
 * between the two.  A directory that one side alone changed is taken over by reference.
 */
#ifndef FS_TREE_MERGE_H
#define FS_TREE_MERGE_H

#include "fs/build.h"

struct tree_merge {
	struct store_writer *writer;
	struct source *source;
	const struct directory *base; /* what both came from; NULL: nothing */
	const struct directory *ours;
	const struct directory *theirs;
	bool prefer_base; /* where both changed, the result has what BASE has: for an ancestor that is made up */
	/*
	 * Told of each conflict in path order, with what the three have there (NULL: nothing), borrowed until it
	 * returns.  May be NULL.  Answers 0 to go on, or -errno, which ends the merge and is its result.
	 */
	int (*conflict)(void *arg, const char *path, const struct entry *base, const struct entry *ours,
	                const struct entry *theirs);
	void *arg;
};

/*
 * Merge: *BUILT is the result, its pages in the writer, *CONFLICTS how many paths both sides changed, each in its own
 * way.  There the result has what OURS has (or BASE, see above), everywhere else what the side has that changed it; so
 * it is whole in either case.
 *
 * The same change on both sides is no conflict, nor are a file's content changed here and its executable bit there.  A
 * deletion against a change is one, and so are two kinds, or two contents where there was nothing.  Directories are
 * merged name by name; one that a side deleted goes with what the other left as it was, and stays for what the other
 * added or changed.  Locators and times are those of the side that an entry comes from.
 *
 * Memory follows the number of changes that OURS does not have.  Errors: of reading the trees (-ENODATA, -EBADMSG...),
 * the writer's, -ENOMEM; -EBADMSG also where an entry that no one may follow would have to be written, and for folders
 * deeper than PAGE_DEPTH_MAX.  Nothing needs to be undone after one.
 */
int tree_merge(const struct tree_merge *request, struct built *built, uint64_t *conflicts);

#endif
