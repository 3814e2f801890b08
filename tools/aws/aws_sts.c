#include "tools/aws/aws_sts.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "cache/http/sigv4.h"
#include "cache/id.h"
#include "cache/s3/s3_url.h"
#include "tools/aws/aws_answer.h"
#include "tools/aws/aws_place.h"
#include "tools/fail.h"

#define WHO "AWS's STS"
#define GLOBAL_URL "https://sts.amazonaws.com"
#define GLOBAL_REGION "us-east-1"
#define VERSION "2011-06-15"
#define HEADERS_MAX 6

/* Where STS is. */
struct place {
	char *url;
	char *host; /* as the header Host says it */
	const char *path;
	const char *region; /* that a signature names */
};

/* What is sent. */
struct message {
	char *headers[HEADERS_MAX];
	size_t header_count;
	char *body;
};

const char *aws_sts_session(const char *name, char room[AWS_STS_SESSION_SIZE])
{
	if (name)
		return name;
	snprintf(room, AWS_STS_SESSION_SIZE, "revfs-%ld", (long)getpid());
	return room;
}

/* --- where it is --- */

/* The regions that "legacy" means the one of the whole world for. */
static bool is_legacy(const struct aws_profile *profile, const char *region)
{
	static const char *const regions[] = {"ap-northeast-1", "ap-south-1",   "ap-southeast-1", "ap-southeast-2",
	                                      "aws-global",     "ca-central-1", "eu-central-1",   "eu-north-1",
	                                      "eu-west-1",      "eu-west-2",    "eu-west-3",      "sa-east-1",
	                                      "us-east-1",      "us-east-2",    "us-west-1",      "us-west-2"};
	const char *set = aws_look_variable("AWS_STS_REGIONAL_ENDPOINTS");

	if (!set)
		set = aws_profile_get(profile, "sts_regional_endpoints");
	if (!set || strcasecmp(set, "legacy") != 0)
		return false;
	for (size_t i = 0; i < sizeof(regions) / sizeof(*regions); i++) {
		if (!strcmp(region, regions[i]))
			return true;
	}
	return false;
}

int aws_sts_url(const struct aws_profile *profile, char **url, const char **region)
{
	const char *endpoint = aws_place_endpoint(profile, "sts"), *set = aws_place_region(profile);

	if (!set || !s3_region_ok(set) || (!endpoint && is_legacy(profile, set)))
		set = NULL;
	*region = set ? set : GLOBAL_REGION;
	if (set && !endpoint)
		return aws_place_url("sts", set, url);
	*url = strdup(endpoint ? endpoint : GLOBAL_URL);
	return *url ? 0 : -ENOMEM;
}

/* What is signed must be what is sent: of a URL that may be read in two ways nothing is.  It is not shown: there may be
 * a password in it. */
static int split_url(struct aws_look *look, struct place *place)
{
	const char *host = strstr(place->url, "://");
	size_t len;

	host = host ? host + 3 : "";
	len = strcspn(host, "/");
	if (!len || strpbrk(host, "?#@%\\ ") || !aws_http_fits(place->url))
		return aws_look_fail(look, -EINVAL, "the endpoint of STS is no URL that can be signed for");
	place->path = host[len] ? host + len : "/";
	place->host = strndup(host, len);
	return place->host ? 0 : -ENOMEM;
}

/* --- what is sent --- */

__attribute__((format(printf, 2, 3))) static int add_header(struct message *m, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&m->headers[m->header_count], format, args);
	va_end(args);
	if (len < 0)
		return -ENOMEM;
	m->header_count++;
	return 0;
}

static void release(struct message *m)
{
	while (m->header_count)
		credentials_wipe(m->headers[--m->header_count]);
	credentials_wipe(m->body);
}

static int compose_body(const struct aws_sts_call *call, struct message *m)
{
	struct aws_field fields[2 + AWS_STS_FIELDS_MAX] = {{"Action", call->action}, {"Version", VERSION}};

	assert(call->field_count <= AWS_STS_FIELDS_MAX);
	memcpy(fields + 2, call->fields, call->field_count * sizeof(*fields));
	m->body = aws_http_form(fields, 2 + call->field_count);
	return m->body ? 0 : -ENOMEM;
}

/* The headers of M from FIRST on are those that are signed, and in their order. */
static int sign(const struct place *place, const struct credentials *signer, size_t first, struct message *m)
{
	char date[SIGV4_DATE_SIZE], digest[ID_HEX_SIZE], *line;
	struct sigv4_request request = {
	    .method = "POST",
	    .path = place->path,
	    .query = "",
	    .headers = (const char *const *)m->headers + first,
	    .payload = digest,
	    .date = sigv4_date(time(NULL), date),
	    .region = place->region,
	    .service = "sts",
	    .user = signer->user,
	    .secret = signer->secret,
	};
	struct id id;
	int error = add_header(m, "host: %s", place->host);

	if (!error)
		error = add_header(m, "x-amz-date: %s", date);
	if (!error && signer->token)
		error = add_header(m, "x-amz-security-token: %s", signer->token);
	if (error)
		return error;
	id_of(m->body, strlen(m->body), &id);
	id_format(&id, digest);
	request.header_count = m->header_count - first;
	error = sigv4_sign(&request, &line);
	if (!error)
		m->headers[m->header_count++] = line;
	return error;
}

static int compose(struct aws_look *look, const struct aws_sts_call *call, struct place *place, struct message *m)
{
	const struct credentials *signer = call->signer;
	int error = compose_body(call, m);

	if (!error)
		error = add_header(m, "accept: application/json");
	if (!error)
		error = add_header(m, "content-type: application/x-www-form-urlencoded");
	if (error || !signer)
		return error;
	if (!aws_http_fits(signer->user) || (signer->token && !aws_http_fits(signer->token)))
		return aws_look_fail(look, -EINVAL, "the keys for %s can be in no header", call->subject);
	error = split_url(look, place);
	return error ? error : sign(place, signer, 1, m);
}

/* --- what comes back --- */

/* {"Error":{"Code":"ExpiredTokenException"}}; the message may repeat what was sent. */
static int refused(struct aws_look *look, const char *subject, long status, const json_t *answer)
{
	const char *code = json_string_value(json_object_get(json_object_get(answer, "Error"), "Code"));

	if (status == 429 || status >= 500)
		return aws_look_fail(look, -EREMOTEIO, WHO " failed with the status %ld", status);
	return aws_look_fail(look, -EKEYREJECTED, WHO " refused %s: %.100s (status %ld)", subject,
	                     code ? code : "without a reason", status);
}

/* {"XResponse":{"XResult":{"Credentials":{...}}}} of the action X. */
static int take(struct aws_look *look, const struct aws_sts_call *call, const struct aws_call *http,
                struct credentials *found)
{
	char name[64];
	const json_t *inner;
	json_t *answer = NULL;
	int error = aws_answer_parse(look, WHO, http->text ? http->text : "", &answer);

	if (http->status != 200) {
		error = refused(look, call->subject, http->status, answer);
	} else if (!error) {
		snprintf(name, sizeof(name), "%sResponse", call->action);
		inner = json_object_get(answer, name);
		snprintf(name, sizeof(name), "%sResult", call->action);
		inner = json_object_get(inner, name);
		error = aws_answer_take(look, WHO, json_object_get(inner, "Credentials"), found);
	}
	aws_answer_free(answer);
	return error;
}

int aws_sts_ask(struct aws_look *look, const struct aws_profile *profile, const struct aws_sts_call *call,
                struct credentials *found)
{
	struct place place = {0};
	struct message message = {0};
	struct aws_call http = {.method = HTTP_POST, .timeout_ms = AWS_STS_WAIT_S * 1000};
	int error = aws_sts_url(profile, &place.url, &place.region);

	if (!error)
		error = compose(look, call, &place, &message);
	if (!error) {
		http.url = place.url;
		http.headers = (const char *const *)message.headers;
		http.header_count = message.header_count;
		http.body = message.body;
		error = aws_http_call(look, &http);
		if (!error)
			error = take(look, call, &http, found);
		else if (error != -EINTR && error != -ENOMEM)
			aws_look_fail(look, error, "cannot ask " WHO ": %s", error_text(error));
	}
	aws_call_release(&http);
	release(&message);
	free(place.host);
	free(place.url);
	return error;
}
