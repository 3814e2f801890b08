/*
 * Reading directories: search trees of pages.
 *
 * A directory is named by its root page.  A struct tree_cursor belongs to one thread; the rest is thread-safe.
 * Errors are those of source_pin_page(); pages that contradict the one above them (kind, level, last name, totals) are
 * -EBADMSG.
 */
#ifndef FS_TREE_H
#define FS_TREE_H

#include "fs/descent.h"
#include "fs/page.h"
#include "fs/source.h"

/* A directory as its parent or a pointer file names it. */
struct directory {
	struct id id;
	struct locator locator; /* offset 0: unknown */
	bool is_root;           /* has a root file in the store */
	bool totals_known;      /* then what is read must agree */
	struct totals totals;
};

/* The directory that ENTRY (of kind ENTRY_DIRECTORY) is. */
void directory_of(const struct entry *entry, struct directory *directory);

/* Read the totals of DIRECTORY from its root page. */
int directory_totals(struct source *s, const struct directory *directory, struct totals *totals);

/* An entry and the leaf it borrows from. */
struct entry_pin {
	struct entry entry;
	uint64_t ordinal; /* its rank in the directory, from 0 */
	struct page_pin pin;
};

/* Give an entry back; one that is not pinned is ignored. */
void tree_unpin_entry(struct source *s, struct entry_pin *pin);

/* Find NAME in DIRECTORY.  Returns 0, -ENOENT where there is no such entry, or an error (-ENODATA where a page is in no
 * store, so that it cannot be taken for a missing name). */
int tree_find(struct source *s, const struct directory *directory, const char *name, size_t len, struct entry_pin *pin);

/* The entry of rank ORDINAL.  -ENOENT beyond the last. */
int tree_at(struct source *s, const struct directory *directory, uint64_t ordinal, struct entry_pin *pin);

/* Find PATH (components separated by `/`, none empty; "" is the directory itself: -EISDIR) below DIRECTORY, not
 * following symlinks.  -ENOTDIR where a component is not a directory, -EIO where one that is not the last is broken. */
int tree_walk(struct source *s, const struct directory *directory, const char *path, struct entry_pin *pin);

/* Going through a directory in order, from any rank. */
struct tree_cursor {
	struct descent descent;
	uint64_t ordinal; /* of the next entry */
};

/* Open before the entry of rank ORDINAL, or at the end. */
int tree_cursor_open(struct source *s, const struct directory *directory, uint64_t ordinal, struct tree_cursor *cursor);

/* Open before the first entry whose name is not below NAME, or at the end. */
int tree_cursor_open_at(struct source *s, const struct directory *directory, const char *name, size_t len,
                        struct tree_cursor *cursor);

/* The next entry, borrowed until the next call on the cursor.  Returns 0, -ENOENT at the end, or an error. */
int tree_cursor_next(struct tree_cursor *cursor, struct entry *entry);

/* Release; allowed on a zeroed cursor. */
void tree_cursor_close(struct tree_cursor *cursor);

/* Open the descent of DIRECTORY, its totals checked where they are known: for those who read pages themselves. */
int tree_open(struct source *s, const struct directory *directory, struct descent *descent);

/* Who is told what a walk meets. */
struct tree_visitor {
	int (*each)(void *arg, const char *path, size_t path_len, const struct entry *entry);
	int (*enter_failed)(void *arg, const char *path, size_t path_len, int error); /* may be NULL */
	void *arg;
};

/*
 * Call EACH for every entry of DIRECTORY at any depth in path order, a directory before what is in it.  PATH is the
 * whole path below DIRECTORY, PATH_LEN bytes and a NUL byte.  EACH answers 0 to go on, 1 not to enter that directory,
 * or -errno to end the walk with it; broken entries are told, and not entered.  ENTER_FAILED is told of a directory
 * that could not be read, or not to its end, and decides: 0 goes on behind it, -errno ends.  Folders deeper than
 * PAGE_DEPTH_MAX are -EBADMSG.  No page stays pinned while EACH runs but those of the directory of the entry.
 */
int tree_visit(struct source *s, const struct directory *directory, const struct tree_visitor *visitor);

#endif
