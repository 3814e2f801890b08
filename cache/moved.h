/*
 * Moved files, `packs/AA/P.moved`: where the records of a pack went when it was repacked (revfs-format(5)).
 *
 * A struct moved may be used by several threads at once.
 */
#ifndef CACHE_MOVED_H
#define CACHE_MOVED_H

#include <stddef.h>
#include <stdint.h>

#include "cache/id.h"
#include "cache/io.h"
#include "cache/record.h"
#include "cache/wire.h"

#define MOVED_HOPS_MAX 8

struct moved_entry {
	uint32_t old_offset;
	struct locator now; /* its stored_len is that of the copy, the same unless the record was stored anew */
};

struct moved;

/* Open the moved file PATH of PACK below DIRFD; the entries are not read.  Returns 0, -ENOENT, -EBADMSG, -errno. */
int moved_open(const struct io *io, int dirfd, const char *path, const struct pack_id *pack, struct moved **moved);
void moved_close(struct moved *moved); /* NULL is ignored */

/*
 * Where the record that lay at OLD_OFFSET lies now, by a few preads; not guarded by the checksum, so that what is read
 * there must be checked.  Returns 0, -ENOENT where it was not kept, -EBADMSG, -errno.
 */
int moved_find(const struct moved *moved, uint32_t old_offset, struct locator *now);

/* Read and check the whole file.  *ENTRIES is malloc'ed, the caller frees it.  Returns 0, -EBADMSG, -ENOMEM, -errno. */
int moved_read(const struct moved *moved, struct moved_entry **entries, size_t *count);

/* The same for the LEN bytes at DATA, the whole file of PACK. */
int moved_decode(const void *data, size_t len, const struct pack_id *pack, struct moved_entry **entries, size_t *count);

/* What the COUNT ENTRIES, sorted by old offset, say of OLD_OFFSET; NULL for nothing. */
const struct moved_entry *moved_lookup(const struct moved_entry *entries, size_t count, uint32_t old_offset);

/* Append the file of PACK to OUT.  ENTRIES are sorted by old offset.  Returns 0 or -ENOMEM. */
int moved_encode(const struct pack_id *pack, const struct moved_entry *entries, size_t count, struct buffer *out);

#endif
