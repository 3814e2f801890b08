#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/header.h"
#include "cache/pack.h"
#include "cache/wire.h"

/* A record is never split by the buffer, so that it can be read back from one place: the largest must fit. */
#define BUFFER_SIZE (RECORD_RAW_MAX + 4096)
/* So much at a time is sent on its way to the disk while the pack is being written. */
#define SYNC_SIZE (8u << 20)
#define TMP_NAME_SIZE (PACK_ID_HEX_SIZE + sizeof(".pack"))

struct pack_writer {
	const struct io *io;
	int tmp_dirfd; /* borrowed */
	int fd;
	struct pack_id id;
	char tmp_name[TMP_NAME_SIZE];
	uint8_t *buffer; /* what follows the first FLUSHED bytes of the file */
	size_t buffered;
	uint64_t flushed;
	uint64_t sync_started;      /* up to here */
	struct pack_entry *entries; /* in the order of addition until finish */
	uint32_t count;
	uint32_t room;
	bool failed;
};

static void free_writer(struct pack_writer *w)
{
	io_close(w->io, w->fd);
	free(w->entries);
	free(w->buffer);
	free(w);
}

int pack_writer_open(const struct io *io, int tmp_dirfd, struct pack_writer **writer)
{
	struct pack_writer *w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->io = io;
	w->tmp_dirfd = tmp_dirfd;
	w->fd = -1;
	int r = -ENOMEM;
	w->buffer = malloc(BUFFER_SIZE);
	if (!w->buffer)
		goto out;
	io_random(io, w->id.bytes, PACK_ID_SIZE);
	pack_id_format(&w->id, w->tmp_name);
	strcat(w->tmp_name, ".pack");
	w->fd = io_open(io, tmp_dirfd, w->tmp_name, O_RDWR | O_CREAT | O_EXCL, 0600);
	r = w->fd;
	if (r < 0)
		goto out;
	header_encode(HEADER_MAGIC_PACK, &(struct header){.count = 0, .pack = w->id}, w->buffer);
	w->buffered = PACK_HEADER_SIZE;
	*writer = w;
	return 0;
out:
	free_writer(w);
	return r;
}

const struct pack_id *pack_writer_id(const struct pack_writer *w)
{
	return &w->id;
}

/* Where the next record goes. */
static uint64_t end_of_records(const struct pack_writer *w)
{
	return w->flushed + w->buffered;
}

uint64_t pack_writer_size(const struct pack_writer *w)
{
	return end_of_records(w) + (uint64_t)w->count * PACK_ENTRY_SIZE + PACK_TRAILER_SIZE;
}

uint32_t pack_writer_count(const struct pack_writer *w)
{
	return w->count;
}

static int flush(struct pack_writer *w)
{
	int r = io_write_exact(w->io, w->fd, w->buffer, w->buffered, w->flushed);
	if (r < 0) {
		w->failed = true;
		return r;
	}
	w->flushed += w->buffered;
	w->buffered = 0;
	if (w->flushed - w->sync_started >= SYNC_SIZE) {
		io_start_sync(w->io, w->fd, w->sync_started, w->flushed - w->sync_started);
		w->sync_started = w->flushed;
	}
	return 0;
}

static int make_room(struct pack_writer *w)
{
	if (w->count < w->room)
		return 0;
	uint32_t room = w->room ? w->room * 2 : 1024;
	struct pack_entry *entries = reallocarray(w->entries, room, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	w->entries = entries;
	w->room = room;
	return 0;
}

int pack_writer_add(struct pack_writer *w, const struct id *id, const struct record_header *header, const void *stored,
                    uint32_t *offset)
{
	assert(!w->failed);
	assert(record_lengths_fit(header->kind, header->codec, header->raw_len, header->stored_len));
	const size_t len = RECORD_HEADER_SIZE + (size_t)header->stored_len;
	if (pack_writer_size(w) + len + PACK_ENTRY_SIZE > PACK_SIZE_MAX)
		return -EFBIG;
	int r = make_room(w);
	if (r == 0 && len > BUFFER_SIZE - w->buffered)
		r = flush(w);
	if (r < 0)
		return r;
	const uint32_t at = (uint32_t)end_of_records(w);
	record_header_encode(header, stored, w->buffer + w->buffered);
	memcpy(w->buffer + w->buffered + RECORD_HEADER_SIZE, stored, header->stored_len);
	w->buffered += len;
	w->entries[w->count++] = (struct pack_entry){
	    .id = *id,
	    .kind = header->kind,
	    .codec = header->codec,
	    .dictionary = header->dictionary,
	    .raw_len = header->raw_len,
	    .stored_len = header->stored_len,
	    .offset = at,
	};
	*offset = at;
	return 0;
}

int pack_writer_read(struct pack_writer *w, uint32_t offset, uint32_t stored_len, unsigned kind, const struct id *id,
                     struct record *record)
{
	const uint64_t end = (uint64_t)offset + RECORD_HEADER_SIZE + stored_len;
	if (offset < PACK_HEADER_SIZE || stored_len > RECORD_RAW_MAX || end > end_of_records(w))
		return -EBADMSG;
	if (offset < w->flushed)
		return record_read(w->io, w->fd, offset, stored_len, kind, id, record);
	return record_decode(w->buffer + (offset - w->flushed), RECORD_HEADER_SIZE + stored_len, kind, id, record);
}

static int compare_entries(const void *a, const void *b)
{
	return pack_entry_cmp(a, b);
}

/* Sort the index and write it and the trailer. */
static int write_index(struct pack_writer *w)
{
	const uint64_t at = end_of_records(w);
	const size_t len = (size_t)w->count * PACK_ENTRY_SIZE;
	int r = flush(w);
	if (r < 0)
		return r;
	uint8_t *tail = malloc(len + PACK_TRAILER_SIZE);
	if (!tail)
		return -ENOMEM;
	if (w->count)
		qsort(w->entries, w->count, sizeof(*w->entries), compare_entries);
	for (uint32_t i = 0; i < w->count; i++) {
		assert(i == 0 || pack_entry_cmp(&w->entries[i - 1], &w->entries[i]) < 0);
		pack_entry_encode(&w->entries[i], tail + (size_t)i * PACK_ENTRY_SIZE);
	}
	const struct pack_trailer trailer = {
	    .index_offset = at,
	    .count = w->count,
	    .index_checksum = checksum(tail, len),
	    .pack = w->id,
	};
	pack_trailer_encode(&trailer, tail + len);
	r = io_write_exact(w->io, w->fd, tail, len + PACK_TRAILER_SIZE, at);
	free(tail);
	return r;
}

int pack_writer_finish(struct pack_writer *w, int dirfd, const char *folder, const char *name, mode_t mode)
{
	int r = w->failed ? -EIO : write_index(w);
	if (r == 0)
		r = io_chmod(w->io, w->fd, mode & 0444);
	if (r == 0)
		r = io_fsync(w->io, w->fd);
	if (r == 0)
		r = io_publish(w->io, w->tmp_dirfd, w->tmp_name, dirfd, name);
	if (r < 0) {
		pack_writer_abort(w);
		return r;
	}
	/* Without a durable name the pack is not there; nothing refers to it yet, so it may go. */
	r = io_fsync_dir(w->io, dirfd, folder);
	if (r < 0)
		io_unlink(w->io, dirfd, name);
	free_writer(w);
	return r;
}

void pack_writer_abort(struct pack_writer *w)
{
	if (!w)
		return;
	io_unlink(w->io, w->tmp_dirfd, w->tmp_name);
	free_writer(w);
}
