/*
 * Pages: the nodes of the search trees that list a directory or the chunks of a large file (revfs-format(5)).
 *
 * page_decode() checks everything a single page can show, once; a decoded page is one flat piece of memory, immutable,
 * that may be shared by threads, and reading it cannot fail.
 */
#ifndef FS_PAGE_H
#define FS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cache/id.h"
#include "cache/record.h"
#include "cache/wire.h"

#define PAGE_ENTRIES_MIN 64
#define PAGE_ENTRIES_MAX 2048
#define PAGE_LEVELS_MAX 7
#define PAGE_INLINE_MAX 128
#define PAGE_SYMLINK_MAX 4095
#define PAGE_DEPTH_MAX 1024 /* folders below each other in a dataset; its own does not count */

enum page_kind {
	PAGE_DIRECTORY = 1,
	PAGE_FILE = 2, /* the root of a one-file dataset: one entry of empty name */
	PAGE_LIST = 3, /* chunks of a large file */
};

enum entry_kind {
	ENTRY_FILE = 1,
	ENTRY_DIRECTORY = 2,
	ENTRY_SYMLINK = 3,
	ENTRY_FOREIGN = 4, /* content addressed by another algorithm; listed, reading it is EIO */
};

/* How the bytes of a file or symlink are held; follows from the bytes alone. */
enum content_form {
	CONTENT_INLINE = 0, /* at most PAGE_INLINE_MAX bytes, in the entry */
	CONTENT_CHUNK = 1,  /* one chunk */
	CONTENT_LIST = 2,   /* a tree of chunk-list pages */
};

/* What is below a directory or a reference; all below 2^63. */
struct totals {
	uint64_t entries; /* a directory's own; of a reference, those in the pages below it */
	uint64_t files;   /* files, links and foreign entries, at any depth */
	uint64_t bytes;   /* sizes of files and foreign entries, at any depth */
};

/* A label, not identity. */
struct label_time {
	int64_t seconds;
	uint32_t nanoseconds;
	bool known;
};

#define FOREIGN_MD5 1
#define FOREIGN_SHA256 2

/*
 * One entry of a leaf page of a directory.  Pointers borrow from the page (or, when building, from the caller).
 *
 * A `broken` entry is one that a reader must not follow, while its siblings are fine: whoever asks for it gets -EIO,
 * nothing of it is ever written to a disk.  It is an entry whose name a file system could take for `.git`, one of an
 * unknown kind (`kind` is then none of the above), or a foreign one of an unknown algorithm or digest length.  It
 * counts in the totals like a file, with its size.  No page with a broken entry is ever built.
 */
struct entry {
	const char *name;
	uint16_t name_len;
	uint8_t kind; /* enum entry_kind */
	bool executable;
	bool broken;                /* see below */
	uint8_t form;               /* enum content_form, of files and symlinks */
	uint64_t size;              /* files: bytes; symlinks: length of the target; directories: 0 */
	const uint8_t *inline_data; /* CONTENT_INLINE: size bytes */
	struct id id;               /* CONTENT_CHUNK: chunk; CONTENT_LIST: root of the list; directories: root page */
	struct totals totals;       /* directories */
	const uint8_t *foreign;     /* ENTRY_FOREIGN: its algorithm byte and digest; of an unknown kind: all it holds */
	uint32_t foreign_len;
	/* Labels, from the tail. */
	struct locator locator; /* of what id names; offset 0 where unknown */
	struct label_time time;
};

/* One entry of a leaf page of a chunk list: COUNT equal chunks behind one another. */
struct list_entry {
	struct id id;
	uint32_t len;   /* 1 to CHUNK_MAX, of one chunk */
	uint64_t count; /* 1 or more */
	struct locator locator;
};

/* One entry of a page above the leaves. */
struct reference {
	const char *last; /* directories: the last name below; lists: the last chunk's id, 32 bytes */
	uint16_t last_len;
	struct id id;         /* of the page */
	struct totals totals; /* lists: entries and bytes */
	struct locator locator;
};

struct page {
	struct id id;
	uint8_t kind;
	uint8_t level;  /* 0: leaf */
	uint16_t count; /* entries or references */
	struct totals totals;
	/* private: where in this piece the tables lie, 0 for one that is not there */
	uint32_t sums_at;    /* what stands before each entry or reference, and all: count + 1 numbers */
	uint32_t labels_at;  /* what the tail says of each */
	uint32_t packs_at;   /* the tail's packs */
	uint32_t offsets_at; /* where each begins in bytes */
	uint32_t bytes_at;   /* the canonical part */
	uint32_t size;       /* of the whole piece */
};

/*
 * Decode the stored page RECORD (canonical part and tail), of which ID is known to be the hash.
 * *PAGE is one malloc'ed piece of *SIZE bytes, without pointers inside; the caller frees it.
 * Anything that the canonical part must not be is -EBADMSG: order, names, forms, totals that overflow, a cut where none
 * may be, bytes left over.  (An entry that is only `broken` is told as such.)  -ENOTSUP for a later format, -ENOMEM.
 * A tail that is missing, damaged or unknown is not an error: its labels are unknown.
 */
int page_decode(const struct id *id, const struct record *record, struct page **page, size_t *size);

/* Entry I (0 <= I < page->count) of a leaf of a directory or file page. */
void page_entry(const struct page *page, unsigned i, struct entry *entry);

/* Entry I of a leaf of a chunk list. */
void page_list_entry(const struct page *page, unsigned i, struct list_entry *entry);

/* Reference I of a page above the leaves. */
void page_reference(const struct page *page, unsigned i, struct reference *reference);

/* What an entry or a reference names. */
struct page_named {
	enum {
		NAMES_NOTHING,
		NAMES_PAGE,
		NAMES_CHUNK,
		NAMES_UNKNOWN, /* an entry of a later version: nobody here can tell */
	} what;
	bool broken;  /* the entry is */
	uint8_t kind; /* of a page: enum page_kind */
	struct id id;
	struct locator locator;
};

/* What entry or reference I of a page of any kind and level names, for those who go through all that is below. */
void page_named(const struct page *page, unsigned i, struct page_named *named);

/* The key of entry or reference I, without decoding the rest: a name or last name, in lists a chunk's id. */
const char *page_name(const struct page *page, unsigned i, size_t *len);

/* The first entry or reference whose (last) name is not below NAME, 0 to page->count.  Binary search; directories only.
 */
unsigned page_search(const struct page *page, const char *name, size_t len);

/*
 * How much stands before entry or reference I (0 <= I <= page->count) of this page: in a directory entries, in a list
 * bytes of content.
 */
uint64_t page_before(const struct page *page, unsigned i);

/* The entry or reference that holds entry (in a list: byte) POSITION, counted from the beginning of this page;
 * page->count where POSITION lies beyond the end.  Binary search. */
unsigned page_search_position(const struct page *page, uint64_t position);

/*
 * Encoding: append entries or references in order, then finish.  The encoder keeps the canonical part and the tail
 * apart until then, and believes what it is given (fs/build.h checks).  Zero-initialise, page_encoder_begin(), add,
 * page_encoder_finish(), begin again or release.
 */
struct page_encoder {
	struct buffer canonical;
	struct buffer packs; /* ids of the packs that locators name */
	struct buffer locators;
	struct buffer times;
	bool labelled; /* a locator or a time is known, so that there is a tail */
	bool overflow; /* totals passed their limit */
	struct totals totals;
	uint8_t kind;
	uint8_t level;
	uint16_t count;
};

/* Begin an empty page; what the encoder held is dropped. */
void page_encoder_begin(struct page_encoder *e, enum page_kind kind, unsigned level);

/* Append the next entry of a leaf of a directory or file page. */
void page_encoder_add(struct page_encoder *e, const struct entry *entry);

/* Append the next entry of a leaf of a list. */
void page_encoder_add_list(struct page_encoder *e, const struct list_entry *entry);

/* Append the next reference of a page above the leaves. */
void page_encoder_add_reference(struct page_encoder *e, const struct reference *reference);

/*
 * The stored page in OUT (cleared first): canonical part of *HASHED_LEN bytes, tail behind it; ID is the canonical
 * part's hash, *TOTALS what it holds.  Returns 0, -ENOMEM, or -EOVERFLOW where the totals pass 2^63.
 */
int page_encoder_finish(struct page_encoder *e, struct buffer *out, uint32_t *hashed_len, struct id *id,
                        struct totals *totals);

/* Free; the encoder may be used again after page_encoder_begin(). */
void page_encoder_release(struct page_encoder *e);

/*
 * Whether a page of level LEVEL closes behind an entry of key KEY that is its COUNTth: design of the cut in
 * revfs-format(5).  Keys are names, last names, or chunk ids.
 */
bool page_closes(const void *key, size_t len, unsigned level, unsigned count);

/* Add B to *A.  Returns whether all stayed below 2^63; otherwise *A is undefined. */
bool totals_add(struct totals *a, const struct totals *b);

/* Whether all three are equal. */
bool totals_equal(const struct totals *a, const struct totals *b);

/* What one entry counts for in the totals of its page: itself, and what is below it. */
void entry_totals(const struct entry *entry, struct totals *totals);

#endif
