/*
 * Remotes that are HTTP servers: the files of a store below a URL, read by ranges.  Nothing is written there, and
 * nothing listed.  A server that asks for a password gets one of the keyring's, where that of the URL or ~/.netrc does
 * not do.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/http/http.h"
#include "cache/keyring.h"
#include "cache/remote.h"

#define REFUSED "it refused the password"
#define PASSWORDS_MAX 3 /* tried for one request */

struct server {
	struct http *http;
	char *base; /* without a slash at its end */
	struct keyring *keyring;
	atomic_bool asks;        /* for a password, which is taken from the keyring right away */
	atomic_bool at_once;     /* it is sent without being asked for */
	const char *_Atomic why; /* the last failure, in words; NULL: no password could be found */
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
		error = keyring_open(setup->io, s->base, &setup->credentials, &s->keyring);
	if (!error)
		error = http_open(&s->http);
	if (!error && setup->ca_file)
		error = http_trust(s->http, setup->ca_file);
	if (error) {
		if (s) {
			http_close(s->http);
			keyring_close(s->keyring);
			free(s->base);
		}
		free(s);
		return error;
	}
	atomic_store(&s->why, "");
	*state = s;
	return 0;
}

static void server_close(void *state)
{
	struct server *s = state;

	http_close(s->http);
	keyring_close(s->keyring);
	free(s->base);
	free(s);
}

/* Behind a redirect somebody else asks, whom the password is not for. */
static bool asks_password(const struct http_request *request)
{
	return request->status == 401 && !request->redirected;
}

static bool is_taken(const struct http_request *request)
{
	return request->status < 400 || request->status == 404 || request->status == 416;
}

/* *AGAIN: it was refused, and there is another. */
static int run_with_password(struct server *s, struct http_request *request, bool *again)
{
	struct credentials found = {0};
	uint64_t number = 0;
	int error = keyring_get(s->keyring, &found, &number);

	*again = false;
	if (error == -ENOENT) {
		keyring_refused(s->keyring, number);
		atomic_store(&s->asks, false);
		atomic_store(&s->why, NULL);
		return -EKEYREJECTED;
	}
	if (error) {
		atomic_store(&s->why, error == -EKEYREJECTED ? REFUSED : NULL);
		return error;
	}
	request->user = found.user;
	request->secret = found.secret;
	request->at_once = atomic_load(&s->at_once);
	error = http_run(s->http, request);
	request->user = request->secret = NULL;
	credentials_release(&found);
	if (!error && asks_password(request))
		*again = keyring_refused(s->keyring, number);
	else if (!error && is_taken(request))
		keyring_taken(s->keyring, number);
	return error;
}

static int run(struct server *s, const char *path, struct http_request *request)
{
	bool again = atomic_load(&s->asks);
	int error = 0;
	char *url;

	if (asprintf(&url, "%s/%s", s->base, path) < 0)
		return -ENOMEM;
	request->url = url;
	if (!again) {
		error = http_run(s->http, request);
		again = !error && asks_password(request);
		if (again) {
			atomic_store(&s->at_once, request->basic_alone);
			atomic_store(&s->asks, true);
		}
	}
	for (unsigned i = 0; !error && again && i < PASSWORDS_MAX; i++)
		error = run_with_password(s, request, &again);
	if (!error && request->status == 401)
		atomic_store(&s->why, request->redirected ? "where it sends on to wants a password" : REFUSED);
	else if (error && error != -EKEYREJECTED && error != -EINTR)
		atomic_store(&s->why, "");
	free(url);
	return error;
}

static ssize_t server_read(void *state, const char *path, uint64_t offset, void *data, size_t len,
                           const struct arrival *arrival)
{
	struct http_request request = {.data = data, .room = len, .offset = offset, .arrival = arrival};
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

/* What kept a password from being found says more than that there is none; what the transport says, more than
 * nothing. */
static void server_why(void *state, char why[REMOTE_WHY_SIZE])
{
	struct server *s = state;
	const char *words = atomic_load(&s->why);

	why[0] = '\0';
	if (words && !*words)
		http_why(s->http, why);
	else if (!words)
		keyring_why(s->keyring, why, REMOTE_WHY_SIZE);
	if (!*why)
		snprintf(why, REMOTE_WHY_SIZE, "%s", words ? words : "it wants a password, and none was found");
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
    .why = server_why,
};
