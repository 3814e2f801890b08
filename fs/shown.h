/*
 * Commits that a view has shown, kept from garbage collection as long as the view lives (fs/registration.h).
 *
 * Thread-safe.  No lock is held while the store is written to.
 */
#ifndef FS_SHOWN_H
#define FS_SHOWN_H

#include "cache/store.h"
#include "fs/git/oid.h"

struct shown;

/* STORE is borrowed; where it is NULL or cannot be written to, nothing is kept.  0 or -ENOMEM. */
int shown_open(struct store *store, struct shown **shown);

/* Give all up, and free.  NULL is ignored. */
void shown_close(struct shown *shown);

/* Keep COMMIT.  What fails is passed over: a mount shows what it can. */
void shown_add(struct shown *shown, const struct oid *commit);

#endif
