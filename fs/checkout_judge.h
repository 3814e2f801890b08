/*
 * The judge of a checkout: whether what stands at a path of the work tree is what is known of it.
 *
 * The stat cache is asked first, then the bytes.  Paths come in the order of a walk.  Belongs to one thread.
 */
#ifndef FS_CHECKOUT_JUDGE_H
#define FS_CHECKOUT_JUDGE_H

#include <sys/stat.h>

#include "fs/checkout_site.h"

enum verdict {
	VERDICT_ABSENT, /* nothing stands there */
	VERDICT_DONE,   /* it is as it shall be */
	VERDICT_SAFE,   /* it is something that may be replaced */
	VERDICT_LATER,  /* it is a folder of an unfinished checkout, which may go when everything in it was met */
	VERDICT_OTHER,  /* it is the user's */
};

struct judge;

/* BASE: the root of the stat cache that may be used, NULL for none.  0 (the caller closes JUDGE) or -ENOMEM. */
int judge_open(const struct checkout_request *request, const struct id *base, struct judge **judge);

/* Free.  NULL is ignored. */
void judge_close(struct judge *judge);

/* Whether there is a stat cache of that root. */
bool judge_has_cache(const struct judge *judge);

/*
 * Judge what stands at PATH of the dataset, NAME in DIRFD, by STATES.  *ST: what it is, unless it is absent.  0; -errno
 * where that, or a tree in the store, cannot be read.
 */
int judge_path(struct judge *judge, const char *path, const struct site_states *states, int dirfd, const char *name,
               struct stat *st, enum verdict *verdict);

/* Whether NAME in DIRFD, which is ST, is ENTRY (NULL: never).  A file that cannot be read is not.  0; -errno where a
 * tree in the store cannot be read. */
int judge_compare(struct judge *judge, int dirfd, const char *name, const struct stat *st, const struct entry *entry,
                  bool *same);

/* The same of all that may be replaced beside what is the dataset's own. */
int judge_compare_others(struct judge *judge, int dirfd, const char *name, const struct stat *st,
                         const struct site_states *states, bool *same);

#endif
