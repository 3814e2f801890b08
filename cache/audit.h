/*
 * Auditing one record: whether it reads, and whether it does so from where it is said to lie.
 *
 * Reading (store_read()) is glad of any good copy; an audit tells of bad ones.  Thread-safe.
 */
#ifndef CACHE_AUDIT_H
#define CACHE_AUDIT_H

#include "cache/store.h"

struct audit {
	struct locator at; /* of a bad copy, or of the only place known; offset 0: nothing is known */
	bool bad_copy;     /* a copy is damaged: its pack's index says that it is there, and it does not read */
};

/*
 * Read and check the record at HINT (NULL or offset 0: unknown), and where that fails any other copy.
 * Returns 0 (the caller frees record->data), also where another copy than a bad one was good; -ENOENT where there is
 * none; -EBADMSG, -ENOTSUP, -ENOMEM, -errno.
 */
int audit_record(struct store *store, unsigned kind, const struct id *id, const struct locator *hint,
                 struct record *record, struct audit *audit);

#endif
