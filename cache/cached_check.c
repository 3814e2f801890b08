#include "cache/cached_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/cached_inside.h"
#include "cache/checksum.h"
#include "cache/header.h"
#include "cache/interrupt.h"
#include "cache/pack_index.h"
#include "cache/record.h"
#include "cache/store.h"
#include "cache/wire.h"

struct checking {
	struct cached *cached;
	void (*tell)(void *arg, const char *path);
	void (*progress)(void *arg, uint64_t bytes);
	void *arg;
	struct cached_check *result;
	uint8_t *scratch; /* of a record */
};

/* A copy that is being looked at. */
struct copy {
	struct checking *c;
	struct pack_id id;
	int fd;
	uint64_t size;
	uint64_t begin, end; /* a part that is there, the last that was asked for */
};

/* Whether LEN bytes at OFFSET are there.  Where the disk cannot tell, all are. */
static bool is_there(struct copy *copy, uint64_t offset, uint64_t len)
{
	uint64_t begin, end;
	int error;

	if (len > copy->size || offset > copy->size - len)
		return false;
	if (copy->begin <= offset && offset + len <= copy->end)
		return true;
	error = io_next_data(copy->c->cached->io, copy->fd, offset, &begin, &end);
	if (error == -ENOSYS)
		return true;
	if (error || begin > offset)
		return false;
	copy->begin = offset;
	copy->end = end;
	return offset + len <= end;
}

/* Read what is there into DATA.  0; -ENOENT where it is not (any more). */
static int read_there(struct copy *copy, uint64_t offset, void *data, size_t len)
{
	if (!is_there(copy, offset, len) || io_read_exact(copy->c->cached->io, copy->fd, data, len, offset))
		return -ENOENT;
	return 0;
}

/* Whether nothing was written here: a hole that the disk does not tell. */
static bool is_blank(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i])
			return false;
	}
	return true;
}

static void count(struct checking *c, uint64_t bytes)
{
	c->result->records++;
	c->result->checked_bytes += bytes;
	if (c->progress)
		c->progress(c->arg, bytes);
}

/* --- with an index --- */

/* Read the whole index, where it and the trailer are there: *ENTRIES is malloc'ed.  0; -ENOENT; -ENOMEM. */
static int read_index(struct copy *copy, uint8_t **index, struct pack_trailer *trailer)
{
	uint8_t end[PACK_TRAILER_SIZE];
	size_t len;
	int error;

	if (copy->size < PACK_HEADER_SIZE + PACK_TRAILER_SIZE || copy->size > PACK_SIZE_MAX ||
	    read_there(copy, copy->size - PACK_TRAILER_SIZE, end, sizeof(end)) ||
	    pack_trailer_decode(end, copy->size, trailer) || !pack_id_equal(&trailer->pack, &copy->id))
		return -ENOENT;
	len = (size_t)trailer->count * PACK_ENTRY_SIZE;
	*index = malloc(len + 1);
	if (!*index)
		return -ENOMEM;
	error = read_there(copy, trailer->index_offset, *index, len);
	/* Parts of it may be missing where the disk tells no holes: then nothing is known. */
	if (!error && checksum(*index, len) != trailer->index_checksum)
		error = -ENOENT;
	if (error)
		free(*index);
	return error;
}

/* Check the record of one line.  0; -EBADMSG; -EINTR; -ENOMEM. */
static int check_entry(struct copy *copy, const struct pack_entry *entry)
{
	const size_t len = RECORD_HEADER_SIZE + (size_t)entry->stored_len;
	struct record record;
	int error;

	if (interrupt_pending())
		return -EINTR;
	if (len > RECORD_HEADER_SIZE + RECORD_RAW_MAX || read_there(copy, entry->offset, copy->c->scratch, len) ||
	    is_blank(copy->c->scratch, RECORD_HEADER_SIZE))
		return 0;
	error = record_decode(copy->c->scratch, len, entry->kind, &entry->id, &record);
	if (!error)
		free(record.data);
	if (!error || error == -EBADMSG)
		count(copy->c, len);
	return error == -ENOTSUP ? 0 : error;
}

static int check_by_index(struct copy *copy, const uint8_t *index, const struct pack_trailer *trailer)
{
	int error = 0;

	for (uint32_t i = 0; i < trailer->count && !error; i++) {
		struct pack_entry entry;

		error = pack_entry_decode(index + (size_t)i * PACK_ENTRY_SIZE, trailer->index_offset, &entry);
		if (!error)
			error = check_entry(copy, &entry);
	}
	return error;
}

/* --- without --- */

/*
 * Whether what stands at AT is the index, which follows the last record: its first line begins as the header of the
 * record does that it speaks of.
 */
static bool is_index(struct copy *copy, uint64_t at, const uint8_t line[RECORD_HEADER_SIZE])
{
	const uint64_t offset = wire_get32(line + 12);
	uint8_t header[12];

	return offset >= PACK_HEADER_SIZE && offset + sizeof(header) <= at &&
	       !read_there(copy, offset, header, sizeof(header)) && !memcmp(header, line, sizeof(header));
}

/* Check the record at *AT, and move behind it.  0; -ENOENT at the end of what is known; -EBADMSG; -EINTR. */
static int check_next(struct copy *copy, uint64_t *at)
{
	uint8_t *data = copy->c->scratch;
	struct record_header header;
	size_t len;

	if (interrupt_pending())
		return -EINTR;
	if (read_there(copy, *at, data, RECORD_HEADER_SIZE) || is_blank(data, RECORD_HEADER_SIZE) ||
	    is_index(copy, *at, data))
		return -ENOENT;
	len = RECORD_HEADER_SIZE + (size_t)wire_get32(data + 8);
	if (len > RECORD_HEADER_SIZE + RECORD_RAW_MAX || (data[0] != RECORD_CHUNK && data[0] != RECORD_PAGE))
		return -EBADMSG;
	if (read_there(copy, *at, data, len))
		return -ENOENT;
	if (record_decode_header(data, len, data[0], &header))
		return -EBADMSG;
	count(copy->c, len);
	*at += len;
	return 0;
}

static int check_in_order(struct copy *copy)
{
	uint64_t at = PACK_HEADER_SIZE;
	int error;

	while (!(error = check_next(copy, &at)))
		;
	return error == -ENOENT ? 0 : error;
}

/* --- files --- */

/* Whether the header is the pack's, where it is there; *KNOWN: records begin behind it. */
static int check_header(struct copy *copy, bool *known)
{
	uint8_t data[PACK_HEADER_SIZE];
	struct header header;

	*known = false;
	if (read_there(copy, 0, data, sizeof(data)) || is_blank(data, sizeof(data)))
		return 0;
	if (header_decode(HEADER_MAGIC_PACK, data, &header) || !pack_id_equal(&header.pack, &copy->id))
		return -EBADMSG;
	*known = !header.count;
	return 0;
}

static int check_copy(struct copy *copy)
{
	struct pack_trailer trailer;
	uint8_t *index;
	bool known;
	int error = check_header(copy, &known);

	if (error)
		return error;
	error = read_index(copy, &index, &trailer);
	if (!error) {
		error = check_by_index(copy, index, &trailer);
		free(index);
		return error;
	}
	return error == -ENOENT && known ? check_in_order(copy) : error == -ENOENT ? 0 : error;
}

/* 0; -ENOENT where it went; -EBADMSG where it is damaged. */
static int check_pack(struct checking *c, int folder, const char *name)
{
	struct copy copy = {.c = c};
	int error = pack_id_parse(name, strlen(name), &copy.id);

	if (error)
		return -EBADMSG;
	copy.fd = io_open_regular(c->cached->io, folder, name, &copy.size);
	if (copy.fd < 0)
		return copy.fd == -ELOOP ? -EBADMSG : copy.fd;
	c->result->packs++;
	error = check_copy(&copy);
	io_close(c->cached->io, copy.fd);
	return error;
}

static int check_root(struct checking *c, int folder, const char *name)
{
	const char *hex = strchr(name, '-');
	struct record record;
	struct id id;
	size_t len;
	void *data;
	int error = hex && !id_parse(hex + 1, strlen(hex + 1), &id) ? 0 : -EBADMSG;

	if (!error)
		error = io_read_file(c->cached->io, folder, name, STORE_ROOT_FILE_MAX, &data, &len);
	if (error)
		return error == -ELOOP || error == -EFBIG ? -EBADMSG : error;
	c->result->roots++;
	error = store_decode_root(data, len, &id, &record);
	free(data);
	if (error)
		return error == -ENOTSUP ? 0 : error;
	free(record.data);
	c->result->checked_bytes += len;
	if (c->progress)
		c->progress(c->arg, len);
	return 0;
}

static int check_file(void *arg, const struct cached_place *place, uint64_t bytes)
{
	struct checking *c = arg;
	char path[sizeof(place->name) + 16];
	int folder = cached_open_folder(c->cached, place, false), error;

	if (interrupt_pending())
		error = -EINTR;
	else if (folder < 0)
		error = folder;
	else
		error = strcmp(place->top, CACHED_PACKS) ? check_root(c, folder, place->name)
		                                         : check_pack(c, folder, place->name);
	io_close(c->cached->io, folder);
	if (error != -EBADMSG)
		return error == -ENOENT || error == -EACCES ? 0 : error;
	snprintf(path, sizeof(path), "%s/%s/%s", place->top, place->sub, place->name);
	c->tell(c->arg, path);
	error = cached_remove_file(c->cached, place);
	if (error && error != -ENOENT)
		return error;
	c->result->damaged++;
	c->result->removed_bytes += bytes;
	return 0;
}

int cached_check(struct cached *cached, void (*tell)(void *arg, const char *path),
                 void (*progress)(void *arg, uint64_t bytes), void *arg, struct cached_check *result)
{
	struct checking c = {.cached = cached, .tell = tell, .progress = progress, .arg = arg, .result = result};
	int error;

	*result = (struct cached_check){0};
	c.scratch = malloc(RECORD_HEADER_SIZE + RECORD_RAW_MAX);
	if (!c.scratch)
		return -ENOMEM;
	error = cached_each_file(cached, check_file, &c);
	free(c.scratch);
	return error;
}
