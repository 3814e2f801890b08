/*
 * What is alive in the store on a remote: the packs that its roots need.
 *
 * Goes from the roots there from page to page, and remembers which packs have what is named, moved files followed.  A
 * page must not outlive what it names, since a push that finds its pack looks no further: of a pack that stays, all
 * pages count as alive with everything below them.  Belongs to one thread.
 */
#ifndef FS_REMOTE_MARK_H
#define FS_REMOTE_MARK_H

#include "cache/id_set.h"
#include "cache/remote_store.h"

struct remote_mark_pack {
	struct pack_id id;
	uint64_t size;
	int64_t time;    /* of the file, by the remote's clock */
	bool alive;      /* something alive lies in it */
	bool young;      /* set by the caller: it stays though nothing needs it yet */
	bool closed;     /* all its pages were gone through */
	bool looked_at;  /* its index was read, or cannot be */
	bool unreadable; /* its index is damaged */
	bool has_pages;  /* or its index is unreadable */
};

struct remote_mark {
	struct remote_store *store;     /* borrowed */
	struct remote_mark_pack *packs; /* that are there, sorted by id */
	size_t count;
	uint64_t pages; /* different ones that were read */
	/* Told of each page; may be NULL. */
	void (*progress)(void *arg, uint64_t pages);
	void *arg;
	char *blamed; /* where it failed: what could not be read, for people; malloc'ed */
	/* private */
	struct remote_mark_todo *todo;
	struct remote_mark_moved *moved; /* moved files that were read */
	struct id_set seen;              /* places of pages */
	struct id_set known;             /* pages */
	struct id_set roots;
	const struct id *root; /* what is gone through is below it; NULL: a pack that stays */
};

/* List the packs.  0, -ENOMEM, errors of the remote. */
int remote_mark_list(struct remote_mark *m);

/*
 * Take in the root ID and everything below it.  Returns 0; with BLAMED -ENODATA for what is missing, -EBADMSG,
 * -ENOTSUP (also for an entry of a later version); errors of the remote; -ENOMEM.
 */
int remote_mark_root(struct remote_mark *m, const struct id *id);

/*
 * Once all roots are in: take in the packs of the roots' own pages, and everything below the pages of packs that are
 * alive or young.  What cannot be read there and is not needed by a root is passed over.  As remote_mark_root().
 */
int remote_mark_close(struct remote_mark *m);

/* The pack ID, or NULL where it is not there. */
struct remote_mark_pack *remote_mark_find(const struct remote_mark *m, const struct pack_id *id);

/* Free what it holds. */
void remote_mark_release(struct remote_mark *m);

#endif
