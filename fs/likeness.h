/*
 * Whether what stands in the work tree is what an entry of a tree says.
 *
 * Reads no more of a file than it has to.  A struct likeness belongs to one thread.
 */
#ifndef FS_LIKENESS_H
#define FS_LIKENESS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "fs/content.h"

struct likeness;

/* SOURCE is borrowed.  Returns 0 or -ENOMEM. */
int likeness_new(struct source *source, struct likeness **likeness);
void likeness_free(struct likeness *likeness); /* NULL is ignored */

/*
 * Compare NAME below DIRFD, of which lstat(2) just showed ST, with ENTRY.  KNOWN, where not NULL, is its content:
 * nothing is read then.  Directories are the same as directories.  *SAME is false, too, where the file changes
 * meanwhile. Returns 0, or an error of reading: the file's (*OF_STORE false) or the tree's.
 */
int likeness_compare(struct likeness *likeness, int dirfd, const char *name, const struct stat *st,
                     const struct content *known, const struct entry *entry, bool *same, bool *of_store);

#endif
