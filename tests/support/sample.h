/*
 * Sample records for tests of stores: chunk or page N has bytes, and so an id, that follow from N alone.
 *
 * Everything here asserts that it works; to be called on the test's own thread.
 */
#ifndef TESTS_SUPPORT_SAMPLE_H
#define TESTS_SUPPORT_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "cache/store.h"
#include "cache/writer.h"

#define SAMPLE_TAIL 7 /* bytes of a page behind what is hashed */

struct sample {
	unsigned kind; /* RECORD_CHUNK, RECORD_PAGE */
	struct id id;
	uint32_t len;
	uint32_t hashed_len;
	uint8_t *data; /* malloc'ed */
};

/* The real machine, but syncing costs nothing: for tests that write a great many small stores. */
const struct io *sample_io(void);

/* Sample N of LEN bytes, which do not compress; sample_release() frees. */
void sample_init(struct sample *sample, unsigned kind, unsigned n, uint32_t len);
void sample_release(struct sample *sample);

/* The id alone. */
struct id sample_id(unsigned kind, unsigned n, uint32_t len);

/* Add sample N to the writer.  Returns what store_writer_put() did. */
int sample_put(struct store_writer *w, unsigned kind, unsigned n, uint32_t len, struct locator *locator);

/* Read sample N: -EINVAL where other bytes came than should, else what store_read() did. */
int sample_read(struct store *store, unsigned kind, unsigned n, uint32_t len, const struct locator *hint);

#endif
