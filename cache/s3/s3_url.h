/*
 * Where the files of a store lie in an S3 service: bucket, prefix and server, and the URLs of requests.
 *
 * Addresses are written as they are signed: percent-encoded once (RFC 3986), parameters in the order of their names.
 * Thread-safe; no I/O.
 */
#ifndef CACHE_S3_URL_H
#define CACHE_S3_URL_H

#include <stdbool.h>
#include <stddef.h>

#define S3_REGION_MAX 63

struct s3_place {
	char *bucket;
	char *prefix;   /* of keys: "", or ends with a slash */
	char *endpoint; /* "https://host:port/path" without a slash at its end; NULL: Amazon's */
};

/*
 * Take URL ("s3://BUCKET/PREFIX") and ENDPOINT (or NULL) apart.  0 (the caller releases PLACE); -EINVAL for a bucket
 * that can have no such name, a prefix with an empty part, "." or "..", and an endpoint that is not a URL of http or
 * https, or names a user; -ENOMEM.
 */
int s3_place_init(struct s3_place *place, const char *url, const char *endpoint);

/* Free what s3_place_init() took; one that is empty stays so. */
void s3_place_release(struct s3_place *place);

/* Whether REGION may be one: letters, digits and '-', not longer than S3_REGION_MAX. */
bool s3_region_ok(const char *region);

/* The parts of a request's URL, each malloc'ed. */
struct s3_url {
	char *url;
	char *host;  /* as the header Host says it */
	char *path;  /* percent-encoded */
	char *query; /* the same */
};

/*
 * The URL of the file PATH (of the bucket itself where that is NULL) in REGION, with QUERY behind it, which is encoded
 * and in order; "" for none.  0 (the caller releases URL); -ENOMEM.
 */
int s3_url_init(struct s3_url *url, const struct s3_place *place, const char *region, const char *path,
                const char *query);

/* Free what s3_url_init() made; one that is empty stays so. */
void s3_url_release(struct s3_url *url);

/* TEXT percent-encoded; slashes are kept where KEEP_SLASHES.  malloc'ed, or NULL. */
char *s3_encode(const char *text, bool keep_slashes);

/* Decode TEXT in place, where '+' is a blank.  Whether it was well-formed, and without a NUL byte. */
bool s3_decode(char *text);

#endif
