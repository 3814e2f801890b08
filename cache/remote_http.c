/*
 * Remotes that are HTTP servers: the files of a store below a URL, read by ranges.  Nothing is written there, and
 * nothing listed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/http.h"
#include "cache/remote.h"

struct server {
	struct http *http;
	char *base; /* without a slash at its end */
};

static int server_open(const struct remote_setup *setup, void **state)
{
	const char *url = setup->url;
	struct server *s;
	size_t len = strlen(url);
	int error = -ENOMEM;

	/* Paths go behind it. */
	if (strpbrk(url, "?# \n\r\t") || len < strlen("http://x"))
		return -EINVAL;
	while (len && url[len - 1] == '/')
		len--;
	s = calloc(1, sizeof(*s));
	if (s)
		s->base = strndup(url, len);
	if (s && s->base)
		error = http_open(&s->http);
	if (error) {
		if (s)
			free(s->base);
		free(s);
		return error;
	}
	*state = s;
	return 0;
}

static void server_close(void *state)
{
	struct server *s = state;

	http_close(s->http);
	free(s->base);
	free(s);
}

static int run(struct server *s, const char *path, struct http_request *request)
{
	char *url;
	int error;

	if (asprintf(&url, "%s/%s", s->base, path) < 0)
		return -ENOMEM;
	request->url = url;
	error = http_run(s->http, request);
	free(url);
	return error;
}

static ssize_t server_read(void *state, const char *path, uint64_t offset, void *data, size_t len)
{
	struct http_request request = {.data = data, .room = len, .offset = offset};
	int error = len ? run(state, path, &request) : 0;

	if (error || !len)
		return error;
	if (request.status == 416)
		return 0; /* behind the end */
	if (request.status != 200 && request.status != 206)
		return http_error_of(request.status);
	return (ssize_t)request.got;
}

static int server_stat(void *state, const char *path, struct remote_stat *st)
{
	struct http_request request = {.method = HTTP_HEAD};
	char byte;
	int error = run(state, path, &request);

	if (!error &&
	    (request.status == 405 || request.status == 501 || (request.status == 200 && !request.has_size))) {
		request = (struct http_request){.data = &byte, .room = 1};
		error = run(state, path, &request);
	}
	if (error)
		return error;
	if (request.status != 200 && request.status != 206)
		return http_error_of(request.status);
	if (!request.has_size)
		return -EPROTO;
	*st = (struct remote_stat){.size = request.size, .time = request.time};
	return 0;
}

static int server_put(void *state, const char *path, const struct remote_body *body, bool replace)
{
	(void)state;
	(void)path;
	(void)body;
	(void)replace;
	return -EROFS;
}

static int server_remove(void *state, const char *path)
{
	(void)state;
	(void)path;
	return -EROFS;
}

static int server_list(void *state, const char *folder, remote_each each, void *arg)
{
	(void)state;
	(void)folder;
	(void)each;
	(void)arg;
	return -EOPNOTSUPP;
}

const struct remote_kind remote_kind_http = {
    .name = "http",
    .open = server_open,
    .close = server_close,
    .read = server_read,
    .stat = server_stat,
    .put = server_put,
    .remove = server_remove,
    .list = server_list,
};
