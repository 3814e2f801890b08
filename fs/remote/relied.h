/*
 * Whether what only remotes have may be relied on, by a revision that is being made.
 *
 * Of a record that is to be named and not stored it is not enough that somebody said where it lies.  As with the
 * look-up files of the store here, the index of the pack must confirm it (that very record at that very place), and no
 * collection there may have condemned the pack: what is condemned counts as absent.  Of a pack that is gone the moved
 * file there is followed, and what it leads to must be so.
 *
 * A remote that does not answer has nothing for the rest of the run: whatever cannot be confirmed is to be stored.
 * What was learned is kept for the run.  Belongs to one thread at a time.
 */
#ifndef FS_RELIED_H
#define FS_RELIED_H

#include <stdbool.h>

#include "cache/fetch.h"

struct relied;

#define RELIED_WAIT_MS 10000 /* how long a remote may take for one pack */

/* Of the remotes of FETCH (borrowed), the first 64 in their order.  0 or -ENOMEM. */
int relied_new(struct fetch *fetch, struct relied **relied);
void relied_free(struct relied *relied); /* NULL is ignored */

/* Whether one of them has (KIND, ID) at AT, or where it went from there.  What cannot be learned is no. */
bool relied_has(struct relied *r, unsigned kind, const struct id *id, const struct locator *at);

#endif
