/*
 * A set of Git's ids: a hash table with open addressing.  Zeroed, it is empty.  Belongs to one thread.
 */
#ifndef FS_OID_SET_H
#define FS_OID_SET_H

#include "fs/git/oid.h"

struct oid_set {
	struct oid *slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
};

/* Returns 1 where OID is new, 0 where it was there, -ENOMEM. */
int oid_set_add(struct oid_set *set, const struct oid *oid);

/* Whether OID is in it. */
bool oid_set_has(const struct oid_set *set, const struct oid *oid);

/* Empty it and free. */
void oid_set_release(struct oid_set *set);

#endif
