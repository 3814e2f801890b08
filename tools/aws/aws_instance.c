#include "tools/aws/aws_instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/aws/aws_answer.h"
#include "tools/fail.h"

#define WHO "the instance's metadata service"
#define ROLES "/latest/meta-data/iam/security-credentials/"
#define ROLE_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-"

static const char *instance_endpoint(void)
{
	const char *set = aws_look_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = aws_look_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");

	if (set)
		return set;
	return mode && !strcasecmp(mode, "IPv6") ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
}

/* Ask for PATH below the endpoint, and for NAME in it. */
static char *instance_url(const char *path, const char *name)
{
	const char *endpoint = instance_endpoint();
	size_t len = strlen(endpoint);
	char *url;

	while (len && endpoint[len - 1] == '/')
		len--;
	return asprintf(&url, "%.*s%s%s", (int)len, endpoint, path, name) < 0 ? NULL : url;
}

/* The header that every other request needs, for credentials_wipe(). */
static int begin_session(struct aws_look *look, char **header)
{
	static const char *const headers[] = {"x-aws-ec2-metadata-token-ttl-seconds: 21600"};
	char *url = instance_url("/latest/api/token", "");
	struct aws_call call = {
	    .method = HTTP_PUT,
	    .url = url,
	    .headers = headers,
	    .header_count = 1,
	    .body = "",
	    .local = true,
	    .timeout_ms = AWS_INSTANCE_FIRST_WAIT_S * 1000,
	};
	int error = url ? aws_http_call(look, &call) : -ENOMEM;

	/* A service that is not there is ordinary. */
	if (error && error != -EINTR && error != -ENOMEM)
		error = -ENOENT;
	if (!error && (call.status != 200 || !call.text || !*call.text || strpbrk(call.text, "\r\n")))
		error = -ENOENT;
	if (!error && asprintf(header, "x-aws-ec2-metadata-token: %s", call.text) < 0)
		error = -ENOMEM;
	aws_call_release(&call);
	free(url);
	return error;
}

static int find_role(struct aws_look *look, const char *const *headers, char **role)
{
	char *url = instance_url(ROLES, "");
	struct aws_call call = {
	    .url = url,
	    .headers = headers,
	    .header_count = 1,
	    .local = true,
	    .timeout_ms = AWS_INSTANCE_WAIT_S * 1000,
	};
	int error = url ? aws_http_call(look, &call) : -ENOMEM;
	const char *text;
	size_t len;

	if (error == -EINTR || error == -ENOMEM)
		goto out;
	if (error)
		error = aws_look_fail(look, error, "cannot ask " WHO ": %s", error_text(error));
	else if (call.status == 404)
		error = -ENOENT;
	else if (call.status != 200)
		error = aws_look_fail(look, -EREMOTEIO, WHO " answered with the status %ld", call.status);
	if (error)
		goto out;
	text = call.text ? call.text : "";
	len = strcspn(text, "\r\n");
	if (!len || strspn(text, ROLE_LETTERS) < len)
		error = aws_look_fail(look, -EPROTO, WHO " names no role");
	else
		*role = strndup(text, len);
	if (!error && !*role)
		error = -ENOMEM;
out:
	aws_call_release(&call);
	free(url);
	return error;
}

static int take_role(struct aws_look *look, const char *const *headers, const char *role, struct credentials *found)
{
	char *url = instance_url(ROLES, role);
	struct aws_call call = {
	    .url = url,
	    .headers = headers,
	    .header_count = 1,
	    .local = true,
	    .timeout_ms = AWS_INSTANCE_WAIT_S * 1000,
	};
	int error = url ? aws_answer_ask(look, WHO, &call, found) : -ENOMEM;

	aws_call_release(&call);
	free(url);
	return error;
}

int aws_instance_get(struct aws_look *look, struct credentials *found)
{
	const char *disabled = aws_look_variable("AWS_EC2_METADATA_DISABLED");
	char *header = NULL, *role = NULL;
	int error;

	if (disabled && !strcasecmp(disabled, "true"))
		return -ENOENT;
	error = begin_session(look, &header);
	if (!error)
		error = find_role(look, (const char *const[]){header}, &role);
	if (!error)
		error = take_role(look, (const char *const[]){header}, role, found);
	credentials_wipe(header);
	free(role);
	return error;
}
