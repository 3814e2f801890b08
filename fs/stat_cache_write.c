#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/wire.h"
#include "fs/page.h"
#include "fs/stat_cache.h"
#include "fs/stat_cache_format.h"

struct stat_cache_writer {
	const struct io *io;
	int dirfd;
	int fd;
	char *path;
	char *temporary;
	struct timespec start;
	uint64_t at;
	int error; /* the first; nothing is written after it */
	struct buffer block;
};

int stat_cache_writer_open(const struct io *io, int dirfd, const char *path, const struct timespec *start,
                           struct stat_cache_writer **writer)
{
	struct stat_cache_writer *w = calloc(1, sizeof(*w));
	size_t len = strlen(path);
	int error = -ENOMEM;

	if (!w)
		return -ENOMEM;
	w->io = io;
	w->dirfd = dirfd;
	w->fd = -1;
	w->start = *start;
	w->at = STAT_CACHE_HEADER_SIZE;
	w->path = strdup(path);
	w->temporary = malloc(len + sizeof(".new"));
	if (!w->path || !w->temporary)
		goto out;
	memcpy(w->temporary, path, len);
	memcpy(w->temporary + len, ".new", sizeof(".new"));
	w->fd = error = io_open(io, dirfd, w->temporary, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (error >= 0) {
		io_share_file(io, dirfd, w->fd);
		*writer = w;
		return 0;
	}
out:
	free(w->path);
	free(w->temporary);
	free(w);
	return error;
}

static void write_block(struct stat_cache_writer *w)
{
	uint8_t header[STAT_CACHE_BLOCK_HEADER_SIZE] = {0};

	if (w->block.failed)
		w->error = w->error ? w->error : -ENOMEM;
	if (!w->error && w->block.len) {
		wire_put32(header, (uint32_t)w->block.len);
		wire_put64(header + 8, checksum_two(header, 8, w->block.data, w->block.len));
		w->error = io_write_exact(w->io, w->fd, header, sizeof(header), w->at);
		if (!w->error)
			w->error = io_write_exact(w->io, w->fd, w->block.data, w->block.len, w->at + sizeof(header));
		w->at += sizeof(header) + w->block.len;
	}
	buffer_clear(&w->block);
}

static void put_name(struct stat_cache_writer *w, const char *name, size_t len)
{
	buffer_put_varint(&w->block, len);
	buffer_append(&w->block, name, len);
}

static void put_time(struct buffer *b, const struct timespec *time, int64_t base)
{
	/* Wraps where clocks are absurd; the reader then finds another time and the file is read again. */
	buffer_put_varint(b, wire_zigzag((int64_t)((uint64_t)time->tv_sec - (uint64_t)base)));
	buffer_put32(b, (uint32_t)time->tv_nsec);
}

static void line_done(struct stat_cache_writer *w)
{
	if (w->block.len >= STAT_CACHE_BLOCK_TARGET)
		write_block(w);
}

void stat_cache_writer_add(struct stat_cache_writer *w, const char *name, size_t len,
                           const struct stat_cache_entry *entry)
{
	const struct content *content = &entry->content;
	const struct file_stamp *stamp = &entry->stamp;
	unsigned tag = entry->kind | (unsigned)content->form << 4;

	if (!w || w->error || content->size != stamp->size)
		return;
	if (entry->racy || file_stamp_is_racy(stamp, &w->start))
		tag |= STAT_CACHE_RACY;
	buffer_put8(&w->block, (uint8_t)tag);
	put_name(w, name, len);
	buffer_put_varint(&w->block, stamp->size);
	buffer_put_varint(&w->block, stamp->ino);
	buffer_put16(&w->block, (uint16_t)stamp->mode);
	put_time(&w->block, &stamp->mtime, 0);
	put_time(&w->block, &stamp->ctime, stamp->mtime.tv_sec);
	if (content->form == CONTENT_INLINE)
		buffer_append(&w->block, content->inline_data, content->size);
	else
		buffer_append(&w->block, content->id.bytes, ID_SIZE);
	line_done(w);
}

void stat_cache_writer_enter(struct stat_cache_writer *w, const char *name, size_t len)
{
	if (!w || w->error)
		return;
	buffer_put8(&w->block, ENTRY_DIRECTORY);
	put_name(w, name, len);
	line_done(w);
}

void stat_cache_writer_leave(struct stat_cache_writer *w)
{
	if (!w || w->error)
		return;
	buffer_put8(&w->block, STAT_CACHE_LEAVE);
	line_done(w);
}

static void writer_free(struct stat_cache_writer *w)
{
	io_close(w->io, w->fd);
	buffer_release(&w->block);
	free(w->path);
	free(w->temporary);
	free(w);
}

int stat_cache_writer_finish(struct stat_cache_writer *w, const struct id *root)
{
	uint8_t header[STAT_CACHE_HEADER_SIZE] = {0};
	int error;

	if (!w)
		return 0;
	write_block(w);
	memcpy(header, STAT_CACHE_MAGIC, 8);
	wire_put16(header + 8, STAT_CACHE_MAJOR);
	wire_put64(header + 16, w->at);
	if (root)
		memcpy(header + 24, root->bytes, ID_SIZE);
	wire_put64(header + 56, checksum(header, 56));
	error = w->error;
	if (!error)
		error = io_write_exact(w->io, w->fd, header, sizeof(header), 0);
	if (!error)
		error = io_rename(w->io, w->dirfd, w->temporary, w->dirfd, w->path);
	if (error)
		io_unlink(w->io, w->dirfd, w->temporary);
	writer_free(w);
	return error;
}

void stat_cache_writer_abort(struct stat_cache_writer *w)
{
	if (!w)
		return;
	io_unlink(w->io, w->dirfd, w->temporary);
	writer_free(w);
}
