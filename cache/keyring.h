/*
 * The credentials that a remote is asked with at present: one look for all threads that need them, taken anew where the
 * server refuses them, and a while before they expire.
 *
 * Thread-safe.  No lock is held while the source looks; who needs them meanwhile waits, and may give up
 * (cache/interrupt.h).
 */
#ifndef CACHE_KEYRING_H
#define CACHE_KEYRING_H

#include "cache/credentials.h"
#include "cache/io.h"

#define KEYRING_EARLY_S 300 /* before they expire, they are taken anew */

struct keyring;

/* For the remote at URL (copied).  A SOURCE without a function has none.  0 or -ENOMEM. */
int keyring_open(const struct io *io, const char *url, const struct credentials_source *source,
                 struct keyring **keyring);

/* Wipe and free; nobody may be waiting.  NULL is ignored. */
void keyring_close(struct keyring *keyring);

/*
 * Copy the present credentials to FOUND, which the caller releases; *NUMBER says which they are.  0; -ENOENT where
 * there are none (*NUMBER is set); -EINTR; -ENOMEM; the source's error.
 */
int keyring_get(struct keyring *keyring, struct credentials *found, uint64_t *number);

/* The server refused credentials NUMBER, or that there were none: look for others at the next keyring_get().  Returns
 * whether there is any use in asking once more: not where the ones before these were refused as well. */
bool keyring_refused(struct keyring *keyring, uint64_t number);

/* The server took credentials NUMBER. */
void keyring_taken(struct keyring *keyring, uint64_t number);

#endif
