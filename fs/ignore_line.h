/*
 * Ignore lines: what keeps git's hands off the files of a dataset.
 *
 * For the dataset DIR/NAME the line `/NAME` stands in DIR/.gitignore, which is committed with the pointer; and, while
 * its files lie in the work tree, `/DIR/NAME` in info/exclude of the common directory, for branches that lack the
 * first.
 */
#ifndef FS_IGNORE_LINE_H
#define FS_IGNORE_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "fs/git/worktree.h"

/* The line, without a newline, for PATH as seen from the folder of the ignore file: a slash, and what patterns give a
 * meaning escaped.  malloc'ed; NULL where memory ran out. */
char *ignore_line_format(const char *path);

/* Whether TEXT (LEN bytes) has exactly that line; a CR before the newline does not count. */
bool ignore_line_has(const char *text, size_t len, const char *line);

/* What is to be done with the .gitignore beside a dataset. */
struct ignore_plan {
	char *path; /* of the .gitignore */
	bool write; /* TEXT is to be written there */
	bool stage; /* HEAD does not have the line: the file is to be staged and committed */
	char *text;
	size_t len;
};

/*
 * Plan for the dataset PATH; TREE is HEAD's (NULL: none).  DATASETS are all that are known: their lines are ours and
 * are not taken for somebody's edits. Returns 0; -EBUSY where a line must be added and the file has edits that are not
 * staged; -ELOOP where .gitignore is a symlink or a directory; -EINVAL where git does not take the line for one that
 * ignores the dataset; -ENOMEM; -errno.
 */
int ignore_line_plan(const struct worktree *wt, const struct oid *tree, const char *path, const char *const *datasets,
                     struct ignore_plan *plan);

/* Free what it holds; allowed on a zeroed one. */
void ignore_plan_release(struct ignore_plan *plan);

/* Write what was planned. */
int ignore_plan_write(const struct worktree *wt, const struct ignore_plan *plan);

/* Add the dataset PATH to info/exclude, unless the commit HEAD tracks that name.  0 or -errno. */
int ignore_line_exclude(const struct worktree *wt, const char *path);

/* Take the dataset PATH out of info/exclude.  0 or -errno. */
int ignore_line_unexclude(const struct worktree *wt, const char *path);

#endif
