/*
 * Checking a pack that came from elsewhere before it gets a name in a store: header, trailer, index, and every record.
 *
 * A record of a codec that only a later version knows is checked by its checksum alone.  Thread-safe.
 */
#ifndef FS_PACK_CHECK_H
#define FS_PACK_CHECK_H

#include "cache/id_set.h"
#include "cache/pack.h"
#include "fs/page.h"

/* Told of what a page of the pack names, once for each time.  Answers 0 to go on; anything else is returned. */
typedef int (*pack_check_each)(void *arg, const struct page_named *named);

/*
 * Check the file PATH below DIRFD, which is to be the pack ID.  EACH may be NULL.  *HAS_PAGES: whether it holds any.
 * Returns 0; -EBADMSG where anything is damaged; -EINTR where this thread is to give up; -ENOENT, -ENOMEM, -errno.
 */
int pack_check(const struct io *io, int dirfd, const char *path, const struct pack_id *id, pack_check_each each,
               void *arg, bool *has_pages);

/* The id of a pack as a member of a set of ids. */
struct id pack_check_key(const struct pack_id *id);

#endif
