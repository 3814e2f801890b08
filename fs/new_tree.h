/*
 * The new tree of a dataset, made from entries that come in the order of a walk, beside the old one.
 *
 * The old tree (of the parent revision) tells what was added, modified, deleted and renamed, gives times where path and
 * content are the same, and is taken over unread, directory by directory, where nothing in it changed.  Belongs to the
 * thread of its writer.
 */
#ifndef FS_NEW_TREE_H
#define FS_NEW_TREE_H

#include "fs/build.h"
#include "fs/content.h"

struct new_tree;

struct new_tree_counts {
	uint64_t added;
	uint64_t modified;
	uint64_t deleted;
	uint64_t renamed; /* the same content, not empty, deleted at one path and added at another; counted in no other
	                     number */
};

/*
 * Begin.  OLD is NULL where there is none.  FOLLOWED says that new_tree_same() will be called: whoever calls it knows,
 * for every entry so told, that it is in OLD.  Returns 0 or -ENOMEM.
 */
int new_tree_open(struct store_writer *writer, struct source *source, const struct directory *old, bool followed,
                  struct new_tree **tree);
void new_tree_close(struct new_tree *tree); /* NULL is ignored */

/*
 * The functions below return 0, -errno of writing, or, where new_tree_old_failed(), an error of reading the old tree:
 * -ENODATA, -EBADMSG... (-EBADMSG, too, where it does not have what new_tree_same() said).
 */

/* The next entry of the present directory, NAME, is the same as in the old tree. */
int new_tree_same(struct new_tree *tree, const char *name, size_t len);

/* Before what is told next, something of the old directory is gone. */
int new_tree_gone(struct new_tree *tree);

/*
 * The next entry of the present directory, a file or link.  Its content is in the writer; its time is the file's,
 * replaced by the old entry's where that has the same content.  Where its locator is unknown the old entry's is taken,
 * else it is looked up.
 */
int new_tree_add(struct new_tree *tree, const struct entry *entry);

/* Into the directory NAME. */
int new_tree_enter(struct new_tree *tree, const char *name, size_t len);

/* Out of the present directory. */
int new_tree_leave(struct new_tree *tree);

/*
 * The end: *BUILT is the root; *UNCHANGED where it was taken over unread (only its id is set then).  Pages are in the
 * writer.
 */
int new_tree_finish(struct new_tree *tree, struct built *built, bool *unchanged);

/* Valid after new_tree_finish(). */
void new_tree_counts(const struct new_tree *tree, struct new_tree_counts *counts);

/* Whether the last error came from reading the old tree. */
bool new_tree_old_failed(const struct new_tree *tree);

#endif
