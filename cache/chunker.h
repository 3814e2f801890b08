/*
 * Content-defined chunking: FastCDC with normalised sizes (Xia et al., "The Design of Fast Content-Defined Chunking for
 * Data Deduplication Based Storage Systems", IEEE TPDS 31(9), 2020).
 *
 * Chunker 1, fixed for ever: its gear table, sizes and masks stand in revfs-format(5).  Cuts depend on nothing but the
 * bytes from the start of the file.  Thread-safe after the first call.
 */
#ifndef CACHE_CHUNKER_H
#define CACHE_CHUNKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNKER_NUMBER 1
#define CHUNK_MIN 16384
#define CHUNK_AVERAGE 65536
#define CHUNK_MAX 262144

/*
 * The length of the first chunk of DATA, whose first byte is the first of a file or follows a cut.
 * LAST says that the file ends with DATA.  Returns 1 to CHUNK_MAX, or 0 where more bytes are needed to tell: never when
 * LAST is set and LEN is above 0, or when LEN is at least CHUNK_MAX.
 */
size_t chunker_cut(const uint8_t *data, size_t len, bool last);

/* Whether zeros alone are never cut before CHUNK_MAX, so that a hole may be skipped; true for chunker 1. */
bool chunker_zeros_fill(void);

/* The gear table, for tests and documentation: 256 words. */
const uint64_t *chunker_gear(void);

#endif
