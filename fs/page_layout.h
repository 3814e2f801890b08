/*
 * Private to fs/page*.c: the numbers of the format, and how a decoded page lies in memory.
 */
#ifndef FS_PAGE_LAYOUT_H
#define FS_PAGE_LAYOUT_H

#include "cache/chunker.h"
#include "fs/page.h"

#define PAGE_HEADER_SIZE 16
#define PAGE_FORMAT 1
#define PAGE_CHUNKER 1
#define PAGE_HASH 1
#define PAGE_MAGIC "RVPG"
#define TAIL_MAGIC "RVTL"
#define TAIL_HEADER_SIZE 5
#define TAIL_FORMAT 1

#define ENTRY_KIND_MASK 0x07
#define ENTRY_EXECUTABLE 0x08
#define ENTRY_FORM_SHIFT 4
#define ENTRY_FORM_MASK 0x03
#define ENTRY_RESERVED 0xc0

/* No chunk that another one follows is shorter: the chunker looks for a cut behind byte CHUNK_MIN. */
#define CHUNK_FOLLOWED_MIN (CHUNK_MIN + 1)

#define CUT_BITS 9
#define CUT_MASK 511

/* Marks in the table of offsets, which stay far below: an entry that is broken; one that names a record. */
#define OFFSET_BROKEN 0x80000000u
#define OFFSET_NAMES_RECORD 0x40000000u
#define OFFSET_MASK 0x3fffffffu

/* What the tail says of one entry or reference. */
struct page_label {
	int64_t seconds;
	uint32_t nanoseconds; /* NANOSECONDS_UNKNOWN: no time */
	uint32_t offset;
	uint32_t stored_len;
	uint32_t pack; /* 0: unknown, else one more than its place in the table */
};

#define NANOSECONDS_UNKNOWN UINT32_MAX

/* Whether HASH, the checksum of a key, lets a page of LEVEL (0 to 5) close. */
static inline bool page_hash_closes(uint64_t hash, unsigned level)
{
	return (hash >> CUT_BITS * level & CUT_MASK) == 0;
}

/* Whether an entry of that kind and form names a record, so that the tail has a place for it. */
static inline bool page_names_record(unsigned kind, unsigned form)
{
	return kind == ENTRY_DIRECTORY || ((kind == ENTRY_FILE || kind == ENTRY_SYMLINK) && form != CONTENT_INLINE);
}

/*
 * Whether an entry of a known kind is one that a page may hold, its name apart: form and size, bit, link target,
 * totals. A foreign entry of an unknown algorithm or digest length passes.
 */
bool page_entry_fits(const struct entry *entry);

/* Whether the algorithm of a foreign entry is one of FOREIGN_*, with a digest of its length. */
bool page_foreign_is_known(const struct entry *entry);

#endif
