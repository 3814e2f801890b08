/*
 * Garbage collection of the store on a remote, where every root file is alive: nobody there knows anybody's refs.
 *
 * A run marks (fs/remote/remote_mark.h), and condemns the packs that nothing alive needs; a later one, after the time
 * of grace and a second mark, deletes those that are still dead.  Roots are condemned by gc_remote_forget() alone. What
 * a list of a collection names counts as absent for a push, so that none comes to rely on it meanwhile.  All times are
 * those of the remote's clock.  What cannot be read on the way from a root ends a run before anything is condemned.
 *
 * What puts that were killed left behind goes after the time of grace, too, and after a day at least: a put that is
 * under way loses nothing that way.  That this fails is reported, and no failure.
 *
 * Nothing is written anew: of a pack that is partly alive all stays.  Belongs to one thread.
 */
#ifndef FS_GC_REMOTE_H
#define FS_GC_REMOTE_H

#include "cache/remote_store.h"
#include "fs/gc.h"

struct gc_remote_options {
	const struct io *io;
	bool dry_run;   /* puts and removes nothing; the clock is then IO's */
	int64_t keep_s; /* the time of grace: younger packs stay, and condemned ones wait */
	/* Told now and then of how many pages were marked; may be NULL. */
	void (*progress)(void *arg, uint64_t pages);
	void *arg;
};

/*
 * Run on STORE.  Fills what a remote has of REPORT, live pages but no chunks.  Returns 0; -ENODATA, -EBADMSG,
 * -ENOTSUP... with BLAMED where something cannot be read: nothing was condemned or deleted; -ENOENT where there is no
 * store; errors of the remote (-EOPNOTSUPP: it cannot list); -ENOMEM.  gc_report_release() frees.
 */
int gc_remote_run(struct remote_store *store, const struct gc_remote_options *options, struct gc_report *report);

/*
 * Condemn the COUNT roots ROOTS, as far as they are there and not condemned yet; a later run deletes them, and then
 * what only they need.  Counts in REPORT what is condemned now, what waits already and what the store has.  The same
 * errors.
 */
int gc_remote_forget(struct remote_store *store, const struct gc_remote_options *options, const struct id *roots,
                     size_t count, struct gc_report *report);

#endif
