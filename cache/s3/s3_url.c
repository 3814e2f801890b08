#include "cache/s3/s3_url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCHEME "s3://"
#define BUCKET_MIN 3
#define BUCKET_MAX 63
#define PREFIX_MAX 512 /* of a key's 1,024 */

/* --- encoding --- */

/* Unreserved, as RFC 3986 has it; whatever the locale. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
}

char *s3_encode(const char *text, bool keep_slashes)
{
	char *encoded = malloc(3 * strlen(text) + 1), *to = encoded;

	for (; encoded && *text; text++) {
		if (is_plain(*text) || (*text == '/' && keep_slashes))
			*to++ = *text;
		else
			to += sprintf(to, "%%%02X", (unsigned char)*text);
	}
	if (encoded)
		*to = '\0';
	return encoded;
}

bool s3_decode(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++) {
		unsigned value;

		if (*from != '%') {
			*to++ = *from;
			if (*from == '+')
				to[-1] = ' ';
			continue;
		}
		if (!isxdigit((unsigned char)from[1]) || !isxdigit((unsigned char)from[2]) ||
		    sscanf(from + 1, "%2x", &value) != 1 || !value)
			return false;
		*to++ = (char)value;
		from += 2;
	}
	*to = '\0';
	return true;
}

/* --- the place --- */

/* Amazon's rules, but for capitals and '_', which others take. */
static bool is_bucket(const char *name, size_t len)
{
	if (len < BUCKET_MIN || len > BUCKET_MAX || name[0] == '.' || name[0] == '-' || name[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_plain(name[i]) || name[i] == '~' || (name[i] == '.' && name[i + 1] == '.'))
			return false;
	}
	return true;
}

/* Parts of a path that no proxy and no library takes for something else. */
static bool is_prefix(const char *prefix)
{
	if (strlen(prefix) > PREFIX_MAX)
		return false;
	while (*prefix) {
		size_t len = strcspn(prefix, "/");

		if (!len || (len == 1 && *prefix == '.') || (len == 2 && !strncmp(prefix, "..", 2)))
			return false;
		for (size_t i = 0; i < len; i++) {
			if (iscntrl((unsigned char)prefix[i]) || prefix[i] == '?' || prefix[i] == '#')
				return false;
		}
		prefix += len;
		prefix += *prefix == '/';
	}
	return true;
}

static bool is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");
	long value = strtol(text, NULL, 10);

	return len && len <= 5 && !text[len] && value > 0 && value <= 65535;
}

/* "host", "host:port" and "[address]:port"; *HOST_LEN: of what stands before the port. */
static bool is_host(const char *host, size_t *host_len)
{
	size_t len;

	if (*host == '[') {
		len = 1 + strspn(host + 1, "0123456789abcdefABCDEF:.");
		if (host[len++] != ']')
			return false;
	} else {
		len = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
	}
	*host_len = len;
	return len && (!host[len] || (host[len] == ':' && is_port(host + len + 1)));
}

static bool is_path(const char *path)
{
	for (; *path; path++) {
		if (!is_plain(*path) && *path != '/')
			return false;
		if (*path == '/' && (path[1] == '/' || path[1] == '.'))
			return false;
	}
	return true;
}

/* ENDPOINT with its host in lower case, without a slash at its end and the port that goes without saying. */
static int take_endpoint(const char *endpoint, char **taken)
{
	const bool secure = !strncasecmp(endpoint, "https://", 8);
	const char *host = endpoint + (secure ? 8 : 7), *path = NULL;
	char *name, *text = NULL;
	size_t len = strlen(endpoint), host_len;
	int error = -ENOMEM;

	if (!secure && strncasecmp(endpoint, "http://", 7) != 0)
		return -EINVAL;
	while (len && endpoint[len - 1] == '/')
		len--;
	if (endpoint + len <= host)
		return -EINVAL;
	text = strndup(host, len - (size_t)(host - endpoint));
	if (!text)
		return -ENOMEM;
	path = strchr(text, '/');
	name = path ? strndup(text, (size_t)(path - text)) : strdup(text);
	if (name && (!is_host(name, &host_len) || (path && !is_path(path)))) {
		error = -EINVAL;
	} else if (name) {
		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if (!strcmp(name + host_len, secure ? ":443" : ":80"))
			name[host_len] = '\0';
		error =
		    asprintf(taken, "%s://%s%s", secure ? "https" : "http", name, path ? path : "") < 0 ? -ENOMEM : 0;
	}
	free(name);
	free(text);
	return error;
}

int s3_place_init(struct s3_place *place, const char *url, const char *endpoint)
{
	const char *bucket = url + strlen(SCHEME), *prefix;
	size_t len, prefix_len;
	int error = 0;

	*place = (struct s3_place){0};
	if (strncmp(url, SCHEME, strlen(SCHEME)) != 0)
		return -EINVAL;
	len = strcspn(bucket, "/");
	prefix = bucket + len + (bucket[len] == '/');
	if (!is_bucket(bucket, len) || !is_prefix(prefix))
		return -EINVAL;
	if (endpoint)
		error = take_endpoint(endpoint, &place->endpoint);
	if (error)
		return error;
	prefix_len = strlen(prefix);
	place->bucket = strndup(bucket, len);
	if (asprintf(&place->prefix, "%s%s", prefix, prefix_len && prefix[prefix_len - 1] != '/' ? "/" : "") < 0)
		place->prefix = NULL;
	if (place->bucket && place->prefix)
		return 0;
	s3_place_release(place);
	return -ENOMEM;
}

void s3_place_release(struct s3_place *place)
{
	free(place->bucket);
	free(place->prefix);
	free(place->endpoint);
	*place = (struct s3_place){0};
}

bool s3_region_ok(const char *region)
{
	size_t len = 0;

	for (; region[len]; len++) {
		if (!is_plain(region[len]) || strchr("._~", region[len]))
			return false;
	}
	return len && len <= S3_REGION_MAX;
}

/* --- URLs --- */

/* *SERVER: scheme and host; *FOLDER: what stands before keys in the path. */
static int find_server(const struct s3_place *place, const char *region, char **server, char **folder)
{
	const char *china = strncmp(region, "cn-", 3) ? "" : ".cn", *path;
	/* A certificate for *.s3.amazonaws.com covers no bucket with a dot in it. */
	const bool in_host = !place->endpoint && !strchr(place->bucket, '.');
	int len;

	if (place->endpoint) {
		path = strchr(strstr(place->endpoint, "//") + 2, '/');
		len = asprintf(server, "%.*s", (int)(path ? path - place->endpoint : (int)strlen(place->endpoint)),
		               place->endpoint);
	} else {
		path = NULL;
		len = asprintf(server, "https://%s%ss3.%s.amazonaws.com%s", in_host ? place->bucket : "",
		               in_host ? "." : "", region, china);
	}
	if (len < 0) {
		*server = NULL;
		return -ENOMEM;
	}
	if (asprintf(folder, "%s/%s%s", path ? path : "", in_host ? "" : place->bucket, in_host ? "" : "/") < 0) {
		*folder = NULL;
		return -ENOMEM;
	}
	return 0;
}

int s3_url_init(struct s3_url *url, const struct s3_place *place, const char *region, const char *path,
                const char *query)
{
	char *server = NULL, *folder = NULL, *key = NULL, *encoded = NULL;
	int error = find_server(place, region, &server, &folder);

	*url = (struct s3_url){0};
	if (!error && asprintf(&key, "%s%s", path ? place->prefix : "", path ? path : "") < 0) {
		key = NULL;
		error = -ENOMEM;
	}
	if (!error)
		encoded = s3_encode(key, true);
	if (encoded) {
		url->host = strdup(strstr(server, "//") + 2);
		url->query = strdup(query);
		if (asprintf(&url->path, "%s%s", folder, encoded) < 0)
			url->path = NULL;
		if (url->path && asprintf(&url->url, "%s%s%s%s", server, url->path, *query ? "?" : "", query) < 0)
			url->url = NULL;
	}
	free(server);
	free(folder);
	free(key);
	free(encoded);
	if (url->url && url->host && url->query)
		return 0;
	s3_url_release(url);
	return -ENOMEM;
}

void s3_url_release(struct s3_url *url)
{
	free(url->url);
	free(url->host);
	free(url->path);
	free(url->query);
	*url = (struct s3_url){0};
}
