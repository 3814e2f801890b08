#include "tools/aws/aws_container.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/aws/aws_answer.h"
#include "tools/fail.h"
#include "tools/secret_file.h"

#define WHO "the container's service"
#define AUTHORITY "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:-[]"

/* HOST without brackets. */
static bool is_own_host(const char *host)
{
	static const char *const services[] = {"169.254.170.2", "169.254.170.23"};
	struct in6_addr six, eks;
	struct in_addr four;

	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
		if (!strcmp(host, services[i]))
			return true;
	}
	if (!strcasecmp(host, "localhost"))
		return true;
	if (inet_pton(AF_INET, host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, host, &six) != 1 || inet_pton(AF_INET6, "fd00:ec2::23", &eks) != 1)
		return false;
	return IN6_IS_ADDR_LOOPBACK(&six) || IN6_ARE_ADDR_EQUAL(&six, &eks);
}

/* Whether the host of what stands behind "http://" is one of this machine.  What may be read in two ways is not. */
static bool is_own(const char *rest)
{
	size_t len = strcspn(rest, "/?#"), digits;
	char authority[128], *host = authority, *end;

	if (len >= sizeof(authority) || strspn(rest, AUTHORITY) < len)
		return false;
	memcpy(authority, rest, len);
	authority[len] = '\0';
	end = authority + strcspn(authority, ":");
	if (*authority == '[') {
		host++;
		end = strchr(host, ']');
		if (!end)
			return false;
		*end++ = '\0';
	}
	digits = *end == ':' ? strspn(end + 1, "0123456789") : 0;
	if (*end && (*end != ':' || end[1 + digits]))
		return false;
	*end = '\0';
	return is_own_host(host);
}

static bool is_printable(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text > '~')
			return false;
	}
	return true;
}

int aws_container_url(struct aws_look *look, char **url, bool *local)
{
	const char *relative = aws_look_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = aws_look_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");

	if (!relative && !full)
		return -ENOENT;
	if (!is_printable(relative ? relative : full))
		return aws_look_fail(look, -EINVAL, "AWS_CONTAINER_CREDENTIALS_%s_URI is no URI",
		                     relative ? "RELATIVE" : "FULL");
	if (relative) {
		*local = true;
		if (asprintf(url, "http://169.254.170.2%s%s", *relative == '/' ? "" : "/", relative) < 0)
			return -ENOMEM;
		return 0;
	}
	*local = !strncasecmp(full, "http://", 7) && is_own(full + 7);
	if (!*local && strncasecmp(full, "https://", 8) != 0)
		return aws_look_fail(look, -EACCES,
		                     "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on this machine");
	*url = strdup(full);
	return *url ? 0 : -ENOMEM;
}

/* *HEADER is for credentials_wipe(); NULL where no token is set. */
static int find_authorization(struct aws_look *look, char **header)
{
	const char *path = aws_look_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	const char *set = aws_look_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	char *text = NULL;
	int error = path ? secret_file_read(path, &text) : 0;

	*header = NULL;
	if (error)
		return aws_look_fail(look, error == -ENOENT ? -EINVAL : error, "cannot read the token file '%s': %s",
		                     path, error == -ENOENT ? strerror(ENOENT) : error_text(error));
	if (text) {
		text[strcspn(text, "\r\n")] = '\0';
		set = text;
	}
	if (set && strpbrk(set, "\r\n"))
		error = aws_look_fail(look, -EINVAL, "AWS_CONTAINER_AUTHORIZATION_TOKEN is no token");
	else if (set && asprintf(header, "authorization: %s", set) < 0)
		error = -ENOMEM;
	credentials_wipe(text);
	return error;
}

int aws_container_get(struct aws_look *look, struct credentials *found)
{
	struct aws_call call = {.timeout_ms = AWS_CONTAINER_WAIT_S * 1000};
	char *url = NULL, *header = NULL;
	int error = aws_container_url(look, &url, &call.local);

	if (!error)
		error = find_authorization(look, &header);
	if (!error) {
		call.url = url;
		call.headers = (const char *const[]){header};
		call.header_count = header ? 1 : 0;
		error = aws_answer_ask(look, WHO, &call, found);
	}
	aws_call_release(&call);
	credentials_wipe(header);
	free(url);
	return error;
}
