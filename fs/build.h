/*
 * Building directories and chunk lists: entries in order go in, pages come out, cut by content (revfs-format(5)).
 *
 * Pages are written through a store_writer, children first; equal pages are found there and not written again.  Memory
 * holds one open page a level.  A builder belongs to one thread.
 */
#ifndef FS_BUILD_H
#define FS_BUILD_H

#include "cache/writer.h"
#include "fs/content.h"
#include "fs/page.h"
#include "fs/tree.h"

struct builder;

/* What was built, as a parent names it. */
struct built {
	struct id id;
	struct locator locator;
	struct totals totals;
};

/* Begin a directory (PAGE_DIRECTORY) or a chunk list (PAGE_LIST).  Returns 0 or -ENOMEM. */
int builder_open(struct store_writer *writer, enum page_kind kind, struct builder **builder);

/*
 * Add the next entry of a directory.  Names must increase strictly: -EINVAL otherwise; -EINVAL too for names that may
 * not be, for a broken entry and for one whose form, size or bits contradict each other; -ENAMETOOLONG; -EOVERFLOW
 * where totals pass 2^63; else the writer's errors.  After a failure only close is allowed.
 */
int builder_add(struct builder *b, const struct entry *entry);

/* Add the next chunk (COUNT of them) of a list; equal neighbours are merged.  A chunk that the chunker would not have
 * cut where it stands is -EINVAL. */
int builder_add_chunk(struct builder *b, const struct list_entry *entry);

/* Whether no page of LEVEL or below is open: what was added so far ends with whole pages. */
bool builder_at_boundary(const struct builder *b, unsigned level);

/*
 * Add a whole finished page of LEVEL of a directory by reference, unread.  Allowed only where builder_at_boundary(),
 * and only for a page that closed by its names or that will be the last.
 */
int builder_add_page(struct builder *b, unsigned level, const struct reference *page);

/* Finish: writes the open pages up to one root.  A list of less than two chunks is -EINVAL.  After success the builder
 * may begin anew. */
int builder_finish(struct builder *b, struct built *built);

/* Free; what was not finished is dropped.  NULL is ignored. */
void builder_close(struct builder *b);

/*
 * The content of a file from its chunks, which are fed in order by content_builder_add(): one chunk or a list.  Chunks
 * themselves must have been added to the writer before.  Files of at most PAGE_INLINE_MAX bytes have no chunks: their
 * content is the caller's to make.
 */
struct content_builder {
	struct store_writer *writer;
	struct builder *list;    /* NULL until it is needed */
	struct list_entry first; /* count 0: none yet */
	bool in_list;            /* first, and what followed, stand in the list */
	uint64_t size;
};

/* Begin; borrows WRITER. */
void content_builder_init(struct content_builder *b, struct store_writer *writer);

/* Feed the next chunk, COUNT times.  0; -EFBIG where the size passes 2^63; errors of builder_add_chunk(). */
int content_builder_add(struct content_builder *b, const struct list_entry *chunk);

/* The content fed since init or the last finish, and begin anew.  -EINVAL where it should have been inline.  After a
 * failure here or in add only release is allowed. */
int content_builder_finish(struct content_builder *b, struct content *content);

/* Free; what was not finished is dropped. */
void content_builder_release(struct content_builder *b);

/* Write the root page of a one-file dataset: ENTRY is a file, its name is not looked at. */
int builder_file_root(struct store_writer *writer, const struct entry *entry, struct built *built);

/* Put the root file of a built page (read back through WRITER) into STORE.  Call after store_writer_commit(). */
int builder_put_root(struct store *store, struct store_writer *writer, const struct built *built);

#endif
