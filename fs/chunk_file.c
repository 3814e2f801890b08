#include "fs/chunk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/chunker.h"

#define READ_SIZE (1u << 20)
#define BUFFER_SIZE (READ_SIZE + CHUNK_MAX)

struct chunk_file {
	int fd; /* -1: none is open */
	struct stat before;
	uint64_t offset;   /* in the file, of the first byte not given out */
	size_t begin, end; /* in the buffer, of the bytes that follow it */
	uint64_t data_end; /* no hole is known to begin before this offset */
	uint8_t *zeros;    /* CHUNK_MAX of them; made when the first hole is met */
	uint8_t buffer[BUFFER_SIZE];
};

int chunk_file_new(struct chunk_file **file)
{
	struct chunk_file *f = malloc(sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->fd = -1;
	f->zeros = NULL;
	*file = f;
	return 0;
}

static void close_file(struct chunk_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

void chunk_file_free(struct chunk_file *f)
{
	if (!f)
		return;
	close_file(f);
	free(f->zeros);
	free(f);
}

int chunk_file_begin(struct chunk_file *f, int dirfd, const char *name, struct stat *st)
{
	int error = 0;

	close_file(f);
	f->fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (f->fd < 0)
		return errno == ELOOP || errno == ENXIO ? -EAGAIN : -errno;
	if (fstat(f->fd, &f->before) < 0)
		error = -errno;
	else if (!S_ISREG(f->before.st_mode))
		error = -EAGAIN;
	if (error) {
		close_file(f);
		return error;
	}
	f->offset = 0;
	f->begin = f->end = 0;
	/* Holes are looked for only where one could hold a whole chunk and not all blocks are there. */
	f->data_end = UINT64_MAX;
	if (f->before.st_size > CHUNK_MAX) {
		posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		if ((uint64_t)f->before.st_blocks * 512 < (uint64_t)f->before.st_size && chunker_zeros_fill())
			f->data_end = 0;
	}
	*st = f->before;
	return 0;
}

void chunk_file_settle(const struct chunk_file *f)
{
	/* Pages that are under way are not begun again, and may be dirty again: they come first. */
	sync_file_range(f->fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE);
}

int chunk_file_fd(const struct chunk_file *f)
{
	return f->fd;
}

/*
 * Where the next byte lies in a hole that goes on for a whole chunk or more, give that out as chunks of zeros.  Sets
 * PIECE->count to 0 where it does not.
 */
static int take_hole(struct chunk_file *f, struct chunk_piece *piece)
{
	uint64_t size = (uint64_t)f->before.st_size, skipped;
	off_t data, hole;

	piece->count = 0;
	if (f->offset < f->data_end || size - f->offset < CHUNK_MAX)
		return 0;
	data = lseek(f->fd, (off_t)f->offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		data = f->before.st_size;
	hole = data < 0 || (uint64_t)data >= size ? data : lseek(f->fd, data, SEEK_HOLE);
	/* A file system without holes, or a file that shrinks: what is read tells. */
	f->data_end = hole < 0 ? UINT64_MAX : (uint64_t)hole;
	if (data < 0 || (uint64_t)data > size || (uint64_t)data < f->offset + CHUNK_MAX)
		return 0;
	if (!f->zeros) {
		f->zeros = calloc(1, CHUNK_MAX);
		if (!f->zeros)
			return -ENOMEM;
	}
	*piece =
	    (struct chunk_piece){.data = f->zeros, .len = CHUNK_MAX, .count = ((uint64_t)data - f->offset) / CHUNK_MAX};
	skipped = piece->count * CHUNK_MAX;
	f->offset += skipped;
	if (skipped < f->end - f->begin)
		f->begin += skipped;
	else
		f->begin = f->end = 0;
	return 0;
}

/* Have a whole chunk in the buffer, or the rest of the file. */
static int fill(struct chunk_file *f)
{
	uint64_t size = (uint64_t)f->before.st_size;
	size_t held = f->end - f->begin, want;

	if (held >= CHUNK_MAX || f->offset + held == size)
		return 0;
	memmove(f->buffer, f->buffer + f->begin, held);
	f->begin = 0;
	f->end = held;
	want = BUFFER_SIZE - held;
	if (want > size - f->offset - held)
		want = (size_t)(size - f->offset - held);
	while (want) {
		ssize_t got = pread(f->fd, f->buffer + f->end, want, (off_t)(f->offset + f->end));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EAGAIN;
		f->end += (size_t)got;
		want -= (size_t)got;
	}
	return 0;
}

int chunk_file_next(struct chunk_file *f, struct chunk_piece *piece)
{
	uint64_t size = (uint64_t)f->before.st_size;
	bool last;
	int error;

	if (f->offset == size)
		return -ENOENT;
	error = take_hole(f, piece);
	if (error || piece->count)
		return error;
	error = fill(f);
	if (error)
		return error;
	last = f->offset + (f->end - f->begin) == size;
	piece->data = f->buffer + f->begin;
	piece->len = (uint32_t)chunker_cut(piece->data, f->end - f->begin, last);
	piece->count = 1;
	f->begin += piece->len;
	f->offset += piece->len;
	return 0;
}

int chunk_file_end(struct chunk_file *f)
{
	const struct stat *a = &f->before;
	struct stat b;
	int error = 0;

	if (fstat(f->fd, &b) < 0)
		error = -errno;
	else if (a->st_size != b.st_size || a->st_mode != b.st_mode || a->st_mtim.tv_sec != b.st_mtim.tv_sec ||
	         a->st_mtim.tv_nsec != b.st_mtim.tv_nsec || a->st_ctim.tv_sec != b.st_ctim.tv_sec ||
	         a->st_ctim.tv_nsec != b.st_ctim.tv_nsec)
		error = -EAGAIN;
	close_file(f);
	return error;
}

/* A list of chunks is told entry by entry; the file is read along. */
struct comparison {
	struct chunk_file *file;
	struct id id; /* of the piece that is being compared */
	uint32_t len;
	uint64_t count; /* how much of it is left */
	bool file_failed;
};

#define DIFFERS 1

static int next_piece(struct comparison *c)
{
	struct chunk_piece piece;
	int error = chunk_file_next(c->file, &piece);

	if (error == -ENOENT)
		return DIFFERS;
	if (error)
		return error;
	id_of(piece.data, piece.len, &c->id);
	c->len = piece.len;
	c->count = piece.count;
	return 0;
}

static int compare_chunk(void *arg, const struct list_entry *chunk)
{
	struct comparison *c = arg;
	uint64_t left = chunk->count;

	while (left) {
		uint64_t same;
		int error = c->count ? 0 : next_piece(c);

		c->file_failed = error < 0;
		if (error)
			return error;
		if (c->len != chunk->len || !id_equal(&c->id, &chunk->id))
			return DIFFERS;
		same = left < c->count ? left : c->count;
		left -= same;
		c->count -= same;
	}
	return 0;
}

static int compare_inline(struct chunk_file *f, const struct content *content)
{
	struct chunk_piece piece;
	int error;

	if (!content->size)
		return 0;
	error = chunk_file_next(f, &piece);
	if (error)
		return error;
	return memcmp(piece.data, content->inline_data, content->size) ? DIFFERS : 0;
}

int chunk_file_compare(struct chunk_file *f, int dirfd, const char *name, struct source *source,
                       const struct content *content, bool *same, bool *of_source, struct stat *st)
{
	struct comparison c = {.file = f};
	int answer, error = chunk_file_begin(f, dirfd, name, st);

	*of_source = false;
	if (error)
		return error;
	if ((uint64_t)st->st_size != content->size)
		answer = DIFFERS;
	else if (content->form == CONTENT_INLINE)
		answer = compare_inline(f, content);
	else
		answer = content_each_chunk(source, content, compare_chunk, &c);
	error = chunk_file_end(f);
	*of_source = answer < 0 && !c.file_failed && content->form != CONTENT_INLINE;
	if (answer < 0)
		return answer;
	if (error)
		return error;
	*same = answer == 0;
	return 0;
}
