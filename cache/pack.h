/*
 * Packs: immutable files of records and their index.  revfs-format(5) has every byte.
 *
 * A pack_writer belongs to one thread.  A struct pack may be used by several at once.
 */
#ifndef CACHE_PACK_H
#define CACHE_PACK_H

#include <stdint.h>

#include "cache/id.h"
#include "cache/io.h"
#include "cache/pack_index.h"
#include "cache/record.h"

#define PACK_TARGET_SIZE (64u << 20)

struct pack_writer;

/*
 * Begin a pack: a temporary file of random name in the folder TMP_DIRFD (borrowed, must stay open).
 * Returns 0 or -errno.
 */
int pack_writer_open(const struct io *io, int tmp_dirfd, struct pack_writer **writer);

/* The id under which the pack will stand; chosen at open. */
const struct pack_id *pack_writer_id(const struct pack_writer *w);

/* Bytes of the finished pack if it were finished now. */
uint64_t pack_writer_size(const struct pack_writer *w);

/* Records added so far. */
uint32_t pack_writer_count(const struct pack_writer *w);

/*
 * Append a record: HEADER (kind, codec and lengths) and its stored bytes, known by ID.  The caller sees to it that no
 * (kind, id) is added twice.  *OFFSET is where the record begins.  Writes are buffered.
 * Returns 0 or -errno; -EFBIG where the pack would pass PACK_SIZE_MAX.  After a failure only abort is allowed.
 */
int pack_writer_add(struct pack_writer *w, const struct id *id, const struct record_header *header, const void *stored,
                    uint32_t *offset);

/* Read back a record of a pack that is still being written; as pack_read(). */
int pack_writer_read(struct pack_writer *w, uint32_t offset, uint32_t stored_len, unsigned kind, const struct id *id,
                     struct record *record);

/*
 * Write index and trailer, sync, make the file 0444 (MODE & 0444 of the store's choice), give it its final name NAME
 * below DIRFD and sync the folder FOLDER below DIRFD.  Frees the writer in any case; on failure nothing is left behind.
 * Returns 0 or -errno.
 */
int pack_writer_finish(struct pack_writer *w, int dirfd, const char *folder, const char *name, mode_t mode);

/* Drop the pack: removes the temporary file, frees the writer.  NULL is ignored. */
void pack_writer_abort(struct pack_writer *w);

struct pack;

/*
 * Open the pack file PATH below DIRFD, which must carry ID; header, trailer and sizes are checked, the index is not
 * read.  Returns 0; -ENOENT; -EBADMSG where it is damaged or of a larger major version; -errno.
 */
int pack_open(const struct io *io, int dirfd, const char *path, const struct pack_id *id, struct pack **pack);

/* Close; NULL is ignored. */
void pack_close(struct pack *pack);

/* The id of the pack, borrowed. */
const struct pack_id *pack_id(const struct pack *pack);

/* Bytes of the whole file. */
uint64_t pack_size(const struct pack *pack);

/* How many records it has. */
uint32_t pack_count(const struct pack *pack);

/*
 * Read, expand and check the record at OFFSET.  The caller frees record->data.
 * Returns 0, -EBADMSG, -ENOTSUP, -errno.
 */
int pack_read(struct pack *pack, uint32_t offset, uint32_t stored_len, unsigned kind, const struct id *id,
              struct record *record);

/* Read the stored bytes of a record, header included, into DATA of at least RECORD_HEADER_SIZE + stored_len bytes; the
 * checksum is checked, nothing is expanded.  For copying records between packs. */
int pack_read_stored(struct pack *pack, const struct pack_entry *entry, uint8_t *data);

/* Read line SLOT of the index with one pread; the lengths and the offset are checked to lie inside the pack.
 * Returns 0, -ERANGE beyond the last, -EBADMSG, -errno. */
int pack_entry_at(struct pack *pack, uint32_t slot, struct pack_entry *entry);

/* Find (KIND, ID) in the index by preads.  Returns 0, -ENOENT, -EBADMSG, -errno. */
int pack_find(struct pack *pack, unsigned kind, const struct id *id, struct pack_entry *entry);

/* Read and check the whole index: checksum, order, no overlap outside the records' range.  *ENTRIES is malloc'ed
 * (pack_count() entries), the caller frees it.  Returns 0, -EBADMSG, -ENOMEM, -errno. */
int pack_read_index(struct pack *pack, struct pack_entry **entries);

#endif
