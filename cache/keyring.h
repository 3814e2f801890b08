/*
 * The credentials that a remote is asked with at present: one look for all threads that need them, taken anew where the
 * server refuses them, and a while before they expire.
 *
 * The source is asked again at once where the server refused its answer for the first time, else KEYRING_PAUSE_S after
 * its last answer at the earliest, whatever that was.  Thread-safe.  No lock is held while the source looks, within its
 * bounds; who needs its answer waits meanwhile, and may give up (cache/interrupt.h).
 */
#ifndef CACHE_KEYRING_H
#define CACHE_KEYRING_H

#include "cache/credentials.h"
#include "cache/io.h"

#define KEYRING_EARLY_S 300 /* before they expire, they are taken anew */
#define KEYRING_PAUSE_S 10

struct keyring;

/* For the remote at URL (copied).  A SOURCE without a function has none; closing it stays the caller's, afterwards.
 * 0 or -ENOMEM. */
int keyring_open(const struct io *io, const char *url, const struct credentials_source *source,
                 struct keyring **keyring);

/* Wipe and free; nobody may be waiting.  NULL is ignored. */
void keyring_close(struct keyring *keyring);

/*
 * Copy the present credentials to FOUND, which the caller releases; *NUMBER says which they are.  0; -ENOENT where
 * there are none (*NUMBER is set); -EKEYREJECTED where the server refused the last two that there were, and it is too
 * early for others; -EINTR; -ENOMEM; the source's error.
 */
int keyring_get(struct keyring *keyring, struct credentials *found, uint64_t *number);

/*
 * The server refused credentials NUMBER, or that there were none: a later keyring_get() looks for others.  Returns
 * whether there is any use in asking once more now: not where there were none, or where the ones before these were
 * refused as well.
 */
bool keyring_refused(struct keyring *keyring, uint64_t number);

/* What the source's last look failed with, in words, in at most SIZE bytes; "" where it did not fail. */
void keyring_why(struct keyring *keyring, char *why, size_t size);

/* The server took credentials NUMBER; the first time, their source is told. */
void keyring_taken(struct keyring *keyring, uint64_t number);

#endif
