/*
 * A survey of a store's packs for garbage collection: what of each is alive, and what is to become of it.
 *
 * A page must not outlive what it names: a later snapshot that finds the page would rely on it.  So every pack of pages
 * either goes, or all its pages count as alive with everything below them.  Belongs to one thread.
 */
#ifndef FS_SURVEY_H
#define FS_SURVEY_H

#include "cache/store.h"
#include "fs/mark.h"

enum survey_verdict {
	SURVEY_KEEP = 0,
	SURVEY_LEAVE,     /* condemn; what is needed of it goes to new packs first */
	SURVEY_CONDEMNED, /* is condemned, and still not needed; its time has not come */
	SURVEY_DELETE,    /* the same, and its time has come */
};

struct survey_pack {
	struct pack_id id;
	uint64_t size; /* of the file */
	bool young;
	bool unreadable; /* its index is damaged: what it holds is not known */
	bool closed;     /* all its pages count as alive */
	bool was_condemned;
	int64_t since; /* where it was */
	enum survey_verdict verdict;
	uint64_t records, pages; /* in its index */
	uint64_t live_records, live_pages;
	uint64_t bytes, live_bytes; /* of records, as stored */
};

struct survey {
	struct store *store; /* borrowed */
	struct mark *mark;   /* borrowed: what is alive; grows */
	int64_t now;
	int64_t keep_s;
	struct survey_pack *packs; /* sorted by id */
	size_t count;
	size_t room;
	uint64_t unreadable;
	uint64_t reprieved; /* packs that were condemned and are needed again */
};

/*
 * Look at all packs of STORE.  MARK holds what is alive by its roots; what young and kept packs name is added.
 * CONDEMNED is the list as store_read_condemned() gives it.  Returns 0, -ENOMEM, -errno; survey_release() in any case.
 */
int survey_make(struct survey *s, const struct condemned *condemned, size_t condemned_count);

/* Free what it holds. */
void survey_release(struct survey *s);

/* The pack ID, or NULL. */
struct survey_pack *survey_find(const struct survey *s, const struct pack_id *id);

/*
 * The live records of PACK that no pack to be kept has: *ENTRIES malloc'ed, by offset.  For a live one that another
 * has, NOTE (may be NULL) is called with where it lies here and there.
 */
int survey_needed(const struct survey *s, const struct survey_pack *pack, struct pack_entry **entries, size_t *count,
                  int (*note)(void *arg, uint32_t offset, const struct locator *there), void *arg);

#endif
