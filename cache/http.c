#include "cache/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cache/interrupt.h"

#define REDIRECTS_MAX 10
#define POLL_MS 1000
#define CONNECTIONS_MAX 64 /* at once */

/* A request on its way; belongs to who waits for it. */
struct transfer {
	struct transfer *next; /* of those not begun yet */
	struct http_request *request;
	CURL *handle;
	char range[64];
	uint64_t skip; /* bytes of the body still to be passed over */
	bool counting; /* the headers of the present answer were looked at */
	bool enough;   /* there is no more room: the rest is not wanted */
	bool wrong;    /* the answer is not to what was asked */
	bool given_up; /* guarded by the client's lock, as is DONE */
	bool done;
	int error;
};

struct http {
	pthread_mutex_t lock; /* of all below; held for memory work only */
	pthread_cond_t ended; /* some transfer is done */
	struct transfer *waiting;
	CURLM *multi; /* made with the thread, used by it alone, but for waking it */
	bool has_thread;
	bool closing;
	bool look; /* some transfer was given up */
	pthread_t thread;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		abort(); /* at most once in a process, at its first request */
}

int http_open(struct http **http)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->ended, NULL);
	*http = h;
	return 0;
}

void http_close(struct http *http)
{
	bool has_thread;

	if (!http)
		return;
	pthread_mutex_lock(&http->lock);
	http->closing = true;
	has_thread = http->has_thread;
	pthread_mutex_unlock(&http->lock);
	if (has_thread) {
		curl_multi_wakeup(http->multi);
		pthread_join(http->thread, NULL);
	}
	if (http->multi)
		curl_multi_cleanup(http->multi);
	pthread_cond_destroy(&http->ended);
	pthread_mutex_destroy(&http->lock);
	free(http);
}

/* --- the answer --- */

/* "Content-Range: bytes 5-9/100", or "bytes * /100" where nothing of it was asked for. */
static void take_range(struct transfer *t, const char *value)
{
	unsigned long long first, last, all;

	while (*value == ' ')
		value++;
	if (sscanf(value, "bytes %llu-%llu/%llu", &first, &last, &all) == 3) {
		t->wrong |= first != t->request->offset || last < first || last >= all;
	} else if (sscanf(value, "bytes */%llu", &all) != 1) {
		return;
	}
	t->request->size = all;
	t->request->has_size = true;
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	static const char content_range[] = "content-range:", length[] = "content-length:";
	struct transfer *t = arg;
	size_t len = size * count;
	char text[256];

	if (len < sizeof(text)) {
		memcpy(text, line, len);
		text[len] = '\0';
		/* A new answer: of a redirect, or after "100 Continue". */
		if (!strncmp(text, "HTTP/", 5)) {
			t->request->has_size = false;
			t->wrong = false;
		}
		if (!strncasecmp(text, content_range, strlen(content_range)))
			take_range(t, text + strlen(content_range));
		if (!strncasecmp(text, length, strlen(length)) && !t->request->has_size) {
			t->request->size = strtoull(text + strlen(length), NULL, 10);
			t->request->has_size = true;
		}
	}
	return len;
}

/* Before the first byte of a body: whether it begins where it was asked to. */
static void look_at_status(struct transfer *t)
{
	long status = 0;

	curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &status);
	t->counting = true;
	t->skip = status == 200 ? t->request->offset : 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	struct http_request *r = t->request;
	size_t len = size * count, skip, take;

	if (!t->counting)
		look_at_status(t);
	if (t->wrong)
		return 0;
	skip = t->skip < len ? (size_t)t->skip : len;
	t->skip -= skip;
	take = len - skip < r->room - r->got ? len - skip : r->room - r->got;
	memcpy((char *)r->data + r->got, data + skip, take);
	r->got += take;
	t->enough = skip + take < len;
	return t->enough ? 0 : len;
}

/* --- the request --- */

static int set_up(struct transfer *t)
{
	const struct http_request *r = t->request;
	CURL *h = curl_easy_init();

	t->handle = h;
	if (!h)
		return -ENOMEM;
	curl_easy_setopt(h, CURLOPT_PRIVATE, t);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(h, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
	curl_easy_setopt(h, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, (long)HTTP_CONNECT_S);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SLOW_BYTES_S);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)HTTP_STALL_S);
	curl_easy_setopt(h, CURLOPT_FILETIME, 1L);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "revfs");
	curl_easy_setopt(h, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(h, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	if (r->head) {
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	} else {
		snprintf(t->range, sizeof(t->range), "%llu-%llu", (unsigned long long)r->offset,
		         (unsigned long long)r->offset + r->room - 1);
		curl_easy_setopt(h, CURLOPT_RANGE, t->range);
	}
	return curl_easy_setopt(h, CURLOPT_URL, r->url) ? -ENOMEM : 0;
}

static int error_of(const struct transfer *t, CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return t->wrong ? -EPROTO : 0;
	case CURLE_WRITE_ERROR:
		return t->enough ? 0 : -EPROTO;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return -EINVAL;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_TOO_MANY_REDIRECTS:
	case CURLE_WEIRD_SERVER_REPLY:
		return -EPROTO;
	default:
		return -ECONNRESET;
	}
}

/* --- the thread --- */

/* T is over: whoever waits for it is told, and T is theirs again. */
static void finish(struct http *http, struct transfer *t, int error)
{
	long seconds = -1;

	if (t->handle) {
		curl_easy_getinfo(t->handle, CURLINFO_RESPONSE_CODE, &t->request->status);
		curl_easy_getinfo(t->handle, CURLINFO_FILETIME, &seconds);
		t->request->time = (struct timespec){.tv_sec = seconds > 0 ? seconds : 0};
		curl_easy_cleanup(t->handle);
	}
	pthread_mutex_lock(&http->lock);
	t->error = error;
	t->done = true;
	pthread_cond_broadcast(&http->ended);
	pthread_mutex_unlock(&http->lock);
}

/* Begin what waits to be begun. */
static void begin_all(struct http *http, struct transfer **running)
{
	for (;;) {
		struct transfer *t;
		int error = 0;

		pthread_mutex_lock(&http->lock);
		t = http->waiting;
		if (t) {
			http->waiting = t->next;
			error = t->given_up ? -EINTR : 0;
		}
		pthread_mutex_unlock(&http->lock);
		if (!t)
			return;
		if (!error)
			error = set_up(t);
		if (!error && curl_multi_add_handle(http->multi, t->handle))
			error = -ENOMEM;
		if (error) {
			finish(http, t, error);
			continue;
		}
		t->next = *running;
		*running = t;
	}
}

static void take_out(struct transfer **running, struct transfer *t)
{
	while (*running != t)
		running = &(*running)->next;
	*running = t->next;
}

/* End what was given up. */
static void drop_given_up(struct http *http, struct transfer **running)
{
	struct transfer **at = running;
	bool look;

	pthread_mutex_lock(&http->lock);
	look = http->look;
	http->look = false;
	pthread_mutex_unlock(&http->lock);
	while (look && *at) {
		struct transfer *t = *at;
		bool given_up;

		pthread_mutex_lock(&http->lock);
		given_up = t->given_up;
		pthread_mutex_unlock(&http->lock);
		if (!given_up) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		curl_multi_remove_handle(http->multi, t->handle);
		finish(http, t, -EINTR);
	}
}

static void finish_ended(struct http *http, struct transfer **running)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		CURLcode code = message->data.result;
		CURL *handle = message->easy_handle;
		struct transfer *t = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(handle, CURLINFO_PRIVATE, (char **)&t);
		take_out(running, t);
		curl_multi_remove_handle(http->multi, handle);
		finish(http, t, error_of(t, code));
	}
}

static void *drive(void *arg)
{
	struct http *http = arg;
	struct transfer *running = NULL;
	bool closing = false;
	int count;

	while (!closing) {
		begin_all(http, &running);
		drop_given_up(http, &running);
		curl_multi_perform(http->multi, &count);
		finish_ended(http, &running);
		pthread_mutex_lock(&http->lock);
		closing = http->closing;
		pthread_mutex_unlock(&http->lock);
		if (!closing)
			curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL);
	}
	return NULL;
}

/* With the lock held. */
static int start_thread(struct http *http)
{
	if (http->has_thread)
		return 0;
	pthread_once(&once, prepare);
	if (!http->multi)
		http->multi = curl_multi_init();
	if (!http->multi)
		return -ENOMEM;
	curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
	if (pthread_create(&http->thread, NULL, drive, http))
		return -EAGAIN;
	http->has_thread = true;
	return 0;
}

int http_run(struct http *http, struct http_request *request)
{
	struct transfer *t = calloc(1, sizeof(*t));
	int error;

	if (!t)
		return -ENOMEM;
	t->request = request;
	request->status = 0;
	request->got = 0;
	request->has_size = false;
	pthread_mutex_lock(&http->lock);
	error = start_thread(http);
	if (!error) {
		t->next = http->waiting;
		http->waiting = t;
		curl_multi_wakeup(http->multi);
	}
	while (!error && !t->done) {
		/* Whoever gives up still waits until the thread has let go of the request. */
		if (t->given_up) {
			pthread_cond_wait(&http->ended, &http->lock);
		} else if (interrupt_wait(&http->ended, &http->lock) == -EINTR) {
			t->given_up = true;
			http->look = true;
			curl_multi_wakeup(http->multi);
		}
	}
	pthread_mutex_unlock(&http->lock);
	if (!error)
		error = t->error;
	free(t);
	return error;
}
