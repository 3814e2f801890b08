/*
 * Drift: how the files of a dataset in the work tree differ from a tree.
 *
 * What the stat cache shows unchanged is not read; what has another size is not, either.  Nothing is written.  Belongs
 * to one thread.
 */
#ifndef FS_DRIFT_H
#define FS_DRIFT_H

#include <stdatomic.h>

#include "fs/batch.h"
#include "fs/exclude.h"
#include "fs/pointer.h"
#include "fs/source.h"

struct drift_request {
	struct source *source;
	const struct io *io;
	int dirfd;                     /* of the work tree */
	const char *path;              /* of the dataset in it */
	bool is_file;                  /* what stands there */
	const struct pointer *pointer; /* the tree to compare with */
	int folder;                    /* of the stat cache; -1: none */
	const struct exclude *exclude; /* NULL: nothing */
	const atomic_bool *cancelled;
};

/*
 * One difference.  OLD is what the tree has, NULL where it has nothing; KIND (an enum entry_kind, with ST) what the
 * work tree has, 0 where it has nothing.  Both: content, target or executable bit differ.  A change of kind is told as
 * two differences, what is gone first.  A directory is told before what is in it, where it is on one side only. PROBLEM
 * (not 0): this cannot be recorded or looked at; nothing else is set then but ERROR.
 */
struct drift_difference {
	const char *path; /* below the dataset, "" for the one file of a dataset; borrowed */
	const struct entry *old;
	uint8_t kind;
	const struct stat *st;
	const struct entry *now; /* in place of ST, where it is of a tree: what lies below an upper folder */
	uint8_t problem;         /* enum problem */
	int error;
};

/* Told in the order of the walk.  Answers 0 to go on; anything else ends the comparison and is its result. */
typedef int (*drift_each)(void *arg, const struct drift_difference *difference);

/*
 * Compare.  Returns 0; what EACH answered; -EINTR; -ENOMEM; errors of opening the dataset (-ENOENT, -ENOTDIR); errors
 * of reading the tree.
 */
int drift_compare(const struct drift_request *request, drift_each each, void *arg);

#endif
