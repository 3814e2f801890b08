/*
 * Carrying over what stays of an old directory into a new one that is being built: page by page where it can be.
 *
 * A stretch of which nothing is touched goes by reference, unread; so the cost of a change is that of the pages on its
 * path, and the result is what building everything anew would give.
 */
#ifndef FS_CARRY_H
#define FS_CARRY_H

#include "fs/build.h"
#include "fs/descent.h"

/*
 * Take over into B what D, in the old directory, has before NAME (NULL: all that is left); then D stands before the
 * first entry not below NAME, or at the end.  A closed D has nothing.  Returns 0, or errors of builder_add() and of
 * source_pin_page().
 */
int carry_until(struct builder *b, struct descent *d, const char *name, size_t len);

/* Whether D, behind carry_until(), stands before the entry NAME: *ENTRY, borrowed until D moves. */
bool carry_found(const struct descent *d, const char *name, size_t len, struct entry *entry);

#endif
