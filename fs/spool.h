/*
 * Large blobs of Git, spooled: Git has no way to read from the middle of a blob, so git writes it to an unlinked file
 * once, and it is read from there, behind the writing too.
 *
 * A few files are kept, the least recently used goes first.  Thread-safe; the writing is done by a thread of the
 * spool's.
 */
#ifndef FS_SPOOL_H
#define FS_SPOOL_H

#include <sys/types.h>

#include "fs/git/repo.h"

struct spool;

/* Spool blobs of REPO (borrowed) in FOLDER (copied; NULL: TMPDIR, else /var/tmp), which is not looked at before the
 * first blob.  0 or -ENOMEM. */
int spool_open(struct repo *repo, const char *folder, struct spool **spool);

/* End what is being written, and free.  Nobody may be reading.  NULL is ignored. */
void spool_close(struct spool *spool);

/*
 * Read LEN bytes at OFFSET (both within SIZE) of the blob OID of SIZE bytes.  Waits until they are written.  Returns
 * LEN, or -ENOSPC, -EINTR (cache/interrupt.h), -EBADMSG, -errno; a blob that failed is tried again by the next call.
 */
ssize_t spool_read(struct spool *spool, const struct oid *oid, uint64_t size, void *data, size_t len, uint64_t offset);

#endif
