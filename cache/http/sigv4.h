/*
 * The signature of a request to a service of AWS, or one like it: Amazon's "Signature Version 4", from AWS's
 * description of it ("Create a signed AWS API request").
 *
 * Ours and not libcurl's, since what is signed must be what is sent: of libcurl's versions one sends a date that it is
 * given twice, another signs a query as it stands.  Thread-safe; no I/O.
 */
#ifndef CACHE_SIGV4_H
#define CACHE_SIGV4_H

#include <stddef.h>
#include <time.h>

#define SIGV4_DATE_SIZE 17 /* "20130524T000000Z", with the NUL byte */

struct sigv4_request {
	const char *method;         /* "GET" */
	const char *path;           /* percent-encoded, as it is sent; begins with a slash */
	const char *query;          /* the same: each "name=value", in the order of names; "" for none */
	const char *const *headers; /* lines "name: value", names in lower case and in their order, "host" among them */
	size_t header_count;
	const char *payload; /* the SHA-256 of the body in hex, or a word of the service's */
	const char *date;    /* that of the header x-amz-date */
	const char *region;
	const char *service; /* "s3", "sts" */
	const char *user;
	const char *secret;
};

/* Format TIME as x-amz-date has it; returns DATE. */
char *sigv4_date(time_t time, char date[SIGV4_DATE_SIZE]);

/*
 * *LINE: the header "Authorization: ..." for R, malloc'ed, the caller frees it.  0; -EINVAL where that is longer than
 * any; -ENOMEM.
 */
int sigv4_sign(const struct sigv4_request *r, char **line);

#endif
