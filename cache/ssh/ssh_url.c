#include "cache/ssh/ssh_url.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"

#define SCHEME "ssh://"

/* The value of a hex digit, or -1. */
static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* LEN bytes of TEXT with %XX decoded.  0; -EINVAL for what no name has; -ENOMEM. */
static int decode(const char *text, size_t len, char **out)
{
	char *to = malloc(len + 1);

	*out = to;
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)text[i];

		if (c == '%' && i + 2 < len && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
			c = digit(text[i + 1]) << 4 | digit(text[i + 2]);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return -EINVAL;
		*to++ = (char)c;
	}
	*to = '\0';
	return 0;
}

/* What ssh hands on to other programs must mean nothing to a shell. */
static bool is_name(const char *text)
{
	return *text && *text != '-' && !strpbrk(text, " '\"`$\\;&<>|(){}*?!#~@/");
}

static bool is_port(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5 && atoi(text) > 0 &&
	       atoi(text) <= UINT16_MAX;
}

/* [USER@]HOST[:PORT], LEN bytes. */
static int parse_authority(const char *text, size_t len, struct ssh_url *url)
{
	const char *end = text + len, *at = memrchr(text, '@', len), *host = at ? at + 1 : text;
	const char *host_end, *colon;
	int error = 0;

	if (at)
		error = decode(text, (size_t)(at - text), &url->user);
	if (host < end && *host == '[') {
		/* An address of IPv6. */
		host++;
		host_end = memchr(host, ']', (size_t)(end - host));
		if (!host_end)
			return -EINVAL;
		colon = host_end + 1 < end ? host_end + 1 : NULL;
		if (colon && *colon != ':')
			return -EINVAL;
	} else {
		colon = memchr(host, ':', (size_t)(end - host));
		host_end = colon ? colon : end;
	}
	if (!error)
		error = decode(host, (size_t)(host_end - host), &url->host);
	if (!error && colon)
		error = decode(colon + 1, (size_t)(end - colon - 1), &url->port);
	if (error)
		return error;
	/* A password would be shown to whoever lists processes, and ssh takes none. */
	if ((url->user && (!is_name(url->user) || strchr(url->user, ':'))) || !is_name(url->host))
		return -EINVAL;
	return url->port && !is_port(url->port) ? -EINVAL : 0;
}

/* "/~/x" is x from the home folder, where ssh begins; the homes of others have no such name here. */
static int parse_path(const char *text, struct ssh_url *url)
{
	char *path;
	int error = decode(text, strlen(text), &url->path);

	if (error)
		return error;
	path = url->path;
	if (path[1] != '~')
		return path[1] ? 0 : -EINVAL;
	if (path[2] && path[2] != '/')
		return -EINVAL;
	path += 2;
	while (*path == '/')
		path++;
	if (*path == '-')
		return -EINVAL;
	path = strdup(*path ? path : ".");
	if (!path)
		return -ENOMEM;
	free(url->path);
	url->path = path;
	return 0;
}

int ssh_url_parse(const char *text, struct ssh_url *url)
{
	const char *path;
	int error;

	*url = (struct ssh_url){0};
	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return -EINVAL;
	text += strlen(SCHEME);
	path = strchr(text, '/');
	if (!path)
		return -EINVAL;
	error = parse_authority(text, (size_t)(path - text), url);
	if (!error)
		error = parse_path(path, url);
	if (error)
		ssh_url_release(url);
	return error;
}

void ssh_url_release(struct ssh_url *url)
{
	free(url->user);
	free(url->host);
	free(url->port);
	free(url->path);
	*url = (struct ssh_url){0};
}

/* The '!' means something in quotes, too, to the shells whose names end in csh. */
char *ssh_url_quote(const char *text)
{
	struct buffer b = {0};

	buffer_put8(&b, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '!') {
			buffer_append(&b, "'\\", 2);
			buffer_put8(&b, (uint8_t)*text);
			buffer_put8(&b, '\'');
		} else {
			buffer_put8(&b, (uint8_t)*text);
		}
	}
	buffer_append(&b, "'", 2);
	if (b.failed)
		buffer_release(&b);
	return (char *)b.data;
}
