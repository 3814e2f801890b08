/*
 * What the files of verify share: its state, noting damage, and the steps of going through a store.
 */
#ifndef FS_VERIFY_INSIDE_H
#define FS_VERIFY_INSIDE_H

#include <pthread.h>

#include "cache/audit.h"
#include "cache/id_set.h"
#include "cache/pipeline.h"
#include "cache/wire.h"
#include "fs/history.h"
#include "fs/shape.h"
#include "fs/verify.h"

/* A page to be gone through.  The keys wanted stand behind it. */
struct verify_page {
	struct verify_page *next;
	struct id id;
	struct locator hint;
	bool is_root;   /* it has a root file */
	unsigned depth; /* of folders */
	struct shape_wanted wanted;
	char keys[];
};

/* What is to be true of a chunk beside its hash and length. */
enum chunk_role {
	CHUNK_ENDS = 1, /* it is the last of a file: the chunker does not cut it earlier */
	CHUNK_CUTS = 2, /* others follow: the chunker cuts there */
};

/* A chunk to be read; belongs to one stage at a time. */
struct verify_chunk {
	struct id id;
	uint32_t len;
	unsigned roles; /* 0: not to be looked at */
	bool again;     /* it was read in its other role */
	struct locator hint;
	/* What came of it. */
	int error;
	const char *why;
	struct audit audit;
};

struct verify {
	struct repo *repo;
	struct store *store;
	const struct verify_options *options;
	const struct oid *tips;
	size_t tips_count;
	struct pipeline *pipeline;
	/* The walking thread's own. */
	struct history history;
	struct shape_map shapes;
	struct key_set absent;     /* pages that are not here */
	struct key_set ends, cuts; /* chunks, with their lengths, met as last and as inner ones; without `full` only the
	                              former is used */
	struct verify_page *todo;
	uint64_t random;
	int error;           /* why it ended early */
	struct id_set met;   /* packs at the remote that something was looked for in */
	struct buffer packs; /* struct pack_id: the same, in that order */
	/* Shared: */
	pthread_mutex_t lock; /* of the report's list and numbers */
	struct verify_report *report;
};

/* Copies the path of DAMAGE.  0 or -ENOMEM. */
int verify_note(struct verify *v, const struct verify_damage *damage);

/* One more of NUMBER, a member of the report, and BYTES that were read. */
void verify_count(struct verify *v, uint64_t *number, uint64_t bytes);

/* Whether ERROR is no damage, since the data is at a remote. */
bool verify_is_elsewhere(const struct verify *v, int error);

/* As audit_record(), from the store or the remote that is checked.  HINT is not NULL. */
int verify_read_record(struct verify *v, unsigned kind, const struct id *id, const struct locator *hint,
                       struct record *record, struct audit *audit);

/* The root file of ID there. */
int verify_read_root(struct verify *v, const struct id *id, struct record *record);

/* Whether ERROR is no damage, since a remote does not answer: it ends everything. */
bool verify_is_unanswered(const struct verify *v, int error);

/* Something is looked for in PACK, whose index is to be checked at a remote.  0 or -ENOMEM. */
int verify_meet_pack(struct verify *v, const struct pack_id *pack);

/* Check the indexes of the packs that were met.  0, -ENOMEM, the failure of a remote that does not answer. */
int verify_met_packs(struct verify *v);

/* Submit the chunk to be read, unless it was with that length in the same role, or is not in the sample. */
int verify_take_chunk(struct verify *v, const struct id *id, uint32_t len, const struct locator *hint, unsigned roles);

/* The work on a chunk, by any thread: reads it, notes in it what came of that. */
void verify_read_chunk(void *arg, void *item);

/* What is done with a chunk that was read; takes ITEM over. */
int verify_finish_chunk(struct verify *v, struct verify_chunk *item);

/*
 * Go through everything below the root of a dataset that was not gone through before.  0, -ENOMEM, -ECANCELED.
 */
int verify_root(struct verify *v, const struct id *root);

#endif
