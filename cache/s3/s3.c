#include "cache/s3/s3.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/http/sigv4.h"
#include "cache/interrupt.h"
#include "cache/keyring.h"
#include "cache/s3/s3_answer.h"

#define REGION_FIRST "us-east-1"
#define ERROR_TEXT_MAX ((size_t)64 << 10)
#define PAUSE_FIRST_MS 200
#define PAUSE_MAX_MS 10000

struct s3 {
	const struct io *io;
	struct http *http;
	struct keyring *keyring;
	struct s3_place place;
	pthread_mutex_t lock; /* of all below; held for memory work only */
	char region[S3_REGION_MAX + 1];
	time_t ahead_s; /* of our clock the server's is */
	bool lacks_conditions;
	bool has_bucket;
	unsigned sending;          /* uploads whose parts are on their way */
	pthread_cond_t has_room;   /* one of these ended */
	char why[REMOTE_WHY_SIZE]; /* the last failure; "" where errors say all there is to say */
};

int s3_open(const struct remote_setup *setup, struct s3 **s3)
{
	const char *region = setup->region ? setup->region : REGION_FIRST;
	struct s3 *s;
	int error;

	if (!s3_region_ok(region))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->io = setup->io;
	strcpy(s->region, region);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->has_room, NULL);
	error = s3_place_init(&s->place, setup->url, setup->endpoint);
	if (!error)
		error = http_open(&s->http);
	if (!error && setup->ca_file)
		error = http_trust(s->http, setup->ca_file);
	if (!error)
		error = keyring_open(setup->io, setup->url, &setup->credentials, &s->keyring);
	if (error) {
		s3_close(s);
		return error;
	}
	*s3 = s;
	return 0;
}

void s3_close(struct s3 *s3)
{
	keyring_close(s3->keyring);
	http_close(s3->http);
	s3_place_release(&s3->place);
	pthread_cond_destroy(&s3->has_room);
	pthread_mutex_destroy(&s3->lock);
	free(s3);
}

const struct io *s3_io(const struct s3 *s3)
{
	return s3->io;
}

const char *s3_prefix(const struct s3 *s3)
{
	return s3->place.prefix;
}

/* --- what was learned --- */

static bool get(struct s3 *s3, const bool *flag)
{
	bool value;

	pthread_mutex_lock(&s3->lock);
	value = *flag;
	pthread_mutex_unlock(&s3->lock);
	return value;
}

static void set(struct s3 *s3, bool *flag)
{
	pthread_mutex_lock(&s3->lock);
	*flag = true;
	pthread_mutex_unlock(&s3->lock);
}

bool s3_lacks_conditions(struct s3 *s3)
{
	return get(s3, &s3->lacks_conditions);
}

void s3_set_lacks_conditions(struct s3 *s3)
{
	set(s3, &s3->lacks_conditions);
}

bool s3_has_bucket(struct s3 *s3)
{
	return get(s3, &s3->has_bucket);
}

/* --- turns --- */

int s3_begin_sending(struct s3 *s3)
{
	int error = 0;

	pthread_mutex_lock(&s3->lock);
	while (s3->sending >= S3_SENDING_MAX && !error)
		error = interrupt_wait(&s3->has_room, &s3->lock);
	if (!error)
		s3->sending++;
	pthread_mutex_unlock(&s3->lock);
	return error;
}

void s3_end_sending(struct s3 *s3)
{
	pthread_mutex_lock(&s3->lock);
	s3->sending--;
	pthread_cond_signal(&s3->has_room);
	pthread_mutex_unlock(&s3->lock);
}

/* --- what answers tell --- */

/* The answer names the region that the bucket is in, and it is not the one that was asked. */
static bool learn_region(struct s3 *s3, struct s3_call *call)
{
	const char *region = s3_answer_region(call);

	if (call->moved || !region || !s3_region_ok(region) || !strcmp(region, call->region))
		return false;
	pthread_mutex_lock(&s3->lock);
	strcpy(s3->region, region);
	pthread_mutex_unlock(&s3->lock);
	call->moved = true;
	return true;
}

/* The server finds our clock wrong. */
static bool learn_time(struct s3 *s3, struct s3_call *call)
{
	if (call->reset || !s3_answer_is_skewed(call))
		return false;
	pthread_mutex_lock(&s3->lock);
	s3->ahead_s = call->http.date - io_now(s3->io).tv_sec;
	pthread_mutex_unlock(&s3->lock);
	call->reset = true;
	return true;
}

/* The credentials were refused, and there may be others. */
static bool change_credentials(struct s3 *s3, struct s3_call *call)
{
	if (!s3_answer_is_refusal(call) || !keyring_refused(s3->keyring, call->credentials) || call->refused)
		return false;
	call->refused = true;
	return true;
}

/* --- beginning --- */

__attribute__((format(printf, 2, 3))) static int add_header(struct s3_call *call, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&call->headers[call->header_count], format, args);
	va_end(args);
	if (len < 0)
		return -ENOMEM;
	call->header_count++;
	return 0;
}

static void drop_headers(struct s3_call *call)
{
	while (call->header_count) {
		char *line = call->headers[--call->header_count];

		explicit_bzero(line, strlen(line));
		free(line);
	}
}

/* No byte of it ends a line. */
static bool fits_header(const char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			return false;
	}
	return true;
}

static int sign(struct s3_call *call, const struct credentials *credentials, const char *payload)
{
	char date[SIGV4_DATE_SIZE], *line;
	struct sigv4_request r = {
	    .method = http_method_name(call->method),
	    .path = call->url.path,
	    .query = call->url.query,
	    .headers = (const char *const *)call->headers,
	    .payload = payload,
	    .date = sigv4_date(call->signed_at, date),
	    .region = call->region,
	    .service = "s3",
	    .user = credentials->user,
	    .secret = credentials->secret,
	};
	int error = add_header(call, "x-amz-date: %s", date);

	if (!fits_header(credentials->user) || (credentials->token && !fits_header(credentials->token)))
		return -EKEYREJECTED;
	if (!error && credentials->token)
		error = add_header(call, "x-amz-security-token: %s", credentials->token);
	r.header_count = call->header_count;
	if (!error)
		error = sigv4_sign(&r, &line);
	if (error)
		return error;
	call->headers[call->header_count++] = line;
	return 0;
}

/* Where they were refused before, that stays said. */
static void note_no_credentials(struct s3 *s3)
{
	char why[REMOTE_WHY_SIZE];

	keyring_why(s3->keyring, why, sizeof(why));
	if (!*why)
		return;
	pthread_mutex_lock(&s3->lock);
	strcpy(s3->why, why);
	pthread_mutex_unlock(&s3->lock);
}

/* The headers of CALL in the order in which they are signed; the first, Host, is made by libcurl all the same. */
static int add_headers(struct s3 *s3, struct s3_call *call)
{
	struct credentials credentials = {0};
	char empty[ID_HEX_SIZE];
	const char *payload = call->body ? call->body->digest : empty;
	struct id id;
	int error = keyring_get(s3->keyring, &credentials, &call->credentials);

	if (error && error != -ENOENT) {
		note_no_credentials(s3);
		return error;
	}
	call->is_signed = !error && credentials.user && credentials.secret;
	call->has_token = call->is_signed && credentials.token;
	id_of("", 0, &id);
	id_format(&id, empty);
	error = add_header(call, "host: %s", call->url.host);
	if (!error && call->if_none_match)
		error = add_header(call, "if-none-match: *");
	if (!error)
		error = add_header(call, "x-amz-content-sha256: %s", payload);
	if (!error && call->is_signed)
		error = sign(call, &credentials, payload);
	credentials_release(&credentials);
	return error;
}

static void pass_on_arrival(void *arg, size_t got)
{
	const struct s3_call *call = arg;

	call->arrival->came(call->arrival->arg, call->before + got);
}

static void set_request(struct s3_call *call)
{
	call->behind = (struct arrival){.came = pass_on_arrival, .arg = call};
	call->wanted[0].name = "etag";
	call->wanted[1].name = "x-amz-bucket-region";
	call->error = (struct s3_error){.code = ""};
	call->http = (struct http_request){
	    .url = call->url.url,
	    .method = call->method,
	    .data = call->data ? (char *)call->data + call->before : NULL,
	    .room = call->room - call->before,
	    .offset = call->offset + call->before,
	    .arrival = call->arrival ? &call->behind : NULL,
	    .text_max = call->text_max ? call->text_max : ERROR_TEXT_MAX,
	    .body = call->body ? &call->body->http : NULL,
	    .body_unasked = call->body_unasked,
	    .headers = (const char *const *)call->headers + 1,
	    .header_count = call->header_count - 1,
	    .wanted = call->wanted,
	    .wanted_count = sizeof(call->wanted) / sizeof(call->wanted[0]),
	    .direct = true,
	    .stall_s = call->stall_s,
	    .last_s = call->last_s,
	};
}

int s3_begin(struct s3 *s3, struct s3_call *call)
{
	int error;

	pthread_mutex_lock(&s3->lock);
	strcpy(call->region, s3->region);
	call->signed_at = io_now(s3->io).tv_sec + s3->ahead_s;
	pthread_mutex_unlock(&s3->lock);
	error = s3_url_init(&call->url, &s3->place, call->region, call->path, call->query ? call->query : "");
	if (!error)
		error = add_headers(s3, call);
	if (!error) {
		set_request(call);
		error = http_start(s3->http, &call->http, &call->transfer);
	}
	if (error) {
		drop_headers(call);
		s3_url_release(&call->url);
	}
	return error;
}

/* --- ending --- */

/* Let a failure pass, as long as the server says, within bounds. */
static int pause_before_next(struct s3 *s3, const struct s3_call *call)
{
	uint64_t wait_ms = (uint64_t)PAUSE_FIRST_MS << call->failures,
		 said_ms = call->http.retry_after_s * UINT64_C(1000);
	uint64_t now = io_monotonic_ns(s3->io), until;

	if (said_ms > wait_ms)
		wait_ms = said_ms;
	until = now + (wait_ms < PAUSE_MAX_MS ? wait_ms : PAUSE_MAX_MS) * UINT64_C(1000000);
	for (; now < until; now = io_monotonic_ns(s3->io)) {
		uint64_t left_ms = (until - now + 999999) / 1000000;

		if (interrupt_pending())
			return -EINTR;
		io_sleep_ms(s3->io, left_ms < INTERRUPT_POLL_MS ? (unsigned)left_ms : INTERRUPT_POLL_MS);
	}
	return S3_AGAIN;
}

/* An answer about a file says that the rest is well. */
static void learn(struct s3 *s3, const struct s3_call *call, int error)
{
	if (error && error != -EEXIST && (error != -ENOENT || !call->error.code[0]))
		return;
	keyring_taken(s3->keyring, call->credentials);
	set(s3, &s3->has_bucket);
}

static int judge(struct s3 *s3, struct s3_call *call)
{
	int error = s3_answer_error(call);

	if (error && (learn_region(s3, call) || learn_time(s3, call) || change_credentials(s3, call)))
		return S3_AGAIN;
	learn(s3, call, error);
	return error;
}

/* Another put the same file at once: an upload is to be begun anew then. */
static bool is_conflict(const struct s3_call *call)
{
	return call->method == HTTP_POST && call->http.status == 409;
}

/* Codes are words of letters and digits, whatever a service sends. */
static const char *code_of(const struct s3_call *call)
{
	for (const char *c = call->error.code; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '.')
			return "";
	}
	return call->error.code;
}

/* Keep what the service said about a failure, which is none where a file is merely not there, or there already. */
static void note_answer(struct s3 *s3, const struct s3_call *call, int error)
{
	const bool is_anonymous = s3_answer_is_refusal(call) && !call->is_signed;
	const char *code = code_of(call);
	char none[REMOTE_WHY_SIZE - 60] = "";

	if (error > 0 || error == -ENOENT || error == -EEXIST)
		return;
	if (!error || error == -ENODEV) {
		pthread_mutex_lock(&s3->lock);
		s3->why[0] = '\0';
		pthread_mutex_unlock(&s3->lock);
		return;
	}
	if (is_anonymous)
		keyring_why(s3->keyring, none, sizeof(none));
	if (is_anonymous && !*none)
		strcpy(none, "no credentials were found");
	pthread_mutex_lock(&s3->lock);
	if (!call->http.status)
		s3->why[0] = '\0';
	else
		snprintf(s3->why, sizeof(s3->why), "%s%sthe service answers %ld%s%s", none,
		         is_anonymous ? ", and " : "", call->http.status, *code ? " " : "", code);
	pthread_mutex_unlock(&s3->lock);
}

void s3_why(struct s3 *s3, char why[REMOTE_WHY_SIZE])
{
	pthread_mutex_lock(&s3->lock);
	strcpy(why, s3->why);
	pthread_mutex_unlock(&s3->lock);
	if (!*why)
		http_why(s3->http, why);
}

int s3_end(struct s3 *s3, struct s3_call *call)
{
	int error = http_wait(s3->http, call->transfer);

	call->transfer = NULL;
	/* All that was asked for is there, however the connection ended. */
	if (error && error != -EINTR && call->http.status == 206 && call->data && call->http.got == call->http.room)
		error = 0;
	if (!error)
		error = judge(s3, call);
	note_answer(s3, call, error);
	drop_headers(call);
	s3_url_release(&call->url);
	if (error < 0 && remote_may_pass(error) && !is_conflict(call) && ++call->failures < call->tries) {
		call->doubtful |= error != -EAGAIN;
		/* What came is not asked for again. */
		if (call->http.status == 206)
			call->before += call->http.got;
		error = pause_before_next(s3, call);
	}
	if (error == S3_AGAIN)
		s3_call_release(call);
	return error;
}

int s3_run(struct s3 *s3, struct s3_call *call)
{
	int error;

	do {
		error = s3_begin(s3, call);
		if (!error)
			error = s3_end(s3, call);
	} while (error == S3_AGAIN);
	return error;
}

void s3_give_up(struct s3 *s3, struct s3_call *call)
{
	if (call->transfer)
		http_give_up(s3->http, call->transfer);
}

const char *s3_call_etag(const struct s3_call *call)
{
	return call->wanted[0].value;
}

void s3_call_release(struct s3_call *call)
{
	free(call->http.text);
	call->http.text = NULL;
}
