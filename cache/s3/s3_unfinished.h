/*
 * Uploads in parts that were begun in an S3 service and never ended: their parts take room, and no listing shows them.
 *
 * Thread-safe.
 */
#ifndef CACHE_S3_UNFINISHED_H
#define CACHE_S3_UNFINISHED_H

#include "cache/s3/s3.h"

/* As remote_sweep(), of the packs of the store alone.  How many bytes there are is not known. */
int s3_unfinished_sweep(struct s3 *s3, time_t before, bool dry, struct remote_unfinished *swept);

#endif
