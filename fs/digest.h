/*
 * The second stage of a snapshot: reads the files of a batch, cuts and hashes them, and compresses the chunks that the
 * store does not have and that are not named by the old tree either.
 *
 * Several threads digest batches at the same time.
 */
#ifndef FS_DIGEST_H
#define FS_DIGEST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cache/writer.h"
#include "fs/batch.h"
#include "fs/layer.h"
#include "fs/old_chunks.h"

struct digest;

struct digest_setup {
	struct store_writer *writer;
	int level;                  /* of compression */
	enum layer_dialect dialect; /* of the upper folder that the files are in */
	bool outside_links;         /* links that lead out of the dataset are no problems */
	bool elsewhere;             /* what the stat cache says of a file is in the old tree, which may lie elsewhere */
	struct old_chunks *old;     /* what need not be stored although the store lacks it; NULL: nothing */
	const atomic_bool *cancelled; /* once true nothing more is read */
};

/* By SETUP, which is copied; what it points to is borrowed.  Returns 0 or -ENOMEM. */
int digest_new(const struct digest_setup *setup, struct digest **digest);
void digest_free(struct digest *digest); /* NULL is ignored; no thread may be in it */

/*
 * Work on BATCH: entries that are not `same` get their content (inline bytes, or chunks) and the stamp their file had,
 * or become problems; chunks of large files get ids.  Memory that runs out marks the batch as failed.
 */
void digest_batch(struct digest *digest, struct batch *batch);

#endif
