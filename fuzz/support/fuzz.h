/*
 * What fuzz targets share: an io over one file in memory, requirements, and seals, which make checksums right again so
 * that mutated bytes reach what lies behind them.
 */
#ifndef FUZZ_SUPPORT_FUZZ_H
#define FUZZ_SUPPORT_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "cache/io.h"

/* One run of a target; what it finds wrong ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What must hold for every input. */
#define REQUIRE(holds)                                                                                                 \
	do {                                                                                                           \
		if (!(holds))                                                                                          \
			abort();                                                                                       \
	} while (0)

/* The file that every path of fuzz_file_io() leads to; read-only.  Bytes are borrowed. */
struct fuzz_file {
	const uint8_t *data;
	size_t len;
	int open; /* descriptors not closed */
};

/* An io over FILE; valid while FILE is. */
struct io fuzz_file_io(struct fuzz_file *file);

/* A copy of LEN bytes in a block of exactly that length, for the caller to free; never NULL. */
uint8_t *fuzz_copy(const uint8_t *data, size_t len);

/* Make the checksum of a file's header of 64 bytes right, where there are as many. */
void fuzz_seal_header(uint8_t *data, size_t len);

/* Make the checksum of the record in these LEN bytes right, as far as its stored length goes. */
void fuzz_seal_record(uint8_t *data, size_t len);

#endif
