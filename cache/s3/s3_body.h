/*
 * What goes along with a request to an S3 service: a part of what is to be put, and its SHA-256.
 */
#ifndef CACHE_S3_BODY_H
#define CACHE_S3_BODY_H

#include "cache/http/http.h"
#include "cache/id.h"
#include "cache/remote.h"

/* LEN bytes from OFFSET of FROM.  Does not move while a request is on its way. */
struct s3_body {
	const struct io *io;
	struct remote_body from; /* its file is borrowed */
	uint64_t offset;
	struct http_body http;
	char digest[ID_HEX_SIZE];
};

/* Take them, and read them once for their digest.  0; -EBADMSG where there are fewer; -EINTR; -errno of reading. */
int s3_body_init(struct s3_body *body, const struct io *io, const struct remote_body *from, uint64_t offset,
                 uint64_t len);

#endif
