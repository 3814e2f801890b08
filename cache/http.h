/*
 * HTTP and HTTPS requests (RFC 9110), by libcurl: one thread drives all transfers of a client, whoever asks waits.
 *
 * Connections are kept and shared, HTTP/2 is spoken where the server does.  Redirects are followed to http and https
 * alone, and credentials do not go along to another host.  Proxies come from the environment, passwords from the URL or
 * ~/.netrc.  Every wait is bounded: HTTP_CONNECT_S for a connection, HTTP_STALL_S with next to no byte.  Thread-safe.
 */
#ifndef CACHE_HTTP_H
#define CACHE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct http;

#define HTTP_CONNECT_S 15
#define HTTP_STALL_S 30
#define HTTP_SLOW_BYTES_S 1024 /* less than this for so long is a stall */

/* No thread is made before the first request.  0 or -ENOMEM. */
int http_open(struct http **http);

/* End; nobody may be waiting.  NULL is ignored. */
void http_close(struct http *http);

struct http_request {
	const char *url;
	bool head; /* HEAD; else GET */
	/* Where the body goes: ROOM bytes from OFFSET of the resource on, asked for as a range. */
	void *data;
	size_t room;
	uint64_t offset;
	/* Set by http_run(): */
	long status; /* of the last answer, after redirects */
	size_t got;  /* bytes in DATA */
	bool has_size;
	uint64_t size;        /* of the whole resource, as the server says */
	struct timespec time; /* Last-Modified; 0: not said */
};

/*
 * Run REQUEST.  A server that knows no ranges sends all: what comes before is passed over, and no more taken than there
 * is room for.  Returns 0 for any answer of a server, whatever its status; -EINTR (cache/interrupt.h); -ETIMEDOUT,
 * -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH (also a name that is not found); -EPROTO for what is not HTTP, a range that
 * was not asked for, or a certificate that is not trusted; -EINVAL for no URL; -ENOMEM.
 */
int http_run(struct http *http, struct http_request *request);

#endif
