/*
 * A way down a search tree of pages, of a directory or a list of chunks, from its root to where one stands.
 *
 * Whoever reads a tree reads it through here: every page is checked against the one that names it (kind, level, last
 * key, totals, order, where it may end), so that a page with the right hash and the wrong place is -EBADMSG.
 *
 * A page can name neither itself nor a page above it: it names pages by the hash of their bytes, and its own bytes
 * contain that name.  A cycle would be a SHA-256 that contains itself.  Levels end at 0, so a way down is at most
 * PAGE_LEVELS_MAX pages long.
 *
 * A struct descent belongs to one thread.  Zeroed, it is closed.
 */
#ifndef FS_DESCENT_H
#define FS_DESCENT_H

#include "fs/page.h"
#include "fs/source.h"

struct descent {
	struct source *source;
	unsigned depth; /* pinned pages; 0: closed */
	struct descent_level {
		struct page_pin pin;
		unsigned next; /* the entry or reference to be looked at; the page one deeper is what it names */
	} levels[PAGE_LEVELS_MAX];
};

/*
 * Pin the root page (HINT may be NULL; IS_ROOT: it is the root of a dataset) and stand before its first entry or
 * reference. Errors are those of source_pin_page().  A failed open leaves the descent closed.
 */
int descent_open(struct descent *d, struct source *s, enum page_kind kind, const struct id *id,
                 const struct locator *hint, bool is_root);

/* Unpin everything.  Allowed on a closed one. */
void descent_close(struct descent *d);

/* The root; pinned as long as the descent is open. */
const struct page *descent_root(const struct descent *d);

/* The deepest page; pinned until the descent moves on. */
const struct page *descent_page(const struct descent *d);

/* The place of what is looked at in the deepest page; its count where the page has ended. */
unsigned descent_next(const struct descent *d);

/* Whether the deepest page is a leaf. */
bool descent_at_leaf(const struct descent *d);

/* Whether what is looked at is the last of its level in the whole tree: its page need not have closed. */
bool descent_on_right_edge(const struct descent *d);

/* Go down to the page that the reference looked at names, before its first.  On failure nothing has moved. */
int descent_enter(struct descent *d);

/* Have the leaf behind the one where the descent stands, if one page names both, brought to the memory: for who may not
 * wait (cache/aside.h) and so does not wait for it; others get it when they come to it. */
void descent_prepare_next(const struct descent *d);

/* Pass over the entry or reference looked at, unread. */
void descent_pass(struct descent *d);

/* Where the descent stands at the very beginning of the page ID, pass the whole page, unread from here.  Returns
 * whether it did. */
bool descent_pass_page(struct descent *d, const struct id *id);

/* Leave pages of which everything was passed, and so pass them.  Returns false at the end of the tree. */
bool descent_settle(struct descent *d);

/* Settle, and enter pages down to a leaf.  Returns 0, -ENOENT at the end, or an error. */
int descent_to_leaf(struct descent *d);

/*
 * Go from the root to the first entry whose name is not below NAME (directories); or to the one that holds POSITION, an
 * entry's rank or in a list a byte's offset.  Returns 0, -ENOENT where there is none (the descent then stands at the
 * end), or an error.
 */
int descent_seek_name(struct descent *d, const char *name, size_t len);

/* The same by POSITION. */
int descent_seek_position(struct descent *d, uint64_t position);

/* What stands before where the descent stands: entries, in a list bytes. */
uint64_t descent_position(const struct descent *d);

#endif
