#include "tools/aws/aws_http.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

int aws_http_call(struct aws_look *look, struct aws_call *call)
{
	const struct http_body body = {.data = call->body, .len = call->body ? strlen(call->body) : 0};
	struct http_request request = {
	    .url = call->url,
	    .method = call->method,
	    .headers = call->headers,
	    .header_count = call->header_count,
	    .body = call->method == HTTP_GET ? NULL : &body,
	    .text_max = AWS_HTTP_ANSWER_MAX,
	    .direct = true,
	    .no_proxy = call->local,
	};
	uint64_t limit;
	int error;

	call->text = NULL;
	error = look->http ? 0 : http_open(&look->http);
	if (error)
		return error;
	limit = interrupt_limit(call->timeout_ms);
	error = http_run(look->http, &request);
	if (interrupt_unlimit(limit) && error == -EINTR)
		error = -ETIMEDOUT;
	call->status = request.status;
	call->text = request.text;
	return error;
}

static char *append_encoded(char *at, const char *value)
{
	for (; *value; value++) {
		if (isalnum((unsigned char)*value) || strchr("-_.~", *value))
			*at++ = *value;
		else
			at += sprintf(at, "%%%02X", (unsigned char)*value);
	}
	*at = '\0';
	return at;
}

/* Room for all of it at once: no copy of a secret is left behind by growing. */
char *aws_http_form(const struct aws_field *fields, size_t count)
{
	size_t size = 1;
	char *form, *at;

	for (size_t i = 0; i < count; i++)
		size += fields[i].value ? strlen(fields[i].name) + 3 * strlen(fields[i].value) + 2 : 0;
	form = malloc(size);
	if (!form)
		return NULL;
	at = form;
	*at = '\0';
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].value)
			continue;
		at += sprintf(at, "%s%s=", at == form ? "" : "&", fields[i].name);
		at = append_encoded(at, fields[i].value);
	}
	return form;
}

bool aws_http_fits(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			return false;
	}
	return true;
}

void aws_call_release(struct aws_call *call)
{
	credentials_wipe(call->text);
	call->text = NULL;
}
