/*
 * Bundles: one file that carries a part of a store, and commits, to where no remote can be reached.
 *
 * A bundle is a tar archive (pax) of plain files, in this order: `bundle`, a text that says which revisions it has and
 * which it goes on from; `revfs-store`; packs and moved files, as in a store; roots; `commits.bundle` of git(1), where
 * it has one; `end`, a text with the number of files before it.  A reader refuses what else it finds.
 */
#ifndef TOOLS_BUNDLE_FILE_H
#define TOOLS_BUNDLE_FILE_H

#include "cache/id.h"
#include "cache/remote.h"

#define BUNDLE_MANIFEST "bundle"
#define BUNDLE_COMMITS "commits.bundle"
#define BUNDLE_END "end"
#define BUNDLE_MANIFEST_MAX ((size_t)1 << 20)

/* --- writing --- */

struct bundle_writer;

/* Begin the new file PATH, which must not be there.  0 or -errno. */
int bundle_writer_open(const char *path, struct bundle_writer **writer);

/*
 * The bundle as a remote that files are put to, once each; the writer is borrowed.  What was put is read back from the
 * file.  Belongs to one thread.  Errors are those of remote_open().
 */
int bundle_writer_remote(struct bundle_writer *writer, struct remote **remote);

/* Write the end; the file is complete and durable then, but for its name.  0 or -errno. */
int bundle_writer_finish(struct bundle_writer *writer, uint64_t *bytes);

/* Close.  NULL is ignored. */
void bundle_writer_close(struct bundle_writer *writer);

/* --- reading --- */

struct bundle_reader;

struct bundle_entry {
	enum {
		BUNDLE_IS_MANIFEST,
		BUNDLE_IS_STORE,
		BUNDLE_IS_PACK,
		BUNDLE_IS_MOVED,
		BUNDLE_IS_ROOT,
		BUNDLE_IS_COMMITS,
		BUNDLE_IS_END,
	} what;
	char name[REMOTE_PATH_SIZE];
	uint64_t size;
	struct pack_id pack; /* of a pack or moved file */
	struct id root;
};

/* Open the file PATH.  0 or -errno; -EBADMSG where it is no regular file. */
int bundle_reader_open(const char *path, struct bundle_reader **reader);

/* The next file of the bundle.  1; 0 behind the last, where nothing is missing; -EBADMSG where the bundle is damaged or
 * holds what it must not; -ENOTSUP where its store is one of a later version; -ENOMEM, -errno. */
int bundle_reader_next(struct bundle_reader *reader, struct bundle_entry *entry);

/* Read up to LEN bytes of the file that was told last.  The count, 0 at its end; -EBADMSG, -errno. */
ssize_t bundle_reader_read(struct bundle_reader *reader, void *data, size_t len);

/* All of it, at most LIMIT bytes: *DATA is malloc'ed, a NUL byte behind it.  0; -EBADMSG where it is longer, -ENOMEM.
 */
int bundle_reader_read_all(struct bundle_reader *reader, const struct bundle_entry *entry, size_t limit, void **data);

/* Close.  NULL is ignored. */
void bundle_reader_close(struct bundle_reader *reader);

#endif
