/*
 * Merging runs of hints into one, in memory or as a new file.
 *
 * A pack that several runs cover is taken from the first of them.
 */
#ifndef CACHE_HINT_MERGE_H
#define CACHE_HINT_MERGE_H

#include "cache/hint_run.h"

/* Merge COUNT runs into one in memory.  0, -EBADMSG, -ENOMEM, -errno. */
int hint_merge(struct hint_run *const *runs, size_t count, struct hint_run **run);

/*
 * Merge COUNT runs into a new file of hints/ below DIRFD (through tmp/, synced, of mode MODE), leaving out packs that
 * KEEP refuses.  Where nothing is left no file is written and *RUN is NULL. Returns 0, -EBADMSG (*DAMAGED is the run),
 * -ENOMEM, -errno; on failure nothing is left behind.
 */
int hint_merge_write(const struct io *io, int dirfd, struct hint_run *const *runs, size_t count,
                     bool (*keep)(void *arg, const struct pack_id *pack), void *arg, mode_t mode, struct hint_run **run,
                     struct hint_run **damaged);

#endif
