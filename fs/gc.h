/*
 * Garbage collection of the local store.
 *
 * A run marks what is alive (fs/live.h, fs/mark.h), surveys the packs (fs/survey.h), copies what is needed of packs
 * that are mostly dead, and condemns those, dead packs and dead roots.  A later run, after the time of grace and a
 * second mark, deletes what is condemned and still dead.  What cannot be read on the way from something alive ends a
 * run before anything is condemned.  Belongs to one thread.
 */
#ifndef FS_GC_H
#define FS_GC_H

#include "cache/fetch.h"
#include "cache/store.h"
#include "fs/git/repo.h"

#define GC_KEEP_S (14 * 86400)

struct gc_options {
	bool dry_run;
	struct fetch *fetch; /* where pages come from that the store does not have; borrowed, may be NULL */
	int64_t keep_s;      /* the time of grace: younger things are alive, and condemned ones wait */
	/* Told now and then of how much was marked; may be NULL. */
	void (*progress)(void *arg, uint64_t pages, uint64_t chunks);
	void *arg;
};

struct gc_count {
	uint64_t packs;
	uint64_t roots;
	uint64_t bytes; /* of their files */
};

struct gc_report {
	uint64_t live_pages, live_chunks; /* marked */
	struct gc_count store;            /* before */
	struct gc_count condemned;        /* by this run */
	struct gc_count waiting;          /* condemned before, not yet to be deleted */
	struct gc_count deleted;
	struct gc_count reprieved; /* condemned before and needed again */
	uint64_t repacked_packs;   /* of the condemned, those that something was copied from */
	uint64_t written_bytes;    /* of new packs */
	uint64_t unreadable_packs; /* whose index is damaged: they stay */
	uint64_t swept;            /* unfinished files and registrations; at a remote what puts left behind */
	uint64_t swept_bytes;      /* at a remote, as far as that is known */
	int sweep_error;           /* at a remote: why what puts left behind could not be looked for, or removed */
	char *blamed;              /* what could not be read, for people; malloc'ed, or NULL */
};

/*
 * Run.  Returns 0; -EBUSY where others hold the lock for 10 s; -ENODATA, -EBADMSG, -ENOTSUP, -EACCES... with BLAMED
 * where something cannot be read: nothing was condemned or deleted; -ENOMEM, -errno of writing.  gc_report_release()
 * frees.
 */
int gc_run(struct repo *repo, struct store *store, const struct gc_options *options, struct gc_report *report);

/* Free what it holds. */
void gc_report_release(struct gc_report *report);

#endif
