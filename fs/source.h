/*
 * Where pages and chunks come from: behind the memory the local store, then remotes; pages are decoded once.
 *
 * Thread-safe.  Pinned values stay valid until they are given back.
 */
#ifndef FS_SOURCE_H
#define FS_SOURCE_H

#include "cache/fetch.h"
#include "cache/memory.h"
#include "cache/store.h"
#include "cache/writer.h"
#include "fs/page.h"

struct source;

/*
 * Read through STORE (borrowed; NULL: none) with MEMORY (borrowed).  WRITER (borrowed, may be NULL): records not yet
 * committed are read from it; the source then belongs to the writer's thread.  Returns 0 or -ENOMEM.
 */
int source_open(struct store *store, struct memory *memory, struct store_writer *writer, struct source **source);

/*
 * What the store does not have, or not whole, shall come from what FIND finds (*FETCH, NULL: from nowhere); it is asked
 * each time that happens, by any thread, and an error (-errno) of its own is the answer.  Before the first record is
 * asked for.
 */
void source_set_fetch(struct source *source, int (*find)(void *arg, struct fetch **fetch), void *arg);

/* What FIND finds now, borrowed: whence what the store does not have may come; NULL for nowhere, and where it fails. */
struct fetch *source_find_fetch(struct source *source);

/* What FIND answered last, borrowed; NULL for nothing, or where nothing was needed yet.  Waits for nothing. */
struct fetch *source_fetch(const struct source *source);

/* Another one of the same store, memory and remotes, without a writer: it may be used beside the thread to which SOURCE
 * belongs.  Returns 0 or -ENOMEM. */
int source_open_beside(const struct source *source, struct source **beside);

/* Free; nothing may be pinned. */
void source_close(struct source *source);

struct page_pin {
	const struct page *page; /* NULL: not pinned */
	struct memory_value value;
};

/*
 * Pin a page, which must be of KIND; HINT (may be NULL) says where it may lie.
 * Returns 0; -ENODATA where no store holds it (never -ENOENT, so that it cannot be taken for a missing name); -EBADMSG,
 * -ENOTSUP, -ENOMEM, -errno.
 */
int source_pin_page(struct source *s, enum page_kind kind, const struct id *id, const struct locator *hint,
                    struct page_pin *pin);

/* The same for the root of a dataset: its root file is looked at first, then the packs. */
int source_pin_root(struct source *s, enum page_kind kind, const struct id *id, struct page_pin *pin);

/* Give a page back; one that is not pinned is ignored. */
void source_unpin_page(struct source *s, struct page_pin *pin);

/* Pin a chunk, which must have LEN bytes.  Errors as source_pin_page(). */
int source_pin_chunk(struct source *s, const struct id *id, uint32_t len, const struct locator *hint,
                     struct memory_value *value);

/* Give a chunk back; SPENT: its end was used, so that a reader who goes forward will not ask for it again. */
void source_unpin_chunk(struct source *s, struct memory_value *value, bool spent);

/* What the source was opened with, borrowed. */
struct memory *source_memory(struct source *s);

/* The same; may be NULL. */
struct store *source_store(struct source *s);

/* How many pages were asked of the store (not found in memory), for counters and tests. */
uint64_t source_pages_loaded(const struct source *s);

/* The same of chunks. */
uint64_t source_chunks_loaded(const struct source *s);

/* How many records the store had. */
uint64_t source_records_found(const struct source *s);

#endif
