#include "tools/aws/aws_http.h"

#include <errno.h>
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

void aws_call_release(struct aws_call *call)
{
	credentials_wipe(call->text);
	call->text = NULL;
}
