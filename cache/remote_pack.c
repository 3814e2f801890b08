#include "cache/remote_pack.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/checksum.h"
#include "cache/shelf.h"

/* What is read at first: the index of a usual pack, and the trailer. */
#define TAIL ((uint64_t)64 << 10)

/* Read exactly LEN bytes. */
static int read_exact(struct remote *remote, const char *path, uint64_t offset, uint8_t *data, size_t len)
{
	ssize_t got = remote_read(remote, path, offset, data, len);

	if (got < 0)
		return (int)got;
	return (size_t)got == len ? 0 : -EBADMSG;
}

static int decode(const uint8_t *bytes, const struct pack_trailer *trailer, struct pack_entry **entries)
{
	struct pack_entry *lines = calloc((size_t)trailer->count + 1, sizeof(*lines));
	int error = lines ? 0 : -ENOMEM;

	if (!error && checksum(bytes, (size_t)trailer->count * PACK_ENTRY_SIZE) != trailer->index_checksum)
		error = -EBADMSG;
	for (uint32_t i = 0; i < trailer->count && !error; i++) {
		error = pack_entry_decode(bytes + (size_t)i * PACK_ENTRY_SIZE, trailer->index_offset, &lines[i]);
		if (!error && i > 0 && pack_entry_cmp(&lines[i - 1], &lines[i]) >= 0)
			error = -EBADMSG;
	}
	if (error)
		free(lines);
	else
		*entries = lines;
	return error;
}

int remote_pack_read_index(struct remote *remote, const struct pack_id *id, uint64_t size, struct pack_entry **entries,
                           size_t *count)
{
	char path[SHELF_PATH_SIZE];
	const size_t tail = (size_t)(size < TAIL ? size : TAIL);
	struct pack_trailer trailer;
	uint8_t *bytes, *whole;
	size_t index;
	int error;

	if (size < PACK_HEADER_SIZE + PACK_TRAILER_SIZE || size > PACK_SIZE_MAX)
		return -EBADMSG;
	bytes = malloc(tail);
	if (!bytes)
		return -ENOMEM;
	error = read_exact(remote, shelf_path(id, "", path), size - tail, bytes, tail);
	if (!error)
		error = pack_trailer_decode(bytes + tail - PACK_TRAILER_SIZE, size, &trailer);
	if (!error && !pack_id_equal(&trailer.pack, id))
		error = -EBADMSG;
	if (error) {
		free(bytes);
		return error;
	}
	index = (size_t)(size - trailer.index_offset);
	if (index > tail) {
		whole = realloc(bytes, index);
		error = whole ? 0 : -ENOMEM;
		if (whole) {
			bytes = whole;
			error = read_exact(remote, path, trailer.index_offset, bytes, index);
		}
		if (!error)
			error = decode(bytes, &trailer, entries);
	} else {
		error = decode(bytes + tail - index, &trailer, entries);
	}
	if (!error)
		*count = trailer.count;
	free(bytes);
	return error;
}
