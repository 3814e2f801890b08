/*
 * The old tree of a dataset, gone through beside a walk of its files: entry by entry, both in the order of names.
 *
 * Where the walker can tell from a stat cache that an entry is the same, nothing of the old tree is read: entries are
 * only counted, until a difference makes their directory (and those above it) be opened.  Belongs to one thread.
 */
#ifndef FS_OLD_TREE_H
#define FS_OLD_TREE_H

#include "fs/tree.h"

struct old_tree;

struct old_tree_hooks {
	/* ENTRY, in the directory at LEVEL (0: the top), was told to be the same; only told where the directory is
	 * opened, then also of those before.  May be NULL. */
	int (*same)(void *arg, size_t level, const struct entry *entry);
	/* ENTRY, in the present directory, is not there any more: a file, a link, or a directory with all that is in
	 * it. */
	int (*gone)(void *arg, const struct entry *entry);
};

/*
 * OLD is NULL for an empty tree.  FOLLOWED: old_tree_same() will be called; else every directory is opened at once.
 * HOOKS is borrowed.  Returns 0 or -ENOMEM.
 *
 * The others return 0, what a hook answered, or an error of reading (see old_tree_failed()).
 */
int old_tree_open(struct source *source, const struct directory *old, bool followed, const struct old_tree_hooks *hooks,
                  void *arg, struct old_tree **tree);
void old_tree_close(struct old_tree *t); /* NULL is ignored */

/* NAME, the next in the present directory, is the same as in the old tree. */
int old_tree_same(struct old_tree *t, const char *name, size_t len);

/* Open the present directory, because something in it is not as it was. */
int old_tree_differs(struct old_tree *t);

/* Find NAME, the next that is told.  *ENTRY is borrowed until the next call; NULL where the old tree has none. */
int old_tree_find(struct old_tree *t, const char *name, size_t len, const struct entry **entry);

/* Into the directory NAME, the next that is told. */
int old_tree_enter(struct old_tree *t, const char *name, size_t len);

/* Whether the present directory has been opened, or was not there at all: what is left then cannot be the same. */
bool old_tree_is_open(const struct old_tree *t);

/* Out of the present directory; at the top level, the end.  *SAME where it is as it was, with all that is in it. */
int old_tree_leave(struct old_tree *t, bool *same);

/* The level of the present directory: 0 at the top. */
size_t old_tree_level(const struct old_tree *t);

/* The name of the present directory; borrowed. */
const char *old_tree_name(const struct old_tree *t, size_t *len);

/* Whether the last error came from reading the tree, not from a hook or a lack of memory. */
bool old_tree_failed(const struct old_tree *t);

#endif
