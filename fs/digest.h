/*
 * The second stage of a snapshot: reads the files of a batch, cuts and hashes them, and compresses the chunks that the
 * store does not have.
 *
 * Several threads digest batches at the same time.
 */
#ifndef FS_DIGEST_H
#define FS_DIGEST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cache/writer.h"
#include "fs/batch.h"

struct digest;

/*
 * Compress at LEVEL.  Links that lead out of the dataset become problems unless OUTSIDE_LINKS.  WRITER and CANCELLED
 * are borrowed; once the flag is true nothing more is read.  Returns 0 or -ENOMEM.
 */
int digest_new(struct store_writer *writer, int level, bool outside_links, const atomic_bool *cancelled,
               struct digest **digest);
void digest_free(struct digest *digest); /* NULL is ignored; no thread may be in it */

/*
 * Work on BATCH: entries that are not `same` get their content (inline bytes, or chunks) and the stamp their file had,
 * or become problems; chunks of large files get ids.  Memory that runs out marks the batch as failed.
 */
void digest_batch(struct digest *digest, struct batch *batch);

#endif
