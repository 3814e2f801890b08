/*
 * Paths as users type them, made into paths from the root of a commit: components separated by one slash, none `.` or
 * `..`.
 */
#ifndef TOOLS_PATH_H
#define TOOLS_PATH_H

#include <stdbool.h>

/* Whether PATH is FOLDER or lies below it, both clean; all paths lie below "". */
bool path_is_in(const char *path, const char *folder);

/*
 * Resolve `.`, `..`, doubled and final slashes of PREFIX/TEXT (PREFIX "" or with a final slash, already clean).  *PATH
 * is malloc'ed, "" for the root.  Returns 0; -EXDEV where `..` leads out of the root; -ENOMEM.
 */
int path_clean(const char *prefix, const char *text, char **path);

/*
 * The absolute path TEXT as one below the folder ROOT (absolute, without links): links in all components but the last
 * are followed.  0; -EXDEV where it lies outside; -ENOMEM.
 */
int path_below(const char *root, const char *text, char **path);

/* DIR/NAME, or NAME where DIR is "", malloc'ed. */
char *path_join(const char *dir, const char *name);

/* The absolute path of TYPED, whose folder is without links and whose last part is neither followed nor need be there.
 * malloc'ed; NULL where the folder is not there (errno), or memory. */
char *path_absolute(const char *typed);

/*
 * The same without links where TYPED is or leads to a mountpoint, which itself is not touched: a dead one would not
 * answer.
 */
char *path_mountpoint(const char *typed);

#endif
