/*
 * What changed in datasets from one Git tree to another, entry by entry, without reading data.
 *
 * Equal subtrees of Git and equal pages are skipped unread.  Thread-safe.
 */
#ifndef FS_CHANGES_H
#define FS_CHANGES_H

#include "fs/dataset.h"

/*
 * One change.  A is what stood there and B what stands there now, either NULL for nothing.  Told are files, links,
 * foreign entries, and directories that are empty; what else is a directory follows from what is in it.  A change of
 * kind is told as a deletion and an addition.  Everything is borrowed; names in A and B are not to be looked at.
 */
struct change {
	const char *path;    /* from the root of the commit */
	const char *dataset; /* that it is in */
	const struct entry *a;
	const struct entry *b;
};

/* Paths to which the changes are limited: datasets, what is in one, or folders that hold datasets. */
struct path_limits {
	char **paths; /* from the root of the commit, sorted in the order of walks, none inside another */
	size_t count; /* 0: everything */
};

/* Make limits of COUNT paths, which are copied; `NAME.revfs` stands for NAME.  0 or -ENOMEM. */
int path_limits_init(struct path_limits *limits, const char *const *paths, size_t count);
void path_limits_release(struct path_limits *limits); /* allowed on zeroed ones */

/* Whether something below the dataset PATH, or all of it, is within the limits. */
bool path_limits_meet(const struct path_limits *limits, const char *path);

/* Whether PATH itself is within the limits. */
bool path_limits_hold(const struct path_limits *limits, const char *path);

/* Order of paths as walks meet them: as bytes, component by component. */
int path_compare(const char *a, const char *b);

struct changes_request {
	struct repo *repo;
	struct source *source; /* NULL: every dataset fails */
	const struct oid *a;   /* trees; NULL: empty */
	const struct oid *b;
	const struct path_limits *limits; /* NULL: none */
	/* Both answer 0 to go on; anything else ends and is returned. */
	int (*each)(void *arg, const struct change *change);
	/* A dataset whose changes could not be told, or not all; ERROR is -errno. */
	int (*failed)(void *arg, const char *dataset, int error);
	/* The end of a dataset whose pointers differ; may be NULL. */
	int (*dataset_end)(void *arg, const char *dataset, const struct pointer *a, const struct pointer *b);
	void *arg;
};

/* Tell the changes in path order.  Returns 0; an answer; -EBADMSG where Git's trees are damaged; -ENOMEM, -errno. */
int changes_each(const struct changes_request *request);

/* The same for one dataset, of which either pointer may be NULL.  What cannot be read is returned, not told. */
int changes_each_in(const struct changes_request *request, const char *dataset, const struct pointer *a,
                    const struct pointer *b);

#endif
