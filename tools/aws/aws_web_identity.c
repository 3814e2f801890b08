#include "tools/aws/aws_web_identity.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/aws/aws_answer.h"
#include "tools/aws/aws_http.h"
#include "tools/aws/aws_place.h"
#include "tools/fail.h"
#include "tools/secret_file.h"

#define WHO "AWS's STS"
#define DURATION_S "3600"

/* Append NAME=VALUE, percent-encoded, to a body that has room. */
static void append(char **at, const char *name, const char *value)
{
	*at += sprintf(*at, "&%s=", name);
	for (; *value; value++) {
		if (isalnum((unsigned char)*value) || strchr("-_.~", *value))
			*(*at)++ = *value;
		else
			*at += sprintf(*at, "%%%02X", (unsigned char)*value);
	}
	**at = '\0';
}

/* The body of the request, for credentials_wipe(); NULL without memory. */
static char *compose(const struct aws_role *role, const char *token)
{
	static const char begin[] = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&DurationSeconds=" DURATION_S;
	char made_up[64];
	const char *session = role->session ? role->session : made_up;
	char *body, *at;

	snprintf(made_up, sizeof(made_up), "revfs-%ld", (long)getpid());
	body = malloc(sizeof(begin) + 64 + 3 * (strlen(role->arn) + strlen(session) + strlen(token)));
	if (!body)
		return NULL;
	at = stpcpy(body, begin);
	append(&at, "RoleArn", role->arn);
	append(&at, "RoleSessionName", session);
	append(&at, "WebIdentityToken", token);
	return body;
}

/* The URL of STS, malloc'ed; NULL without memory.  A region goes into a host's name, so it must look like one. */
static char *find_url(const struct aws_profile *profile)
{
	const char *endpoint = aws_place_endpoint(profile, "sts"), *region = aws_place_region(profile);
	char *url;
	int len;

	if (endpoint)
		return strdup(endpoint);
	if (!region || strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(region))
		return strdup("https://sts.amazonaws.com/");
	len = asprintf(&url, "https://sts.%s.amazonaws.com%s/", region, strncmp(region, "cn-", 3) ? "" : ".cn");
	return len < 0 ? NULL : url;
}

/* {"Error":{"Code":"ExpiredTokenException"}}; the message may repeat what was sent. */
static int refused(struct aws_look *look, long status, const json_t *answer)
{
	const char *code = json_string_value(json_object_get(json_object_get(answer, "Error"), "Code"));

	if (status == 429 || status >= 500)
		return aws_look_fail(look, -EREMOTEIO, WHO " failed with the status %ld", status);
	return aws_look_fail(look, -EKEYREJECTED, WHO " refused the web identity: %.100s (status %ld)",
	                     code ? code : "without a reason", status);
}

static int take(struct aws_look *look, const struct aws_call *call, struct credentials *found)
{
	const json_t *inner;
	json_t *answer = NULL;
	int error = aws_answer_parse(look, WHO, call->text ? call->text : "", &answer);

	if (call->status != 200) {
		error = refused(look, call->status, answer);
	} else if (!error) {
		inner = json_object_get(answer, "AssumeRoleWithWebIdentityResponse");
		inner = json_object_get(inner, "AssumeRoleWithWebIdentityResult");
		error = aws_answer_take(look, WHO, json_object_get(inner, "Credentials"), found);
	}
	aws_answer_free(answer);
	return error;
}

static int ask(struct aws_look *look, const struct aws_profile *profile, const char *body, struct credentials *found)
{
	static const char *const headers[] = {"accept: application/json",
	                                      "content-type: application/x-www-form-urlencoded"};
	char *url = find_url(profile);
	struct aws_call call = {
	    .method = HTTP_POST,
	    .url = url,
	    .headers = headers,
	    .header_count = 2,
	    .body = body,
	    .timeout_ms = AWS_WEB_IDENTITY_WAIT_S * 1000,
	};
	int error = url ? aws_http_call(look, &call) : -ENOMEM;

	if (!error)
		error = take(look, &call, found);
	else if (error != -EINTR && error != -ENOMEM)
		aws_look_fail(look, error, "cannot ask " WHO ": %s", error_text(error));
	aws_call_release(&call);
	free(url);
	return error;
}

int aws_web_identity_get(struct aws_look *look, const struct aws_profile *profile, const struct aws_role *role,
                         struct credentials *found)
{
	char *token, *body;
	int error = secret_file_read(role->token_file, &token);

	if (error)
		return aws_look_fail(look, error == -ENOENT ? -EINVAL : error, "cannot read the token file '%s': %s",
		                     role->token_file, error == -ENOENT ? strerror(ENOENT) : error_text(error));
	token[strcspn(token, "\r\n")] = '\0';
	body = compose(role, token);
	error = body ? ask(look, profile, body, found) : -ENOMEM;
	credentials_wipe(body);
	credentials_wipe(token);
	return error;
}
