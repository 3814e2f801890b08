/*
 * The bytes of a file: inline, one chunk, or a list of chunks.
 *
 * Thread-safe; a struct content is plain data that may be copied.
 */
#ifndef FS_CONTENT_H
#define FS_CONTENT_H

#include "fs/page.h"
#include "fs/source.h"

struct content {
	uint8_t form; /* enum content_form */
	uint64_t size;
	uint8_t inline_data[PAGE_INLINE_MAX];
	struct id id;
	struct locator locator;
};

/* The content of ENTRY, a file or symlink.  Returns 0; -EIO for a foreign or broken entry; -EISDIR for a directory. */
int content_of(const struct entry *entry, struct content *content);

/* Make CONTENT that of ENTRY: form, size, bytes (borrowed from CONTENT), id and locator. */
void content_set_entry(const struct content *content, struct entry *entry);

/* Whether two contents are the same bytes; needs no reading. */
bool content_equal(const struct content *a, const struct content *b);

/*
 * An id for the bytes of any content, as `user.revfs.id` shows it: the chunk's or the list's id, for inline bytes their
 * SHA-256 (which is what their chunk's would be).
 */
void content_id(const struct content *content, struct id *id);

/*
 * Read up to LEN bytes at OFFSET into DATA; fewer only at the end of the file.  Returns the count, or an error:
 * -ENODATA where a record is in no store, -EBADMSG, -ENOTSUP, -ENOMEM, -errno.
 */
ssize_t content_read(struct source *s, const struct content *content, void *data, size_t len, uint64_t offset);

/*
 * Call EACH with the whole content in order, piece by piece; a DATA of NULL stands for LEN zeros: a hole, chunks of
 * CHUNK_MAX zeros, which no store is asked for.  Ends with EACH's answer where that is not 0.
 */
int content_each_piece(struct source *s, const struct content *content,
                       int (*each)(void *arg, const void *data, uint64_t len), void *arg);

/*
 * Have the chunks of the first LIMIT bytes expanded in the memory, where they stay as what was just used.  *DONE is how
 * many bytes they have.  0, or why there are no more.
 */
int content_expand(struct source *s, const struct content *content, uint64_t limit, uint64_t *done);

/* Whether ID is that of CHUNK_MAX zeros. */
bool content_is_hole(const struct id *id);

/* Call EACH for every entry of the list of chunks, in order; a one-chunk content gives one.  Inline gives none.  Ends
 * with EACH's answer where that is not 0. */
int content_each_chunk(struct source *s, const struct content *content,
                       int (*each)(void *arg, const struct list_entry *chunk), void *arg);

#endif
