/*
 * The store on a remote (cache/remote.h): records and roots, read by ranges and checked.
 *
 * Its layout is that of every store (cache/store.h).  A record is read where its locator says, or where `.moved` files
 * say that it went; nothing else is read to find it.  What was not there is not asked for again for a while.  Errors
 * beside those named are those of the remote.  Thread-safe; no lock is held while the remote is asked.
 */
#ifndef CACHE_REMOTE_STORE_H
#define CACHE_REMOTE_STORE_H

#include "cache/cached.h"
#include "cache/record.h"
#include "cache/remote.h"
#include "cache/store.h"

struct remote_store;

#define REMOTE_STORE_BELIEVE_MS 60000 /* how long what was not there counts as absent */

/* For REMOTE; what is read is kept in CACHED (both borrowed; CACHED may be NULL).  Asks nothing yet.  0 or -ENOMEM. */
int remote_store_open(const struct io *io, struct remote *remote, struct cached *cached, struct remote_store **store);

/* Free.  NULL is ignored. */
void remote_store_close(struct remote_store *store);

/* What it lies on, borrowed. */
struct remote *remote_store_remote(struct remote_store *store);

/* What is kept of it, borrowed; may be NULL. */
struct cached *remote_store_cached(struct remote_store *store);

/*
 * Whether there is a store that this program knows: its version file is read the first time and remembered once it is
 * good.  0; -ENOENT where there is none; -EBADMSG, -ENOTSUP.
 */
int remote_store_check(struct remote_store *store);

/*
 * Make one where there is none, as was just seen; the next remote_store_check() looks at it.  0; of one that was made
 * meanwhile, what remote_store_check() returns; errors of the remote.
 */
int remote_store_make(struct remote_store *store);

/* Check one that is to be written to; where there is none, make it and look at it. */
int remote_store_prepare(struct remote_store *store);

/*
 * Read, expand and check the record that lies at AT, or went from there.  Returns 0 (the caller frees record->data);
 * -ENOENT where the remote has neither pack nor moved file, or the record was not kept, or AT is unknown; -EBADMSG
 * where what it has is not the record; -ENOTSUP.
 */
int remote_store_read(struct remote_store *store, unsigned kind, const struct id *id, const struct locator *at,
                      struct record *record);

/* The same of what is held on this machine: nothing is asked and nothing waited for.  0; -ENOENT for whatever else;
 * -ENOMEM. */
int remote_store_read_held(struct remote_store *store, unsigned kind, const struct id *id, const struct locator *at,
                           struct record *record);

/* The same of the root of ID. */
int remote_store_read_held_root(struct remote_store *store, const struct id *id, struct record *record);

/* Read, expand and check the root of ID.  0 (the caller frees record->data); -ENOENT; -EBADMSG; -ENOTSUP. */
int remote_store_read_root(struct remote_store *store, const struct id *id, struct record *record);

/* Say that who has read up to LAST in its pack goes on at NEXT in another: what is only supposed. */
void remote_store_expect(struct remote_store *store, const struct locator *last, const struct locator *next);

/* Say that who reads what lies at FIRST reads all up to what lies at LAST, behind it in its pack. */
void remote_store_reach(struct remote_store *store, const struct locator *first, const struct locator *last);

/*
 * What the moved file of PACK says, asked anew: *ENTRIES is malloc'ed, the caller frees it.  0; -ENOENT where there is
 * none; -EFBIG; -EBADMSG, -ENOTSUP.
 */
int remote_store_read_moved(struct remote_store *store, const struct pack_id *pack, struct moved_entry **entries,
                            size_t *count);

/* The paths of files in a store.  PATH is returned. */
char *remote_store_pack_path(const struct pack_id *id, const char *suffix, char path[REMOTE_PATH_SIZE]);

/* The same of a root. */
char *remote_store_root_path(const struct id *id, char path[REMOTE_PATH_SIZE]);

#endif
