/*
 * HTTP and HTTPS requests (RFC 9110), by libcurl: one thread drives all transfers of a client, whoever asks waits.
 *
 * Connections are kept and shared, HTTP/2 is spoken where the server does.  Redirects are followed to http and https
 * alone, and credentials do not go along to another host.  Proxies come from the environment, passwords from the URL or
 * ~/.netrc.  Every wait is bounded: HTTP_CONNECT_S for a connection, HTTP_STALL_S with next to no byte.  What a server
 * says about an answer takes HTTP_HEADERS_MAX bytes at most.  Thread-safe.
 */
#ifndef CACHE_HTTP_H
#define CACHE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cache/arrival.h"

struct http;

#define HTTP_CONNECT_S 15
#define HTTP_STALL_S 30
#define HTTP_SLOW_BYTES_S 1024 /* less than this for so long is a stall */
#define HTTP_HEADERS_MAX ((size_t)256 << 10)
#define HTTP_VALUE_SIZE 256 /* of a header that is wanted, with the NUL byte */
#define HTTP_WHY_SIZE 256   /* of a reason in words, with the NUL byte */

/* No thread is made before the first request.  0 or -ENOMEM. */
int http_open(struct http **http);

/* Trust the authorities in the file PATH (PEM) alone, instead of the system's.  Before the first request.  0 or
 * -ENOMEM. */
int http_trust(struct http *http, const char *path);

/* End; nobody may be waiting.  NULL is ignored. */
void http_close(struct http *http);

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_POST, HTTP_DELETE };

/* As requests name it: "GET". */
const char *http_method_name(enum http_method method);

/* What goes along with PUT or POST: LEN bytes at DATA; or, where that is NULL, what READ gives. */
struct http_body {
	const void *data;
	/* Read exactly LEN bytes at OFFSET of the body, on the client's thread.  0, or the error of the request. */
	int (*read)(void *arg, uint64_t offset, void *data, size_t len);
	void *arg;
	uint64_t len;
};

/* A header of the answer that is wanted. */
struct http_wanted {
	const char *name;            /* in lower case */
	char value[HTTP_VALUE_SIZE]; /* set: of the last answer; "" where it was not said, or is too long */
};

struct http_request {
	const char *url;
	enum http_method method;
	/* Where what a GET asks for goes: ROOM bytes from OFFSET of the resource on, asked for as a range.  NULL: all
	 * of it is asked for, see TEXT_MAX. */
	void *data;
	size_t room;
	uint64_t offset;
	const struct arrival *arrival; /* told of what comes to DATA where that is a range, on the client's thread; may
	                                  be NULL */
	/* Bytes at most that TEXT may take.  Not 0: bodies that do not belong in DATA, because there is none, or since
	 * the status is not one of success, go to TEXT, and what is above that is cut off. */
	size_t text_max;
	const struct http_body *body;
	bool body_unasked; /* it goes along at once; a large one else waits until the server says that it takes it */
	const char *const *headers; /* lines "name: value" to be sent, HEADER_COUNT of them */
	size_t header_count;
	struct http_wanted *wanted;
	size_t wanted_count;
	/* A user and a password for the host of URL alone, instead of those of the URL or ~/.netrc; NULL: those.  Sent
	 * once the server has asked for them, in the best way that it offers; AT_ONCE: as "Basic", without being asked.
	 */
	const char *user;
	const char *secret;
	bool at_once;
	bool direct;      /* no redirect is followed, and no password looked for */
	bool no_proxy;    /* whatever the environment says */
	unsigned stall_s; /* instead of HTTP_STALL_S; 0: that */
	unsigned last_s;  /* not 0: nobody gives up waiting for it, and it ends after so many seconds */
	/* Set by http_run() and http_start(): */
	long status; /* of the last answer, after redirects */
	size_t got;  /* bytes in DATA */
	bool redirected;
	bool basic_alone; /* the server asked for a password, in no other way than "Basic" */
	bool has_size;
	uint64_t size;          /* of the whole resource, as the server says */
	struct timespec time;   /* Last-Modified; 0: not said */
	time_t date;            /* of the answer, by the server's clock; 0: not said */
	unsigned retry_after_s; /* 0: not said */
	char *text;             /* malloc'ed, with a NUL byte behind it, or NULL; the caller frees it */
	size_t text_len;
};

/*
 * Run REQUEST.  A server that knows no ranges sends all: what comes before is passed over, and no more taken than there
 * is room for.  Returns 0 for any answer of a server, whatever its status; -EINTR (cache/interrupt.h); -ETIMEDOUT,
 * -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH (also a name that is not found); -EPROTO for what is not HTTP, a range that
 * was not asked for, or headers without end; -ENOKEY for a certificate that is not trusted, before anything was asked;
 * -EINVAL for no URL; the error of reading the body; -ENOMEM.
 */
int http_run(struct http *http, struct http_request *request);

/* A request on its way. */
struct http_transfer;

/*
 * Begin REQUEST, which stays borrowed with all that it points to until http_wait().  0 (*TRANSFER must be waited for);
 * -ENOMEM, -EAGAIN where there can be no thread.
 */
int http_start(struct http *http, struct http_request *request, struct http_transfer **transfer);

/* Wait for the end of TRANSFER and free it.  What http_run() returns. */
int http_wait(struct http *http, struct http_transfer *transfer);

/* End TRANSFER soon; http_wait() returns -EINTR then, unless it had ended by itself. */
void http_give_up(struct http *http, struct http_transfer *transfer);

/* What is wrong with a certificate, a handshake or a name, in libcurl's words, where that was the end of the last
 * request; "" after one that ended in another way. */
void http_why(struct http *http, char why[HTTP_WHY_SIZE]);

/* What a STATUS means that is not one of success, in the words of cache/remote.h. */
int http_error_of(long status);

#endif
