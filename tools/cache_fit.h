/*
 * Whether what is to be brought fits into the cache; where it does not, that is said beforehand.
 */
#ifndef TOOLS_CACHE_FIT_H
#define TOOLS_CACHE_FIT_H

#include "cache/cached.h"
#include "fs/remote/lack.h"

/* Bytes of the records that LACK found to be wanting. */
uint64_t cache_fit_wanted(const struct lack *lack);

/* Warn where WANTED_BYTES are more than CACHED may take.  STAY: they are to be pinned. */
void cache_fit_warn(const struct cached *cached, uint64_t wanted_bytes, bool stay);

#endif
