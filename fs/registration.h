/*
 * Registrations: commits and roots that a running process shows and that must stay, though no ref leads to them any
 * more.
 *
 * A file of the store's folder registered/ for each process, that holds a lock on it while it lives: a file nobody has
 * locked was left by one that ended.  revfs-format(5) has its lines.  Registering is a courtesy to garbage collection,
 * not a promise: where the store cannot be written to, a process goes without.
 *
 * A struct registration may be used by several threads.
 */
#ifndef FS_REGISTRATION_H
#define FS_REGISTRATION_H

#include "cache/store.h"
#include "fs/git/oid.h"

struct registration;

/* Make the file, in STORE (borrowed).  Returns 0, -EROFS, -errno. */
int registration_open(struct store *store, struct registration **registration);

/* Remove the file.  NULL is ignored. */
void registration_close(struct registration *registration);

/* Add a commit whose datasets are shown.  The one that was added last is not written again.  0 or -errno. */
int registration_add_commit(struct registration *registration, const struct oid *commit);

/* The same for a root. */
int registration_add_root(struct registration *registration, const struct id *root);

/*
 * Call EACH for everything registered by a process that lives, or by one that ended less than AGE_S seconds ago (or
 * seems to: locks do not reach over every network disk); exactly one of COMMIT and ROOT is not NULL.  A non-zero answer
 * ends the walk and is returned.  Returns 0; -EBADMSG for a file with lines that are not understood; -errno.
 */
int registration_each(struct store *store, unsigned age_s,
                      int (*each)(void *arg, const struct oid *commit, const struct id *root), void *arg);

/* Remove the files of processes that ended AGE_S seconds ago or earlier.  Returns how many, or -errno. */
ssize_t registration_sweep(struct store *store, unsigned age_s);

#endif
