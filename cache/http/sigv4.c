#include "cache/http/sigv4.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/foreign.h"
#include "cache/id.h"
#include "cache/wire.h"

#define DAY_LEN 8 /* of a date: "20130524" */
#define SCOPE_SIZE 256

char *sigv4_date(time_t time, char date[SIGV4_DATE_SIZE])
{
	struct tm tm;

	if (!gmtime_r(&time, &tm) || !strftime(date, SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm))
		strcpy(date, "19700101T000000Z");
	return date;
}

static void add(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

/* The names of the headers with ';' between. */
static void add_names(struct buffer *b, const struct sigv4_request *r)
{
	for (size_t i = 0; i < r->header_count; i++) {
		if (i)
			add(b, ";");
		buffer_append(b, r->headers[i], strcspn(r->headers[i], ":"));
	}
}

/* "name: value" as "name:value" with single blanks within and none around. */
static void add_header(struct buffer *b, const char *line)
{
	size_t name_len = strcspn(line, ":");
	const char *at = line + name_len + strspn(line + name_len, ": \t");

	buffer_append(b, line, name_len);
	add(b, ":");
	while (*at) {
		size_t word = strcspn(at, " \t");

		buffer_append(b, at, word);
		at += word + strspn(at + word, " \t");
		if (*at)
			add(b, " ");
	}
	add(b, "\n");
}

/* The id of what is asked in its one canonical form. */
static int digest_request(const struct sigv4_request *r, struct id *id)
{
	const char *parts[] = {r->method, r->path, r->query};
	struct buffer b = {0};
	bool failed;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		add(&b, parts[i]);
		add(&b, "\n");
	}
	for (size_t i = 0; i < r->header_count; i++)
		add_header(&b, r->headers[i]);
	add(&b, "\n");
	add_names(&b, r);
	add(&b, "\n");
	add(&b, r->payload);
	failed = b.failed;
	if (!failed)
		id_of(b.data, b.len, id);
	buffer_release(&b);
	return failed ? -ENOMEM : 0;
}

/* The key for a day, a region and a service, and with it the signature of TEXT. */
static int mac_of_scope(const struct sigv4_request *r, const char *text, struct foreign_mac *signature)
{
	char day[DAY_LEN + 1], *first = NULL;
	const char *steps[] = {r->region, r->service, "aws4_request", text};
	struct foreign_mac key = {{0}};
	int error = -ENOMEM;

	snprintf(day, sizeof(day), "%s", r->date);
	if (asprintf(&first, "AWS4%s", r->secret) >= 0) {
		error = foreign_mac(first, strlen(first), day, &key);
		explicit_bzero(first, strlen(first));
		free(first);
	}
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !error; i++) {
		struct foreign_mac before = key;

		error = foreign_mac(before.bytes, sizeof(before.bytes), steps[i], &key);
		explicit_bzero(&before, sizeof(before));
	}
	*signature = key;
	explicit_bzero(&key, sizeof(key));
	return error;
}

/* *LINE from its parts. */
static int compose(const struct sigv4_request *r, const char *scope, const struct foreign_mac *signature, char **line)
{
	struct buffer names = {0};
	char hex[ID_HEX_SIZE];
	struct id id;
	int len = -1;

	memcpy(id.bytes, signature->bytes, sizeof(id.bytes));
	add_names(&names, r);
	if (!names.failed)
		len =
		    asprintf(line, "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%.*s, Signature=%s",
		             r->user, scope, (int)names.len, (const char *)names.data, id_format(&id, hex));
	buffer_release(&names);
	return len < 0 ? -ENOMEM : 0;
}

int sigv4_sign(const struct sigv4_request *r, char **line)
{
	char scope[SCOPE_SIZE], hex[ID_HEX_SIZE], *text = NULL;
	struct foreign_mac signature = {{0}};
	struct id request;
	int len = snprintf(scope, sizeof(scope), "%.*s/%s/%s/aws4_request", DAY_LEN, r->date, r->region, r->service);
	int error = len < 0 || (size_t)len >= sizeof(scope) ? -EINVAL : digest_request(r, &request);

	if (!error && asprintf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", r->date, scope, id_format(&request, hex)) < 0)
		error = -ENOMEM;
	if (!error)
		error = mac_of_scope(r, text, &signature);
	if (!error)
		error = compose(r, scope, &signature, line);
	free(text);
	return error;
}
