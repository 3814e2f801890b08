#include "cache/pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/header.h"

/* pack_find() reads this many lines at a time: 6 KiB, about what the guess by interpolation is off in a usual pack. */
#define FIND_LINES 128
/* Guesses before it halves instead, so that ids that are not spread evenly cost no more than a binary search. */
#define FIND_GUESSES 4

/* Nothing changes after pack_open(), so that threads share a pack without a lock. */
struct pack {
	const struct io *io;
	int fd;
	uint64_t size;
	struct pack_trailer trailer;
};

static int read_ends(struct pack *pack, const struct pack_id *id)
{
	uint8_t bytes[PACK_HEADER_SIZE];
	struct header header;
	if (pack->size < PACK_HEADER_SIZE + PACK_TRAILER_SIZE || pack->size > PACK_SIZE_MAX)
		return -EBADMSG;
	int r = io_read_exact(pack->io, pack->fd, bytes, PACK_HEADER_SIZE, 0);
	if (r == 0)
		r = header_decode(HEADER_MAGIC_PACK, bytes, &header);
	if (r == 0)
		r = io_read_exact(pack->io, pack->fd, bytes, PACK_TRAILER_SIZE, pack->size - PACK_TRAILER_SIZE);
	if (r == 0)
		r = pack_trailer_decode(bytes, pack->size, &pack->trailer);
	if (r == 0 && (!pack_id_equal(&header.pack, id) || !pack_id_equal(&pack->trailer.pack, id)))
		r = -EBADMSG;
	return r;
}

int pack_open(const struct io *io, int dirfd, const char *path, const struct pack_id *id, struct pack **pack)
{
	struct pack *p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->io = io;
	p->fd = io_open_regular(io, dirfd, path, &p->size);
	int r = p->fd < 0 ? p->fd : read_ends(p, id);
	if (r < 0)
		pack_close(p);
	else
		*pack = p;
	return r;
}

void pack_close(struct pack *pack)
{
	if (!pack)
		return;
	io_close(pack->io, pack->fd);
	free(pack);
}

const struct pack_id *pack_id(const struct pack *pack)
{
	return &pack->trailer.pack;
}

uint64_t pack_size(const struct pack *pack)
{
	return pack->size;
}

uint32_t pack_count(const struct pack *pack)
{
	return pack->trailer.count;
}

/* Whether a record of STORED_LEN bytes may lie at OFFSET. */
static bool in_records(const struct pack *pack, uint32_t offset, uint32_t stored_len)
{
	return offset >= PACK_HEADER_SIZE &&
	       (uint64_t)offset + RECORD_HEADER_SIZE + stored_len <= pack->trailer.index_offset;
}

int pack_read(struct pack *pack, uint32_t offset, uint32_t stored_len, unsigned kind, const struct id *id,
              struct record *record)
{
	if (!in_records(pack, offset, stored_len))
		return -EBADMSG;
	return record_read(pack->io, pack->fd, offset, stored_len, kind, id, record);
}

int pack_read_stored(struct pack *pack, const struct pack_entry *entry, uint8_t *data)
{
	const size_t len = RECORD_HEADER_SIZE + (size_t)entry->stored_len;
	struct record_header header;
	if (!in_records(pack, entry->offset, entry->stored_len))
		return -EBADMSG;
	int r = io_read_exact(pack->io, pack->fd, data, len, entry->offset);
	if (r == 0)
		r = record_decode_header(data, len, entry->kind, &header);
	if (r != 0)
		return r;
	bool same = header.codec == entry->codec && header.dictionary == entry->dictionary &&
	            header.raw_len == entry->raw_len && header.stored_len == entry->stored_len;
	return same ? 0 : -EBADMSG;
}

static uint64_t line_offset(const struct pack *pack, uint32_t slot)
{
	return pack->trailer.index_offset + (uint64_t)slot * PACK_ENTRY_SIZE;
}

int pack_entry_at(struct pack *pack, uint32_t slot, struct pack_entry *entry)
{
	uint8_t line[PACK_ENTRY_SIZE];
	if (slot >= pack->trailer.count)
		return -ERANGE;
	int r = io_read_exact(pack->io, pack->fd, line, sizeof(line), line_offset(pack, slot));
	return r < 0 ? r : pack_entry_decode(line, pack->trailer.index_offset, entry);
}

/*
 * A search: what is sought lies in slots [low, high), above the line LOWER and below the line UPPER, so far as they are
 * known.  Each step reads a window of lines and narrows it.
 */
struct search {
	struct pack_entry wanted; /* kind and id only */
	uint32_t low;
	uint32_t high;
	bool has_lower;
	bool has_upper;
	struct pack_entry lower;
	struct pack_entry upper;
	unsigned guesses;
};

/* The first 64 bits of an id, as a number; ids are spread evenly over them. */
static uint64_t id_number(const struct id *id)
{
	uint64_t n = 0;
	for (unsigned i = 0; i < 8; i++)
		n = n << 8 | id->bytes[i];
	return n;
}

/* The slot where the wanted line should be: by interpolation at first, in the middle later. */
static uint32_t guess_slot(struct search *s)
{
	const uint32_t span = s->high - s->low;
	if (s->guesses++ >= FIND_GUESSES)
		return s->low + span / 2;
	const bool same_below = s->has_lower && s->lower.kind == s->wanted.kind;
	const bool same_above = s->has_upper && s->upper.kind == s->wanted.kind;
	const uint64_t from = same_below ? id_number(&s->lower.id) : 0;
	const uint64_t to = same_above ? id_number(&s->upper.id) : UINT64_MAX;
	const uint64_t at = id_number(&s->wanted.id);
	if (to <= from || at < from)
		return s->low + span / 2;
	double part = (double)(at - from) / (double)(to - from);
	uint32_t steps = (uint32_t)(part * span);
	return s->low + (steps < span ? steps : span - 1);
}

/* Read the lines [FIRST, FIRST + COUNT) and check that they rise, and lie between what is known around them. */
static int read_window(struct pack *pack, const struct search *s, uint32_t first, uint32_t count,
                       struct pack_entry *lines)
{
	uint8_t bytes[FIND_LINES * PACK_ENTRY_SIZE];
	int r = io_read_exact(pack->io, pack->fd, bytes, (size_t)count * PACK_ENTRY_SIZE, line_offset(pack, first));
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		r = pack_entry_decode(bytes + (size_t)i * PACK_ENTRY_SIZE, pack->trailer.index_offset, &lines[i]);
		if (r == 0 && i > 0 && pack_entry_cmp(&lines[i - 1], &lines[i]) >= 0)
			r = -EBADMSG;
	}
	if (r < 0)
		return r;
	if (s->has_lower && pack_entry_cmp(&s->lower, &lines[0]) >= 0)
		return -EBADMSG;
	if (s->has_upper && pack_entry_cmp(&lines[count - 1], &s->upper) >= 0)
		return -EBADMSG;
	return 0;
}

/* Look for the wanted line in a window that must hold it, if any does.  0 or -ENOENT. */
static int search_window(const struct search *s, const struct pack_entry *lines, uint32_t count,
                         struct pack_entry *entry)
{
	uint32_t low = 0;
	uint32_t high = count;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		int order = pack_entry_cmp(&lines[middle], &s->wanted);
		if (order == 0) {
			*entry = lines[middle];
			return 0;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return -ENOENT;
}

/* Read around the guess.  Returns 0 (found), -ENOENT, another -errno, or 1 where the search goes on, narrowed. */
static int search_step(struct pack *pack, struct search *s, struct pack_entry *entry)
{
	struct pack_entry lines[FIND_LINES];
	const uint32_t span = s->high - s->low;
	const uint32_t count = span < FIND_LINES ? span : FIND_LINES;
	const uint32_t guess = guess_slot(s);
	uint32_t first = guess - s->low > count / 2 ? guess - count / 2 : s->low;
	if (first > s->high - count)
		first = s->high - count;
	int r = read_window(pack, s, first, count, lines);
	if (r < 0)
		return r;
	if (pack_entry_cmp(&s->wanted, &lines[0]) < 0) {
		s->high = first;
		s->upper = lines[0];
		s->has_upper = true;
		return 1;
	}
	if (pack_entry_cmp(&s->wanted, &lines[count - 1]) > 0) {
		s->low = first + count;
		s->lower = lines[count - 1];
		s->has_lower = true;
		return 1;
	}
	return search_window(s, lines, count, entry);
}

int pack_find(struct pack *pack, unsigned kind, const struct id *id, struct pack_entry *entry)
{
	struct search s = {.high = pack->trailer.count, .wanted = {.kind = (uint8_t)kind, .id = *id}};
	if (kind > UINT8_MAX)
		return -ENOENT;
	while (s.low < s.high) {
		int r = search_step(pack, &s, entry);
		if (r <= 0)
			return r;
	}
	return -ENOENT;
}

int pack_read_index(struct pack *pack, struct pack_entry **entries)
{
	const uint32_t count = pack->trailer.count;
	const size_t len = (size_t)count * PACK_ENTRY_SIZE;
	uint8_t *bytes = malloc(len + 1);
	struct pack_entry *lines = calloc((size_t)count + 1, sizeof(*lines));
	int r = -ENOMEM;
	if (!bytes || !lines)
		goto out;
	r = io_read_exact(pack->io, pack->fd, bytes, len, pack->trailer.index_offset);
	if (r == 0 && checksum(bytes, len) != pack->trailer.index_checksum)
		r = -EBADMSG;
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		r = pack_entry_decode(bytes + (size_t)i * PACK_ENTRY_SIZE, pack->trailer.index_offset, &lines[i]);
		if (r == 0 && i > 0 && pack_entry_cmp(&lines[i - 1], &lines[i]) >= 0)
			r = -EBADMSG;
	}
	if (r == 0) {
		*entries = lines;
		lines = NULL;
	}
out:
	free(lines);
	free(bytes);
	return r;
}
