/*
 * Reading a file of the work tree and cutting it into chunks.
 *
 * A struct chunk_file is a reader with its buffers, made once and used for many files, by one thread at a time.  Holes
 * are not read: a cut inside one is followed by chunks of zeros, as it would be were the zeros real, so that the result
 * is the same.  That a file stays as it is while it is read is checked by stat before and after.
 */
#ifndef FS_CHUNK_FILE_H
#define FS_CHUNK_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "fs/content.h"

struct chunk_file;

/* A chunk, COUNT times behind one another. */
struct chunk_piece {
	const uint8_t *data; /* LEN bytes, borrowed until the next call */
	uint32_t len;
	uint64_t count;
};

/* Returns 0 or -ENOMEM. */
int chunk_file_new(struct chunk_file **file);
void chunk_file_free(struct chunk_file *file); /* NULL is ignored */

/*
 * Open NAME below DIRFD, which must be a regular file, and no link; *ST is what it is now.
 * Returns 0; -EAGAIN where it is something else (by now); -errno.  End it with chunk_file_end().
 */
int chunk_file_begin(struct chunk_file *file, int dirfd, const char *name, struct stat *st);

/*
 * From now on what is stored through a shared mapping shows in the times of the file that was begun, as it does not
 * where a page was dirty before.  Begins to write back what is; where a file system lacks that, nothing happens.
 */
void chunk_file_settle(const struct chunk_file *file);

/* The descriptor of the file that was begun. */
int chunk_file_fd(const struct chunk_file *file);

/*
 * The next chunk, cut as the format says whatever the size: a file of at most PAGE_INLINE_MAX bytes is one chunk as
 * well. Returns 0; -ENOENT at the end; -EAGAIN where the file has become shorter; -errno.
 */
int chunk_file_next(struct chunk_file *file, struct chunk_piece *piece);

/*
 * Close the file.  Returns 0, or -EAGAIN where size, times, inode or mode are not what they were at begin: then what
 * was read is worth nothing.
 */
int chunk_file_end(struct chunk_file *file);

/*
 * Whether NAME below DIRFD has the bytes of CONTENT: reads until the first difference.  *SAME is the answer, *ST what
 * the file was.  Returns 0; -EAGAIN where the file changed meanwhile; errors of reading either side.
 */
int chunk_file_compare(struct chunk_file *file, int dirfd, const char *name, struct source *source,
                       const struct content *content, bool *same, bool *of_source, struct stat *st);

#endif
