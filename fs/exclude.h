/*
 * Patterns of names to leave out, as gitignore(5) has them: `#` and `!`, a final `/` for directories, an inner `/` for
 * patterns from the root of the work tree, `*`, `?`, `[...]`, `**`.  The last pattern that matches decides.
 *
 * Immutable after it is made; thread-safe.
 */
#ifndef FS_EXCLUDE_H
#define FS_EXCLUDE_H

#include <stdbool.h>

struct exclude;

/* Compile PATTERNS, NULL-terminated, in order.  Returns 0 or -ENOMEM. */
int exclude_new(const char *const *patterns, struct exclude **exclude);
void exclude_free(struct exclude *exclude); /* NULL is ignored */

/*
 * Whether PATH, from the root of the work tree, is left out.  What lies in a directory that is left out is not looked
 * at: callers ask on the way down.  A NULL exclude leaves nothing out.
 */
bool exclude_matches(const struct exclude *exclude, const char *path, bool is_directory);

#endif
