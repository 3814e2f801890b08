/*
 * The packs of a plan (fs/remote/push_plan.h): how each stands here and there, and which of them has what a page names.
 *
 * A page names a record by the pack that had it when the page was made.  Where that pack is nowhere any more, or only
 * there and condemned, and the record is here all the same (stored anew since, or copied by a collection), then the
 * pack that has it here goes instead, and a moved file there says so of the one that is named: readers follow the
 * page, and what it says does not change.
 */
#ifndef FS_PUSH_PACK_H
#define FS_PUSH_PACK_H

#include "fs/remote/push_plan.h"

/*
 * Follow AT, where a page of pack number FROM (SIZE_MAX: a root) names (KIND, ID), to the pack that has the record
 * now; FROM needs all those on the way.  *NUMBER is the last one's, which may be there already.  Returns 0; -ENODATA
 * with the plan's MISSING or CUT set; -EBUSY with its NEEDED set; errors of the remote and of the store; -ENOMEM.
 */
int push_pack_settle(struct push_plan *plan, size_t from, unsigned kind, const struct id *id, struct locator *at,
                     size_t *number);

/* Whether the pack ID is here, and not of the THERE_BYTES that it has there: *BYTES.  1, 0, -ENOMEM. */
int push_pack_differs(struct push_plan *plan, const struct pack_id *id, uint64_t there_bytes, uint64_t *bytes);

/* Whether the pack ID is one of the plan's. */
bool push_pack_is_met(const struct push_plan *plan, const struct pack_id *id);

#endif
