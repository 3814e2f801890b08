#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cache/http/http_inside.h"

#define REDIRECTS_MAX 10
#define BUFFER_BYTES (256L << 10)
#define ASKED_ABOVE ((uint64_t)1 << 20) /* asking whether a body is taken costs a round trip */

/* --- the answer --- */

/* A new answer begins: of a redirect, or after "100 Continue". */
static void forget_answer(struct http_transfer *t)
{
	struct http_request *r = t->request;

	r->has_size = false;
	r->date = 0;
	r->retry_after_s = 0;
	t->wrong = false;
	for (size_t i = 0; i < r->wanted_count; i++)
		r->wanted[i].value[0] = '\0';
}

/* "Content-Range: bytes 5-9/100", or "bytes * /100" where nothing of it was asked for. */
static void take_range(struct http_transfer *t, const char *value)
{
	unsigned long long first, last, all;

	if (sscanf(value, "bytes %llu-%llu/%llu", &first, &last, &all) == 3) {
		t->wrong |= first != t->request->offset || last < first || last >= all;
	} else if (sscanf(value, "bytes */%llu", &all) != 1) {
		return;
	}
	t->request->size = all;
	t->request->has_size = true;
}

/* Seconds; a date is taken for one that is soon. */
static void take_retry_after(struct http_request *r, const char *value)
{
	long long seconds;

	if (sscanf(value, "%lld", &seconds) == 1 && *value >= '0' && *value <= '9')
		r->retry_after_s = seconds > 86400 ? 86400 : (unsigned)seconds;
	else
		r->retry_after_s = 1;
}

/* One header, its name in lower case. */
static void take_header(struct http_transfer *t, const char *name, const char *value)
{
	struct http_request *r = t->request;
	time_t date;

	if (!strcmp(name, "content-range")) {
		take_range(t, value);
	} else if (!strcmp(name, "content-length") && !r->has_size) {
		r->size = strtoull(value, NULL, 10);
		r->has_size = true;
	} else if (!strcmp(name, "date")) {
		date = curl_getdate(value, NULL);
		r->date = date > 0 ? date : 0;
	} else if (!strcmp(name, "retry-after")) {
		take_retry_after(r, value);
	}
	for (size_t i = 0; i < r->wanted_count; i++) {
		if (!strcmp(name, r->wanted[i].name) && strlen(value) < HTTP_VALUE_SIZE)
			strcpy(r->wanted[i].value, value);
	}
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct http_transfer *t = arg;
	size_t len = size * count;
	char text[HTTP_VALUE_SIZE + 64], *value;

	t->header_bytes += len;
	if (t->header_bytes > HTTP_HEADERS_MAX) {
		t->wrong = true;
		return 0;
	}
	if (len >= sizeof(text))
		return len;
	memcpy(text, line, len);
	text[len] = '\0';
	if (!strncmp(text, "HTTP/", 5))
		forget_answer(t);
	value = strchr(text, ':');
	if (!value)
		return len;
	*value++ = '\0';
	for (char *c = text; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
	value += strspn(value, " \t");
	for (char *end = value + strlen(value); end > value && strchr(" \t\r\n", end[-1]);)
		*--end = '\0';
	take_header(t, text, value);
	return len;
}

/* Before the first byte of a body: where it goes, and whether it begins where it was asked to. */
static void look_at_status(struct http_transfer *t)
{
	const struct http_request *r = t->request;
	long status = 0;

	curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &status);
	t->counting = true;
	t->is_range = status == 206;
	t->to_text = r->text_max && (!r->data || status < 200 || status > 299);
	t->skip = status == 200 && !t->to_text ? r->offset : 0;
}

/* Make room in TEXT for LEN bytes more, or for fewer up to its limit; how many, which may be 0. */
static size_t text_room(struct http_transfer *t, size_t len)
{
	struct http_request *r = t->request;
	size_t need = len < r->text_max - r->text_len ? r->text_len + len : r->text_max, room = t->text_room;
	char *text;

	if (need > room) {
		room = need < r->text_max / 2 ? 2 * need : r->text_max;
		text = realloc(r->text, room + 1);
		if (!text) {
			t->failed = -ENOMEM;
			return 0;
		}
		r->text = text;
		t->text_room = room;
	}
	return need - r->text_len;
}

static size_t take_text(struct http_transfer *t, const char *data, size_t len)
{
	struct http_request *r = t->request;
	size_t take = text_room(t, len);

	if (take)
		memcpy(r->text + r->text_len, data, take);
	r->text_len += take;
	if (r->text)
		r->text[r->text_len] = '\0';
	t->enough = take < len && !t->failed;
	return take;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_transfer *t = arg;
	struct http_request *r = t->request;
	size_t len = size * count, skip, take;

	if (!t->counting)
		look_at_status(t);
	if (t->wrong)
		return 0;
	if (t->to_text)
		return take_text(t, data, len);
	skip = t->skip < len ? (size_t)t->skip : len;
	t->skip -= skip;
	take = len - skip < r->room - r->got ? len - skip : r->room - r->got;
	if (take)
		memcpy((char *)r->data + r->got, data + skip, take);
	r->got += take;
	if (take && r->arrival && t->is_range)
		r->arrival->came(r->arrival->arg, r->got);
	t->enough = skip + take < len;
	return t->enough ? 0 : len;
}

/* --- the request --- */

const char *http_method_name(enum http_method method)
{
	static const char *const names[] = {"GET", "HEAD", "PUT", "POST", "DELETE"};

	return names[method];
}

static size_t on_read(char *data, size_t size, size_t count, void *arg)
{
	struct http_transfer *t = arg;
	const struct http_body *body = t->request->body;
	uint64_t left = body->len - t->sent;
	size_t len = size * count < left ? size * count : (size_t)left;

	if (len && body->data)
		memcpy(data, (const char *)body->data + t->sent, len);
	else if (len)
		t->failed = body->read(body->arg, t->sent, data, len);
	if (t->failed)
		return CURL_READFUNC_ABORT;
	t->sent += len;
	return len;
}

/* It is sent anew: over another connection, where the first was closed before it was used. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
	struct http_transfer *t = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->request->body->len)
		return CURL_SEEKFUNC_CANTSEEK;
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static void set_method(struct http_transfer *t)
{
	const struct http_request *r = t->request;

	if (r->method == HTTP_HEAD) {
		curl_easy_setopt(t->handle, CURLOPT_NOBODY, 1L);
	} else if (r->body) {
		curl_easy_setopt(t->handle, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(t->handle, CURLOPT_UPLOAD_BUFFERSIZE, BUFFER_BYTES);
		curl_easy_setopt(t->handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body->len);
		curl_easy_setopt(t->handle, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(t->handle, CURLOPT_READDATA, t);
		curl_easy_setopt(t->handle, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(t->handle, CURLOPT_SEEKDATA, t);
	}
	if (r->method > HTTP_HEAD)
		curl_easy_setopt(t->handle, CURLOPT_CUSTOMREQUEST, http_method_name(r->method));
	if (r->method == HTTP_GET && r->data) {
		snprintf(t->range, sizeof(t->range), "%llu-%llu", (unsigned long long)r->offset,
		         (unsigned long long)r->offset + r->room - 1);
		curl_easy_setopt(t->handle, CURLOPT_RANGE, t->range);
	}
}

static void set_waits(CURL *h, const struct http_request *r)
{
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SLOW_BYTES_S);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, r->stall_s ? (long)r->stall_s : (long)HTTP_STALL_S);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, (long)r->last_s);
}

/* With authorities of its own those of the system's folder, which libcurl may know, do not count. */
static int set_trust(struct http_transfer *t)
{
	curl_easy_setopt(t->handle, CURLOPT_ERRORBUFFER, t->said);
	if (!t->ca_file)
		return 0;
	curl_easy_setopt(t->handle, CURLOPT_CAPATH, NULL);
	return curl_easy_setopt(t->handle, CURLOPT_CAINFO, t->ca_file) ? -ENOMEM : 0;
}

static int add_line(struct http_transfer *t, const char *line)
{
	struct curl_slist *more = curl_slist_append(t->headers, line);

	if (!more)
		return -ENOMEM;
	t->headers = more;
	return 0;
}

static int set_headers(struct http_transfer *t)
{
	const struct http_request *r = t->request;
	int error = 0;

	for (size_t i = 0; i < r->header_count && !error; i++)
		error = add_line(t, r->headers[i]);
	/* libcurl has every PUT ask; a line without a value takes that away. */
	if (!error && r->body && (r->body_unasked || r->body->len <= ASKED_ABOVE))
		error = add_line(t, "Expect:");
	if (error)
		return error;
	curl_easy_setopt(t->handle, CURLOPT_HTTPHEADER, t->headers);
	return 0;
}

/* libcurl lets go of them where a redirect leads to another host. */
static int set_password(CURL *h, const struct http_request *r)
{
	bool looks = !r->direct && !r->user;

	curl_easy_setopt(h, CURLOPT_NETRC, looks ? (long)CURL_NETRC_OPTIONAL : (long)CURL_NETRC_IGNORED);
	if (!r->user)
		return 0;
	curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)(r->at_once ? CURLAUTH_BASIC : CURLAUTH_BASIC | CURLAUTH_DIGEST));
	if (curl_easy_setopt(h, CURLOPT_USERNAME, r->user) || curl_easy_setopt(h, CURLOPT_PASSWORD, r->secret))
		return -ENOMEM;
	return 0;
}

int http_transfer_set_up(struct http_transfer *t)
{
	const struct http_request *r = t->request;
	CURL *h = curl_easy_init();

	t->handle = h;
	if (!h || set_trust(t) || set_headers(t) || set_password(h, r))
		return -ENOMEM;
	curl_easy_setopt(h, CURLOPT_PRIVATE, t);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, r->direct ? 0L : 1L);
	curl_easy_setopt(h, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	curl_easy_setopt(h, CURLOPT_FILETIME, 1L);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "revfs");
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, BUFFER_BYTES);
	/* HTTP/2 is spoken behind TLS alone: elsewhere a second request would wait for the answer to the first. */
	curl_easy_setopt(h, CURLOPT_PIPEWAIT, strncasecmp(r->url, "https:", 6) ? 0L : 1L);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	if (r->no_proxy)
		curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
	set_waits(h, r);
	set_method(t);
	return curl_easy_setopt(h, CURLOPT_URL, r->url) ? -ENOMEM : 0;
}

/* --- its end --- */

/* Whether a server was asked: libcurl 7.88 has the same code for a header line that is too long for it as for want of
 * memory, and the same for a server of something else as for a URL of something else. */
static bool was_asked(const struct http_transfer *t)
{
	curl_off_t us = 0;

	curl_easy_getinfo(t->handle, CURLINFO_PRETRANSFER_TIME_T, &us);
	return us > 0;
}

/* Why no connection was made: what the last address of several failed with. */
static int connect_error(const struct http_transfer *t)
{
	long error = 0;

	curl_easy_getinfo(t->handle, CURLINFO_OS_ERRNO, &error);
	switch (error) {
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
		return -EHOSTUNREACH;
	case ETIMEDOUT:
		return -ETIMEDOUT;
	default:
		return -ECONNREFUSED;
	}
}

/* Whether libcurl's words tell more than the error does. */
static bool says_more(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_ISSUER_ERROR:
		return true;
	default:
		return false;
	}
}

int http_transfer_error(struct http_transfer *t, CURLcode code)
{
	if (!says_more(code))
		t->said[0] = '\0';
	if (t->failed)
		return t->failed;
	switch (code) {
	case CURLE_OK:
		return t->wrong ? -EPROTO : 0;
	case CURLE_WRITE_ERROR:
		return t->enough ? 0 : -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return was_asked(t) ? -EPROTO : -ENOMEM;
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_UNSUPPORTED_PROTOCOL:
		return was_asked(t) ? -EPROTO : -EINVAL;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return connect_error(t);
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return -ENOKEY;
	case CURLE_TOO_MANY_REDIRECTS:
	case CURLE_WEIRD_SERVER_REPLY:
#if LIBCURL_VERSION_NUM >= 0x080600
	case CURLE_TOO_LARGE:
#endif
		return -EPROTO;
	default:
		return -ECONNRESET;
	}
}

void http_transfer_end(struct http_transfer *t)
{
	long seconds = -1, redirects = 0, offered = 0;

	if (t->handle) {
		curl_easy_getinfo(t->handle, CURLINFO_REDIRECT_COUNT, &redirects);
		curl_easy_getinfo(t->handle, CURLINFO_HTTPAUTH_AVAIL, &offered);
		t->request->redirected = redirects > 0;
		t->request->basic_alone = offered == CURLAUTH_BASIC;
		curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &t->request->status);
		curl_easy_getinfo(t->handle, CURLINFO_FILETIME, &seconds);
		t->request->time = (struct timespec){.tv_sec = seconds > 0 ? seconds : 0};
		curl_easy_cleanup(t->handle);
	}
	/* There may be what proves who asks. */
	for (struct curl_slist *at = t->headers; at; at = at->next)
		explicit_bzero(at->data, strlen(at->data));
	curl_slist_free_all(t->headers);
}

int http_error_of(long status)
{
	switch (status) {
	case 401:
	case 403:
	case 407:
		return -EKEYREJECTED;
	case 404:
	case 410:
		return -ENOENT;
	case 408:
	case 425:
	case 429:
	case 503:
		return -EAGAIN;
	case 501:
	case 505:
		return -EPROTO;
	default:
		/* A client's fault is not one that passes. */
		return status >= 500 ? -EREMOTEIO : -EPROTO;
	}
}
