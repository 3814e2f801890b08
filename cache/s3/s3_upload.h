/*
 * Putting a file into an S3 service in parts: S3_UPLOAD_AT_ONCE of them on their way at a time.
 *
 * Uploads take turns: the next begins to send once one has begun its last parts.  An upload that fails is aborted, so
 * that its parts take no room.  Thread-safe.
 */
#ifndef CACHE_S3_UPLOAD_H
#define CACHE_S3_UPLOAD_H

#include "cache/s3/s3.h"

#define S3_UPLOAD_ABOVE ((uint64_t)32 << 20) /* files of more bytes are put in parts */
#define S3_UPLOAD_PART ((uint64_t)8 << 20)
#define S3_UPLOAD_PARTS_MAX 10000 /* larger parts are made where there would be more */
#define S3_UPLOAD_AT_ONCE 4

/*
 * Put BODY as PATH; IF_NONE_MATCH: only where there is nothing of that name.  What s3_run() returns; *OUTCOME is that
 * of the last step, where it was come to.
 */
int s3_upload(struct s3 *s3, const char *path, const struct remote_body *body, bool if_none_match,
              struct s3_outcome *outcome);

#endif
