#include "cache/moved.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/header.h"

#define ENTRY_SIZE 32
#define CHECKSUM_SIZE 8

struct moved {
	const struct io *io;
	int fd;
	uint32_t count;
};

static void entry_encode(const struct moved_entry *entry, uint8_t out[ENTRY_SIZE])
{
	wire_put32(out, entry->old_offset);
	wire_put32(out + 4, entry->now.offset);
	memcpy(out + 8, entry->now.pack.bytes, PACK_ID_SIZE);
	wire_put32(out + 24, entry->now.stored_len);
	wire_put32(out + 28, 0);
}

static int entry_decode(const uint8_t in[ENTRY_SIZE], struct moved_entry *entry)
{
	entry->old_offset = wire_get32(in);
	entry->now.offset = wire_get32(in + 4);
	memcpy(entry->now.pack.bytes, in + 8, PACK_ID_SIZE);
	entry->now.stored_len = wire_get32(in + 24);
	bool fits = entry->old_offset >= HEADER_SIZE && entry->now.offset >= HEADER_SIZE &&
	            entry->now.stored_len <= RECORD_RAW_MAX && wire_get32(in + 28) == 0;
	return fits ? 0 : -EBADMSG;
}

/* The header of the file of PACK, which has SIZE bytes. */
static int decode_header(const uint8_t bytes[HEADER_SIZE], const struct pack_id *pack, uint64_t size, uint32_t *count)
{
	struct header header;
	int r = header_decode(HEADER_MAGIC_MOVED, bytes, &header);
	if (r < 0)
		return r;
	if (!pack_id_equal(&header.pack, pack) ||
	    size != HEADER_SIZE + (uint64_t)header.count * ENTRY_SIZE + CHECKSUM_SIZE)
		return -EBADMSG;
	*count = header.count;
	return 0;
}

static int read_header(struct moved *m, const struct pack_id *pack, uint64_t size)
{
	uint8_t bytes[HEADER_SIZE];
	int r = io_read_exact(m->io, m->fd, bytes, sizeof(bytes), 0);
	return r == 0 ? decode_header(bytes, pack, size, &m->count) : r;
}

int moved_open(const struct io *io, int dirfd, const char *path, const struct pack_id *pack, struct moved **moved)
{
	struct moved *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	uint64_t size;
	m->io = io;
	m->fd = io_open_regular(io, dirfd, path, &size);
	int r = m->fd < 0 ? m->fd : read_header(m, pack, size);
	if (r < 0)
		moved_close(m);
	else
		*moved = m;
	return r;
}

void moved_close(struct moved *moved)
{
	if (!moved)
		return;
	io_close(moved->io, moved->fd);
	free(moved);
}

int moved_find(const struct moved *moved, uint32_t old_offset, struct locator *now)
{
	uint32_t low = 0, high = moved->count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint8_t bytes[ENTRY_SIZE];
		struct moved_entry entry;
		int r = io_read_exact(moved->io, moved->fd, bytes, sizeof(bytes),
		                      HEADER_SIZE + (uint64_t)middle * ENTRY_SIZE);
		if (r == 0)
			r = entry_decode(bytes, &entry);
		if (r < 0)
			return r;
		if (entry.old_offset == old_offset) {
			*now = entry.now;
			return 0;
		}
		if (entry.old_offset < old_offset)
			low = middle + 1;
		else
			high = middle;
	}
	return -ENOENT;
}

/* The ALL entries at BYTES, and the checksum behind them. */
static int decode_list(const uint8_t *bytes, uint32_t all, struct moved_entry **entries, size_t *count)
{
	const size_t len = (size_t)all * ENTRY_SIZE;
	int r = wire_get64(bytes + len) == checksum(bytes, len) ? 0 : -EBADMSG;
	struct moved_entry *list = r == 0 ? calloc(all ? all : 1, sizeof(*list)) : NULL;
	if (r == 0 && !list)
		r = -ENOMEM;
	for (uint32_t i = 0; i < all && r == 0; i++) {
		r = entry_decode(bytes + (size_t)i * ENTRY_SIZE, &list[i]);
		if (r == 0 && i > 0 && list[i].old_offset <= list[i - 1].old_offset)
			r = -EBADMSG;
	}
	if (r < 0) {
		free(list);
		return r;
	}
	*entries = list;
	*count = all;
	return 0;
}

int moved_read(const struct moved *moved, struct moved_entry **entries, size_t *count)
{
	const size_t len = (size_t)moved->count * ENTRY_SIZE + CHECKSUM_SIZE;
	uint8_t *bytes = malloc(len);
	int r = bytes ? io_read_exact(moved->io, moved->fd, bytes, len, HEADER_SIZE) : -ENOMEM;
	if (r == 0)
		r = decode_list(bytes, moved->count, entries, count);
	free(bytes);
	return r;
}

int moved_decode(const void *data, size_t len, const struct pack_id *pack, struct moved_entry **entries, size_t *count)
{
	uint32_t all;
	int r = len < HEADER_SIZE ? -EBADMSG : decode_header(data, pack, len, &all);
	return r == 0 ? decode_list((const uint8_t *)data + HEADER_SIZE, all, entries, count) : r;
}

int moved_encode(const struct pack_id *pack, const struct moved_entry *entries, size_t count, struct buffer *out)
{
	struct header header = {.count = (uint32_t)count, .pack = *pack};
	uint8_t bytes[HEADER_SIZE];
	assert(count <= UINT32_MAX);
	header_encode(HEADER_MAGIC_MOVED, &header, bytes);
	buffer_append(out, bytes, HEADER_SIZE);
	const size_t begin = out->len;
	for (size_t i = 0; i < count; i++) {
		assert(i == 0 || entries[i].old_offset > entries[i - 1].old_offset);
		entry_encode(&entries[i], bytes);
		buffer_append(out, bytes, ENTRY_SIZE);
	}
	if (!out->failed)
		buffer_put64(out, checksum(out->data + begin, out->len - begin));
	return out->failed ? -ENOMEM : 0;
}

static int compare_offset(const void *key, const void *element)
{
	const uint32_t *offset = key;
	const struct moved_entry *entry = element;
	return *offset < entry->old_offset ? -1 : *offset > entry->old_offset;
}

const struct moved_entry *moved_lookup(const struct moved_entry *entries, size_t count, uint32_t old_offset)
{
	return count ? bsearch(&old_offset, entries, count, sizeof(*entries), compare_offset) : NULL;
}
