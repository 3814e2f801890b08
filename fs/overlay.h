/*
 * The tree that one sees where an upper folder lies above a base: what the upper has is told in the order of a walk,
 * all else is taken over from the base by reference.
 *
 * Of the base only pages on the way to what is told are read, and only where it differs pages are written; the root is
 * the same as if everything had been built anew.  Beside it goes the tree of the parent revision, mostly the base
 * itself: it gives times and places where path and content are the same, and what became of it is counted.  Belongs to
 * the thread of its writer.
 */
#ifndef FS_OVERLAY_H
#define FS_OVERLAY_H

#include "fs/build.h"
#include "fs/new_tree.h"
#include "fs/tree.h"

struct overlay;

/*
 * Begin above BASE (NULL: nothing).  PARENT is that of the parent revision; NULL: there is none, then nothing is
 * counted, and the base stands for it.  Returns 0 or -ENOMEM.
 */
int overlay_open(struct store_writer *writer, struct source *source, const struct directory *base,
                 const struct directory *parent, struct overlay **overlay);
void overlay_close(struct overlay *overlay); /* NULL is ignored */

/*
 * The functions below return 0; errors of builder_add() and of source_pin_page(), those of the parent's pages where
 * overlay_parent_failed().  Names must increase strictly within a directory: -EINVAL otherwise, at the latest when they
 * are to be written.
 */

/* The next name of the present directory is a file or link.  Its content is in the writer, or in one of the trees at
 * this path, whence its locator is taken where it has none: -ENODATA where it is nowhere. */
int overlay_put(struct overlay *overlay, const struct entry *entry);

/* The next name is not to be seen, whatever the base has. */
int overlay_hide(struct overlay *overlay, const char *name, size_t len);

/* Into the directory NAME, which is there from now on; BARE: nothing of the base's shows through. */
int overlay_enter(struct overlay *overlay, const char *name, size_t len, bool bare);

/* Out of it. */
int overlay_leave(struct overlay *overlay);

/* The end: the root, with the pages it needs in the writer or where the base's are. */
int overlay_finish(struct overlay *overlay, struct built *built);

/* What became of the parent's tree; without one all zeros.  Valid after overlay_finish(), once. */
void overlay_counts(struct overlay *overlay, struct new_tree_counts *counts);

/* Whether the last error came from the parent's tree, or from a content that is nowhere. */
bool overlay_parent_failed(const struct overlay *overlay);

#endif
