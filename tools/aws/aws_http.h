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

/* Wipe and free the answer. */
void aws_call_release(struct aws_call *call);

#endif
