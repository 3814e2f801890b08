#include "fs/stat_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/chunker.h"
#include "cache/wire.h"
#include "fs/name.h"
#include "fs/page.h"
#include "fs/stat_cache_format.h"

void file_stamp_of(const struct stat *st, struct file_stamp *stamp)
{
	*stamp = (struct file_stamp){
	    .size = (uint64_t)st->st_size,
	    .ino = st->st_ino,
	    .mtime = st->st_mtim,
	    .ctime = st->st_ctim,
	    .mode = st->st_mode & 07777,
	};
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_stamp_equal(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->size == b->size && a->ino == b->ino && a->mode == b->mode && same_time(&a->mtime, &b->mtime) &&
	       same_time(&a->ctime, &b->ctime);
}

static bool not_older(const struct timespec *time, const struct timespec *start)
{
	time_t limit = start->tv_sec - STAT_CACHE_RACY_S;

	return time->tv_sec > limit || (time->tv_sec == limit && time->tv_nsec >= start->tv_nsec);
}

bool file_stamp_is_racy(const struct file_stamp *stamp, const struct timespec *start)
{
	return not_older(&stamp->mtime, start) || not_older(&stamp->ctime, start);
}

/* The line that the reader stands at. */
struct line {
	uint8_t kind; /* 0: the end of a directory */
	const char *name;
	size_t name_len;
	struct stat_cache_entry entry;
};

struct stat_cache {
	const struct io *io;
	int fd;
	uint64_t at; /* where the next block begins */
	uint64_t size;
	struct wire_reader block;
	struct line line;
	bool has_line;
	bool ended;      /* nothing more can be read */
	unsigned depth;  /* directories of the cache that the reader is in */
	unsigned absent; /* directories below that, that the cache does not have */
	bool differs;
	uint8_t data[STAT_CACHE_BLOCK_MAX];
};

static int open_checked(struct stat_cache *c, int dirfd, const char *path, struct id *root)
{
	uint8_t header[STAT_CACHE_HEADER_SIZE];
	int fd = io_open_regular(c->io, dirfd, path, &c->size);

	if (fd < 0)
		return fd;
	c->fd = fd;
	if (io_read_exact(c->io, fd, header, STAT_CACHE_HEADER_SIZE, 0))
		return -EBADMSG;
	if (memcmp(header, STAT_CACHE_MAGIC, 8) || wire_get16(header + 8) != STAT_CACHE_MAJOR ||
	    wire_get64(header + 16) != c->size || wire_get64(header + 56) != checksum(header, 56))
		return -EBADMSG;
	memcpy(root->bytes, header + 24, ID_SIZE);
	c->at = STAT_CACHE_HEADER_SIZE;
	return 0;
}

int stat_cache_open(const struct io *io, int dirfd, const char *path, struct stat_cache **cache, struct id *root)
{
	struct stat_cache *c = calloc(1, sizeof(*c));
	struct id found;

	if (!c)
		return -ENOMEM;
	c->io = io;
	c->fd = -1;
	if (open_checked(c, dirfd, path, &found)) {
		stat_cache_close(c);
		return -ENOENT;
	}
	*root = found;
	*cache = c;
	return 0;
}

void stat_cache_close(struct stat_cache *c)
{
	if (!c)
		return;
	io_close(c->io, c->fd);
	free(c);
}

/* Read the next block.  What does not check ends the cache: everything behind it is unknown. */
static bool next_block(struct stat_cache *c)
{
	uint8_t header[STAT_CACHE_BLOCK_HEADER_SIZE];
	uint32_t len;

	if (c->at == c->size || io_read_exact(c->io, c->fd, header, sizeof(header), c->at))
		return false;
	len = wire_get32(header);
	if (!len || len > STAT_CACHE_BLOCK_MAX || wire_get32(header + 4))
		return false;
	if (io_read_exact(c->io, c->fd, c->data, len, c->at + sizeof(header)))
		return false;
	if (wire_get64(header + 8) != checksum_two(header, 8, c->data, len))
		return false;
	c->at += sizeof(header) + len;
	wire_reader_init(&c->block, c->data, len);
	return true;
}

static struct timespec read_time(struct wire_reader *r, int64_t base)
{
	struct timespec time;
	int64_t delta = wire_unzigzag(wire_read_varint(r));

	if (__builtin_add_overflow(base, delta, &time.tv_sec))
		r->bad = true;
	time.tv_nsec = wire_read32(r);
	if (time.tv_nsec > 999999999)
		r->bad = true;
	return time;
}

static bool read_content(struct wire_reader *r, struct content *content)
{
	const uint8_t *bytes = wire_read_bytes(r, content->form == CONTENT_INLINE ? content->size : ID_SIZE);

	if (!bytes)
		return false;
	if (content->form == CONTENT_INLINE)
		memcpy(content->inline_data, bytes, content->size);
	else
		memcpy(content->id.bytes, bytes, ID_SIZE);
	return true;
}

/* Whether a content of that form can have that size. */
static bool form_fits(unsigned form, uint64_t size)
{
	switch (form) {
	case CONTENT_INLINE:
		return size <= PAGE_INLINE_MAX;
	case CONTENT_CHUNK:
		return size > PAGE_INLINE_MAX && size <= CHUNK_MAX;
	case CONTENT_LIST:
		return size > CHUNK_MIN && size <= INT64_MAX;
	default:
		return false;
	}
}

static bool read_entry(struct wire_reader *r, uint8_t tag, struct stat_cache_entry *e)
{
	*e = (struct stat_cache_entry){.kind = tag & 7, .racy = tag & STAT_CACHE_RACY};
	e->content.form = tag >> 4 & 3;
	e->content.size = e->stamp.size = wire_read_varint(r);
	if (!form_fits(e->content.form, e->content.size))
		return false;
	e->stamp.ino = wire_read_varint(r);
	e->stamp.mode = wire_read16(r);
	e->stamp.mtime = read_time(r, 0);
	e->stamp.ctime = read_time(r, e->stamp.mtime.tv_sec);
	return read_content(r, &e->content) && !r->bad;
}

static bool read_line(struct stat_cache *c)
{
	struct wire_reader *r = &c->block;
	uint8_t tag;

	if (!wire_reader_left(r) && !next_block(c))
		return false;
	tag = wire_read8(r);
	c->line.kind = tag & 7;
	if (c->line.kind == STAT_CACHE_LEAVE)
		return c->depth > 0;
	c->line.name_len = wire_read_varint(r);
	if (c->line.name_len > NAME_SIZE_MAX)
		return false;
	c->line.name = (const char *)wire_read_bytes(r, c->line.name_len);
	if (!c->line.name)
		return false;
	if (c->line.kind == ENTRY_DIRECTORY)
		return true;
	return (c->line.kind == ENTRY_FILE || c->line.kind == ENTRY_SYMLINK) && read_entry(r, tag, &c->line.entry);
}

/* Stand at a line that was not used yet.  False at the end, and for ever after it. */
static bool stand(struct stat_cache *c)
{
	if (c->ended)
		return false;
	if (!c->has_line && !read_line(c)) {
		/* The regular end is where all directories were left and nothing remains. */
		if (c->depth || c->at != c->size || wire_reader_left(&c->block) || c->block.bad)
			c->differs = true;
		c->ended = true;
		return false;
	}
	c->has_line = true;
	return true;
}

/* Use the line up; of a directory, everything in it. */
static void pass(struct stat_cache *c)
{
	unsigned base = c->depth;

	do {
		if (c->line.kind == ENTRY_DIRECTORY)
			c->depth++;
		else if (c->line.kind == STAT_CACHE_LEAVE)
			c->depth--;
		c->has_line = false;
	} while (c->depth > base && stand(c));
}

/* Go to the line of NAME in the present directory, passing over what is before it. */
static bool seek(struct stat_cache *c, const char *name, size_t len)
{
	while (stand(c) && c->line.kind != STAT_CACHE_LEAVE) {
		int order = name_cmp(c->line.name, c->line.name_len, name, len);

		if (order >= 0)
			return order == 0;
		c->differs = true;
		pass(c);
	}
	return false;
}

int stat_cache_find(struct stat_cache *c, const char *name, size_t len, struct stat_cache_entry *entry)
{
	if (!c)
		return -ENOENT;
	if (c->absent || !seek(c, name, len) || c->line.kind == ENTRY_DIRECTORY)
		return -ENOENT;
	*entry = c->line.entry;
	c->has_line = false;
	return 0;
}

void stat_cache_enter(struct stat_cache *c, const char *name, size_t len)
{
	if (!c)
		return;
	if (c->absent || !seek(c, name, len) || c->line.kind != ENTRY_DIRECTORY) {
		c->absent++;
		c->differs = true;
		return;
	}
	c->depth++;
	c->has_line = false;
}

void stat_cache_leave(struct stat_cache *c)
{
	if (!c)
		return;
	if (c->absent) {
		c->absent--;
		return;
	}
	while (stand(c) && c->line.kind != STAT_CACHE_LEAVE) {
		c->differs = true;
		pass(c);
	}
	if (c->ended) {
		c->differs = true;
		return;
	}
	c->depth--;
	c->has_line = false;
}

bool stat_cache_differs(struct stat_cache *c)
{
	bool differs = !c || c->differs;

	if (c)
		c->differs = false;
	return differs;
}

void stat_cache_finish(struct stat_cache *c)
{
	if (!c)
		return;
	while (stand(c)) {
		c->differs = true;
		pass(c);
	}
}

/* Give the line to W and use it up; of a directory, everything in it. */
static void copy(struct stat_cache *c, struct stat_cache_writer *w)
{
	unsigned base = c->depth;

	do {
		if (c->line.kind == ENTRY_DIRECTORY) {
			stat_cache_writer_enter(w, c->line.name, c->line.name_len);
			c->depth++;
		} else if (c->line.kind == STAT_CACHE_LEAVE) {
			stat_cache_writer_leave(w);
			c->depth--;
		} else {
			stat_cache_writer_add(w, c->line.name, c->line.name_len, &c->line.entry);
		}
		c->has_line = false;
	} while (c->depth > base && stand(c));
	/* What ended in the middle of a directory leaves it all the same. */
	for (unsigned left = c->depth; left > base; left--)
		stat_cache_writer_leave(w);
}

void stat_cache_copy(struct stat_cache *c, const char *name, size_t len, struct stat_cache_writer *w)
{
	if (!c || c->absent)
		return;
	while (stand(c) && c->line.kind != STAT_CACHE_LEAVE) {
		if (name && name_cmp(c->line.name, c->line.name_len, name, len) >= 0)
			return;
		copy(c, w);
	}
}
