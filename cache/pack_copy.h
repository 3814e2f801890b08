/*
 * Copies of whole packs: bringing one here from a remote, and checking that every record in it is what it should be.
 *
 * Thread-safe.
 */
#ifndef CACHE_PACK_COPY_H
#define CACHE_PACK_COPY_H

#include "cache/pack.h"
#include "cache/remote.h"

/* Read the index and each record, and check it against its id.  0, -EBADMSG, -ENOTSUP, -ENOMEM, -errno. */
int pack_copy_check(struct pack *pack);

/*
 * Bring the pack ID from a remote to the new file NAME of mode MODE below DIRFD, synced, and check it whole.  On
 * failure nothing is left behind.  Returns 0; -ENOENT; -EBADMSG where it is damaged there; errors of the remote;
 * -ENOMEM, -errno.
 */
int pack_copy_fetch(const struct io *io, struct remote *from, const struct pack_id *id, int dirfd, const char *name,
                    mode_t mode);

#endif
