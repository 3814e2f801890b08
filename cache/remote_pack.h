/*
 * The index of a pack on a remote: which records it has.  Readers need none, since pages say where everything lies;
 * collecting garbage and checking a remote do.
 *
 * Thread-safe.
 */
#ifndef CACHE_REMOTE_PACK_H
#define CACHE_REMOTE_PACK_H

#include "cache/pack_index.h"
#include "cache/remote.h"

/*
 * Read and check the index of the pack ID of SIZE bytes.  *ENTRIES (*COUNT of them, as in the index) is malloc'ed, the
 * caller frees it.  Returns 0; -ENOENT; -EBADMSG where the pack is damaged or has another size; errors of the remote;
 * -ENOMEM.
 */
int remote_pack_read_index(struct remote *remote, const struct pack_id *id, uint64_t size, struct pack_entry **entries,
                           size_t *count);

#endif
