/*
 * What an S3 service says in XML: listings, errors, the names of uploads.  Read with expat.
 *
 * Nothing is believed: a document that declares a type or nests deeply is none, values have limits.  Thread-safe.
 */
#ifndef CACHE_S3_XML_H
#define CACHE_S3_XML_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define S3_CODE_SIZE 64
#define S3_KEY_MAX 1024 /* bytes of a key */

/* Why a request failed. */
struct s3_error {
	char code[S3_CODE_SIZE];   /* "NoSuchKey" */
	char region[S3_CODE_SIZE]; /* where the bucket is; "" where it is not said */
};

/* Decode an answer that is an error.  0; -ENOENT where it is XML, but of something else; -EPROTO; -ENOMEM. */
int s3_xml_error(const char *text, size_t len, struct s3_error *error);

/* Decode the name of an upload that was begun: *ID is malloc'ed, the caller frees it.  0; -EPROTO; -ENOMEM. */
int s3_xml_upload(const char *text, size_t len, char **id);

struct s3_item {
	char *key; /* decoded */
	uint64_t size;
	time_t time;
};

/* A part of a listing. */
struct s3_page {
	struct s3_item *items;
	size_t count;
	char *next; /* the token that the next part is asked for with; NULL: this is the last */
};

/* Decode a part of a listing.  0 (the caller releases PAGE); -EPROTO; -ENOMEM. */
int s3_xml_page(const char *text, size_t len, struct s3_page *page);

/* Free what s3_xml_page() made. */
void s3_page_release(struct s3_page *page);

/* An upload in parts that has not ended. */
struct s3_unfinished {
	char *key; /* decoded */
	char *id;
	time_t time; /* of its begin */
};

/* A part of a list of them. */
struct s3_uploads {
	struct s3_unfinished *items;
	size_t count;
	char *next_key; /* decoded: behind which the next part is asked for, together with */
	char *next_id;  /* this; NULL: this is the last */
};

/* Decode a part of such a list.  0 (the caller releases UPLOADS); -EPROTO; -ENOMEM. */
int s3_xml_uploads(const char *text, size_t len, struct s3_uploads *uploads);

/* Free what s3_xml_uploads() made. */
void s3_uploads_release(struct s3_uploads *uploads);

#endif
