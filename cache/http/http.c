#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/http/http_inside.h"
#include "cache/interrupt.h"

#define POLL_MS 1000
#define CONNECTIONS_MAX 64 /* at once */
/* That are kept unused: libcurl by itself closes what a moment with few requests has no use for. */
#define CONNECTIONS_KEPT 16

struct http {
	pthread_mutex_t lock;                         /* of all below; held for memory work only */
	pthread_cond_t ended;                         /* some transfer is done */
	struct http_transfer *waiting, **waiting_end; /* in the order in which they were asked for */
	char *ca_file;                                /* unchanged from the first request on; NULL: the system's */
	CURLM *multi;                                 /* made with the thread, used by it alone, but for waking it */
	bool has_thread;
	bool closing;
	bool look; /* some transfer was given up */
	char why[HTTP_WHY_SIZE];
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
	h->waiting_end = &h->waiting;
	*http = h;
	return 0;
}

int http_trust(struct http *http, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(http->ca_file);
	http->ca_file = copy;
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
	free(http->ca_file);
	free(http);
}

/* --- the thread --- */

/* T is over: whoever waits for it is told, and T is theirs again. */
static void finish(struct http *http, struct http_transfer *t, int error)
{
	http_transfer_end(t);
	pthread_mutex_lock(&http->lock);
	t->error = error;
	t->done = true;
	if (error != -EINTR)
		snprintf(http->why, sizeof(http->why), "%s", error ? t->said : "");
	pthread_cond_broadcast(&http->ended);
	pthread_mutex_unlock(&http->lock);
}

/* Begin what waits to be begun. */
static void begin_all(struct http *http, struct http_transfer **running)
{
	for (;;) {
		struct http_transfer *t;
		int error = 0;

		pthread_mutex_lock(&http->lock);
		t = http->waiting;
		if (t) {
			http->waiting = t->next;
			if (!t->next)
				http->waiting_end = &http->waiting;
			error = t->given_up ? -EINTR : 0;
		}
		pthread_mutex_unlock(&http->lock);
		if (!t)
			return;
		if (!error)
			error = http_transfer_set_up(t);
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

static void take_out(struct http_transfer **running, struct http_transfer *t)
{
	while (*running != t)
		running = &(*running)->next;
	*running = t->next;
}

/* End what was given up. */
static void drop_given_up(struct http *http, struct http_transfer **running)
{
	struct http_transfer **at = running;
	bool look;

	pthread_mutex_lock(&http->lock);
	look = http->look;
	http->look = false;
	pthread_mutex_unlock(&http->lock);
	while (look && *at) {
		struct http_transfer *t = *at;
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

static void finish_ended(struct http *http, struct http_transfer **running)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		CURLcode code = message->data.result;
		CURL *handle = message->easy_handle;
		struct http_transfer *t = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(handle, CURLINFO_PRIVATE, (char **)&t);
		take_out(running, t);
		curl_multi_remove_handle(http->multi, handle);
		finish(http, t, http_transfer_error(t, code));
	}
}

static void *drive(void *arg)
{
	struct http *http = arg;
	struct http_transfer *running = NULL;
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
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	if (pthread_create(&http->thread, NULL, drive, http))
		return -EAGAIN;
	http->has_thread = true;
	return 0;
}

int http_start(struct http *http, struct http_request *request, struct http_transfer **transfer)
{
	struct http_transfer *t = calloc(1, sizeof(*t));
	int error;

	if (!t)
		return -ENOMEM;
	t->request = request;
	t->ca_file = http->ca_file;
	request->status = 0;
	request->got = 0;
	request->has_size = false;
	request->date = 0;
	request->retry_after_s = 0;
	request->text = NULL;
	request->text_len = 0;
	pthread_mutex_lock(&http->lock);
	error = start_thread(http);
	if (!error) {
		*http->waiting_end = t;
		http->waiting_end = &t->next;
		curl_multi_wakeup(http->multi);
	}
	pthread_mutex_unlock(&http->lock);
	if (error) {
		free(t);
		return error;
	}
	*transfer = t;
	return 0;
}

/* With the lock held. */
static void give_up(struct http *http, struct http_transfer *t)
{
	t->given_up = true;
	http->look = true;
	curl_multi_wakeup(http->multi);
}

int http_wait(struct http *http, struct http_transfer *transfer)
{
	struct http_transfer *t = transfer;
	int error;

	pthread_mutex_lock(&http->lock);
	while (!t->done) {
		/* Whoever gives up still waits until the thread has let go of the request. */
		if (t->given_up || t->request->last_s)
			pthread_cond_wait(&http->ended, &http->lock);
		else if (interrupt_wait(&http->ended, &http->lock) == -EINTR)
			give_up(http, t);
	}
	pthread_mutex_unlock(&http->lock);
	error = t->error;
	free(t);
	return error;
}

void http_give_up(struct http *http, struct http_transfer *transfer)
{
	pthread_mutex_lock(&http->lock);
	if (!transfer->done)
		give_up(http, transfer);
	pthread_mutex_unlock(&http->lock);
}

void http_why(struct http *http, char why[HTTP_WHY_SIZE])
{
	pthread_mutex_lock(&http->lock);
	strcpy(why, http->why);
	pthread_mutex_unlock(&http->lock);
}

int http_run(struct http *http, struct http_request *request)
{
	struct http_transfer *t;
	int error = http_start(http, request, &t);

	return error ? error : http_wait(http, t);
}
