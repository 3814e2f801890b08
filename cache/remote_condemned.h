/*
 * The condemned lists of a store on a remote: what its garbage collections are about to remove, and since when.
 *
 * An item is condemned since the remote says that the list was put, by the remote's clock; what stands in the list
 * itself is for people.  What was read does not change; it belongs to one thread.
 */
#ifndef CACHE_REMOTE_CONDEMNED_H
#define CACHE_REMOTE_CONDEMNED_H

#include "cache/condemned.h"
#include "cache/remote.h"

struct remote_condemned_list {
	struct pack_id name; /* the id of the collection */
	int64_t since;       /* seconds since 1970 by the remote's clock */
	struct condemned *items;
	size_t count;
};

struct remote_condemned {
	struct remote_condemned_list *lists;
	size_t count;
	/* All items, sorted by condemned_cmp(), each once with its earliest time. */
	struct condemned *items;
	size_t items_count;
};

/*
 * Read all lists.  One that does not check counts for nothing, since nothing is removed because of it.
 * Returns 0; -ENOTSUP where one is of a later version; errors of the remote; -ENOMEM.  remote_condemned_release() frees
 * after success.
 */
int remote_condemned_read(struct remote *remote, struct remote_condemned *condemned);

/* Free what it holds; allowed on a zeroed one. */
void remote_condemned_release(struct remote_condemned *condemned);

/* The pack or root that KEY names (its time is ignored), or NULL. */
const struct condemned *remote_condemned_find(const struct remote_condemned *condemned, const struct condemned *key);

/* Whether the pack is condemned.  CONDEMNED may be NULL: nothing is. */
bool remote_condemned_has_pack(const struct remote_condemned *condemned, const struct pack_id *pack);

/* The same of a root. */
bool remote_condemned_has_root(const struct remote_condemned *condemned, const struct id *root);

/* A list that names KEY, or NULL. */
const struct remote_condemned_list *remote_condemned_by(const struct remote_condemned *condemned,
                                                        const struct condemned *key);

/* "condemned/<name>", the path of a list; PATH is returned. */
char *remote_condemned_path(const struct pack_id *name, char path[REMOTE_PATH_SIZE]);

/* Put the list NAME of ITEMS, which says SINCE, in place of one of that name.  0, -EFBIG, errors of the remote. */
int remote_condemned_put(struct remote *remote, const struct pack_id *name, const struct condemned *items, size_t count,
                         int64_t since);

#endif
