/*
 * The few small requests that a look for credentials makes.
 */
#ifndef TOOLS_AWS_HTTP_H
#define TOOLS_AWS_HTTP_H

#include "tools/aws/aws_look.h"

#define AWS_HTTP_ANSWER_MAX ((size_t)64 << 10)

struct aws_call {
	enum http_method method;
	const char *url;
	const char *const *headers; /* as those of struct http_request */
	size_t header_count;
	const char *body; /* NULL: none */
	bool local;       /* a service of this machine: no proxy stands before it */
	unsigned timeout_ms;
	/* Set by aws_http_call(): */
	long status;
	char *text; /* the body of the answer, whatever its status, cut off at AWS_HTTP_ANSWER_MAX; or NULL */
};

/* Make CALL.  No redirect is followed.  0 for any answer; -ETIMEDOUT, -EINTR; else as http_run().  aws_call_release()
 * frees the answer and may be called in any case. */
int aws_http_call(struct aws_look *look, struct aws_call *call);

/* A field of a form, or of a URL's query. */
struct aws_field {
	const char *name;
	const char *value; /* NULL: it is left out */
};

/* "name=value&name=value", values percent-encoded (RFC 3986); for credentials_wipe().  NULL where there is no memory.
 */
char *aws_http_form(const struct aws_field *fields, size_t count);

/* Whether TEXT can stand in a header: not empty, and no byte of it ends a line. */
bool aws_http_fits(const char *text);

/* Wipe and free the answer. */
void aws_call_release(struct aws_call *call);

#endif
