/*
 * What the two files of the HTTP client share: a transfer is set up and its answer taken by one, run by the other.
 */
#ifndef CACHE_HTTP_INSIDE_H
#define CACHE_HTTP_INSIDE_H

#include <curl/curl.h>

#include "cache/http/http.h"

/* Belongs to who waits for it; to the client's thread from the moment that it is begun until it is done. */
struct http_transfer {
	struct http_transfer *next; /* of those not begun yet */
	struct http_request *request;
	const char *ca_file; /* the client's; NULL: the system's */
	CURL *handle;
	struct curl_slist *headers;
	char range[64];
	uint64_t sent;       /* bytes of the request's body */
	size_t header_bytes; /* of all answers */
	uint64_t skip;       /* bytes of the body still to be passed over */
	bool counting;       /* the headers of the present answer were looked at */
	bool to_text;        /* its body goes to the request's TEXT */
	bool is_range;       /* it is the range that was asked for, and nothing else */
	size_t text_room;
	bool enough;   /* there is no more room: the rest is not wanted */
	bool wrong;    /* the answer is not to what was asked */
	int failed;    /* an error of ours, of what libcurl called */
	bool given_up; /* guarded by the client's lock, as is DONE */
	bool done;
	int error;
	char said[CURL_ERROR_SIZE]; /* by libcurl, where that is more than the error */
};

/* Make the handle of T.  0, -EINVAL, -ENOMEM. */
int http_transfer_set_up(struct http_transfer *t);

/* What the end CODE of T means; leaves in SAID what else there is to say. */
int http_transfer_error(struct http_transfer *t, CURLcode code);

/* T has ended: complete what is told of its answer, free what was set up. */
void http_transfer_end(struct http_transfer *t);

#endif
