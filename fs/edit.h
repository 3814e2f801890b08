/*
 * Making a tree from an old one and what changed: only pages whose names are touched are read and written, the others
 * are taken over by reference, and the root is the same as if everything had been built anew.
 */
#ifndef FS_EDIT_H
#define FS_EDIT_H

#include "fs/build.h"

struct tree_change {
	const char *path; /* NUL-terminated, components separated by `/` */
	bool remove;
	bool keep; /* ENTRY_DIRECTORY: what is below it in the old tree stays; only its time may become another */
	struct entry entry; /* what stands there now; its name is ignored */
};

/*
 * The tree that results from CHANGES to OLD (NULL: empty), read through SOURCE and written through WRITER.
 *
 * CHANGES are sorted as a walk meets them (component by component, as bytes, a directory before what is in it), at most
 * one a path; otherwise -EINVAL.  A change replaces what stood at its path, with everything below; then changes below
 * it apply.  So a removed directory takes along what was in it, and an added entry of kind directory is an empty
 * directory filled by the changes below it; unless it has `keep`, or a whole directory is named by its id
 * (totals.entries above 0) and nothing follows below.  Directories that changes below make necessary are made, without
 * a time; one that loses its last entry stays, empty.  Removing what is not there is no error.  Adding below what is no
 * directory (in CHANGES) is -ENOTDIR.  An entry that is the same as before keeps its old time.
 *
 * Other errors: those of builder_add() and of source_pin_page(); -ENAMETOOLONG for folders deeper than PAGE_DEPTH_MAX.
 * Nothing needs to be undone after one.
 */
int tree_edit(struct store_writer *writer, struct source *source, const struct directory *old,
              const struct tree_change *changes, size_t count, struct built *built);

#endif
