/*
 * Checking a store: everything that commits reach is read and held against its hashes, and against what names it.
 *
 * One thread goes through commits, pointer files and pages, each once; others read chunks.  What is damaged is
 * collected; fs/trace.h finds whom it touches.
 */
#ifndef FS_VERIFY_H
#define FS_VERIFY_H

#include "cache/remote_store.h"
#include "cache/store.h"
#include "fs/git/repo.h"

enum verify_kind {
	VERIFY_GIT,     /* a tree or a pointer file in Git */
	VERIFY_POINTER, /* a pointer whose numbers are not those of its root */
	VERIFY_ROOT,    /* a root file */
	VERIFY_PAGE,
	VERIFY_CHUNK,
	VERIFY_PACK, /* the index of a pack */
};

struct verify_damage {
	enum verify_kind kind;
	struct id id;      /* of the record or root; not of VERIFY_GIT and VERIFY_PACK */
	struct locator at; /* where it lies: offset 0 where that is not known; of VERIFY_PACK only the pack */
	uint64_t files;    /* of VERIFY_POINTER: what it says */
	uint64_t bytes;    /* the same */
	char *path;        /* of VERIFY_GIT and VERIFY_POINTER: where it was met first; else NULL */
	int error;         /* -ENODATA: missing; -EBADMSG: damaged; -ENOTSUP: of a later version; -EIO... */
	const char *why;   /* static text for people, or NULL: the error says it */
	bool saved;        /* another copy is good */
};

struct verify_options {
	bool full;      /* also hold contents against the chunker */
	double sample;  /* the part of chunks that is read, up to 1 */
	unsigned jobs;  /* threads that read chunks, at least 1 */
	bool rebuild;   /* make the look-up files anew first */
	bool elsewhere; /* what is not here may be at a remote, and is no damage; what it names is not gone through */
	struct remote_store *remote; /* check this one, which keeps nothing here, and no other; borrowed, or NULL */
	/* Told of what was read, by any thread; may be NULL. */
	void (*progress)(void *arg, uint64_t records, uint64_t bytes);
	void *arg;
};

#define VERIFY_DAMAGES_MAX 100000

struct verify_report {
	struct remote_store *remote;               /* of the options */
	uint64_t commits, datasets, pages, chunks; /* different ones */
	uint64_t unread;                           /* chunks that were not in the sample */
	uint64_t elsewhere;                        /* pages and chunks that are not here, with that option */
	uint64_t bytes;                            /* of pages and chunks that were read, expanded */
	uint64_t packs;
	uint64_t damaged; /* may be more than COUNT, which ends at VERIFY_DAMAGES_MAX */
	struct verify_damage *damages;
	size_t count;
};

/*
 * Check what the COUNT commits TIPS and their history reach in STORE (NULL: there is none), or at the remote of the
 * options, where the indexes of the packs that are met are checked as well.
 * Returns 0, whatever damage was found; -EBADMSG where history cannot be read (a commit is missing); -ENOMEM, -errno of
 * reading at large; the failure of a remote that does not answer.  verify_report_release() frees, in any case.
 */
int verify_run(struct repo *repo, struct store *store, const struct oid *tips, size_t count,
               const struct verify_options *options, struct verify_report *report);

/* Free what it holds. */
void verify_report_release(struct verify_report *report);

#endif
