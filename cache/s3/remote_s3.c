/*
 * Remotes that are buckets of an S3 service, or a prefix in one: s3://BUCKET/PREFIX.  A file of the store is an object;
 * its key is the prefix and the path.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/s3/s3.h"
#include "cache/s3/s3_unfinished.h"
#include "cache/s3/s3_upload.h"

#define READ_TRIES 2 /* others may have it, and whoever reads asks again */
#define TRIES 4
#define PUTS_MAX 3
#define PAGE_TEXT_MAX ((size_t)8 << 20)

static int bucket_open(const struct remote_setup *setup, void **state)
{
	struct s3 *s3;
	int error = s3_open(setup, &s3);

	if (!error)
		*state = s3;
	return error;
}

static void bucket_close(void *state)
{
	s3_close(state);
}

/* --- reading --- */

static ssize_t bucket_read(void *state, const char *path, uint64_t offset, void *data, size_t len,
                           const struct arrival *arrival)
{
	struct s3_call call = {
	    .path = path, .data = data, .room = len, .offset = offset, .arrival = arrival, .tries = READ_TRIES};
	int error = len ? s3_run(state, &call) : 0;

	s3_call_release(&call);
	if (call.http.status == 416)
		return (ssize_t)call.before; /* behind the end */
	return error ? error : (ssize_t)(call.before + call.http.got);
}

/* The size as a GET tells it, which also says why where it fails. */
static int stat_by_get(struct s3 *s3, struct s3_call *call, const char *path)
{
	char byte;
	int error;

	*call = (struct s3_call){.path = path, .data = &byte, .room = 1, .tries = TRIES};
	error = s3_run(s3, call);
	s3_call_release(call);
	return call->http.status == 416 && call->http.has_size ? 0 : error;
}

/* Whether an answer to HEAD of STATUS, which has no words for why, is not to be understood without them. */
static bool leaves_open(struct s3 *s3, long status)
{
	switch (status) {
	case 301:
	case 307:
	case 400:
	case 405:
	case 501:
		return true;
	case 404:
		return !s3_has_bucket(s3);
	default:
		return false;
	}
}

static int bucket_stat(void *state, const char *path, struct remote_stat *st)
{
	struct s3 *s3 = state;
	struct s3_call call = {.method = HTTP_HEAD, .path = path, .tries = TRIES};
	int error = s3_run(s3, &call);

	if (error ? leaves_open(s3, call.http.status) : !call.http.has_size)
		error = stat_by_get(s3, &call, path);
	if (error)
		return error;
	if (!call.http.has_size)
		return -EPROTO;
	*st = (struct remote_stat){.size = call.http.size, .time = call.http.time};
	return 0;
}

/* --- changing --- */

static int put_once(struct s3 *s3, const char *path, const struct remote_body *body, bool if_none_match,
                    struct s3_outcome *outcome)
{
	struct s3_call call = {.method = HTTP_PUT, .path = path, .if_none_match = if_none_match, .tries = TRIES};
	struct s3_body whole;
	int error;

	if (body->len > S3_UPLOAD_ABOVE)
		return s3_upload(s3, path, body, if_none_match, outcome);
	error = s3_body_init(&whole, s3_io(s3), body, 0, body->len);
	if (error)
		return error;
	call.body = &whole;
	error = s3_run(s3, &call);
	*outcome = (struct s3_outcome){.status = call.http.status, .doubtful = call.doubtful};
	s3_call_release(&call);
	return error;
}

/* Put it; whether there is one is asked by the service, where it knows how to, as it puts it. */
static int put(struct s3 *s3, const char *path, const struct remote_body *body, bool replace)
{
	int error = 0;

	for (unsigned i = 0; i < PUTS_MAX; i++) {
		const bool condition = !replace && !s3_lacks_conditions(s3);
		struct s3_outcome outcome = {.status = 0};
		struct remote_stat st;

		error = replace || condition ? -ENOENT : bucket_stat(s3, path, &st);
		if (error != -ENOENT)
			return error ? error : -EEXIST;
		error = put_once(s3, path, body, condition, &outcome);
		/* It may be what the try before put there. */
		if (error == -EEXIST && outcome.doubtful && !bucket_stat(s3, path, &st) && st.size == body->len)
			return 0;
		if (error && condition && outcome.status == 501)
			s3_set_lacks_conditions(s3);
		else if (!error || outcome.status != 409) /* two put it at once: another try */
			return error;
	}
	return error;
}

static int bucket_put(void *state, const char *path, const struct remote_body *body, bool replace)
{
	struct remote_stat st;
	int error = put(state, path, body, replace);

	if (error || body->is_checked)
		return error;
	error = bucket_stat(state, path, &st);
	if (!error && st.size == body->len)
		return 0;
	return error && error != -ENOENT ? error : -EREMOTEIO;
}

/* DELETE says nothing about whether there was one. */
static int bucket_remove(void *state, const char *path)
{
	struct s3_call call = {.method = HTTP_DELETE, .path = path, .tries = TRIES};
	struct remote_stat st;
	int error = bucket_stat(state, path, &st);

	if (error)
		return error;
	error = s3_run(state, &call);
	s3_call_release(&call);
	return error == -ENOENT ? 0 : error;
}

/* --- listing --- */

/* *QUERY: that of the part of the listing behind TOKEN; of the first where that is NULL. */
static int make_query(const char *prefix, const char *token, char **query)
{
	char *encoded_prefix = s3_encode(prefix, false), *encoded_token = token ? s3_encode(token, false) : NULL;
	int len = -1;

	if (encoded_prefix && (encoded_token || !token))
		len =
		    asprintf(query, "%s%s%sencoding-type=url&list-type=2&prefix=%s", token ? "continuation-token=" : "",
		             token ? encoded_token : "", token ? "&" : "", encoded_prefix);
	free(encoded_prefix);
	free(encoded_token);
	return len < 0 ? -ENOMEM : 0;
}

static int read_page(struct s3 *s3, const char *prefix, const char *token, struct s3_page *page)
{
	struct s3_call call = {.text_max = PAGE_TEXT_MAX, .tries = TRIES};
	char *query;
	int error = make_query(prefix, token, &query);

	if (error)
		return error;
	call.query = query;
	error = s3_run(s3, &call);
	if (!error)
		error = call.http.text ? s3_xml_page(call.http.text, call.http.text_len, page) : -EPROTO;
	s3_call_release(&call);
	free(query);
	return error;
}

/* Tell of what stands in PAGE; keys that are no files of a store are passed over. */
static int tell(const struct s3_page *page, const char *prefix, size_t top_len, remote_each each, void *arg)
{
	int error = 0;

	for (size_t i = 0; i < page->count && !error; i++) {
		const struct s3_item *item = &page->items[i];
		const char *path;
		size_t len;

		if (strncmp(item->key, prefix, strlen(prefix)) != 0)
			return -EPROTO;
		path = item->key + top_len;
		len = strlen(path);
		if (len < REMOTE_PATH_SIZE && path[len - 1] != '/')
			error = each(arg, path, &(struct remote_stat){.size = item->size, .time.tv_sec = item->time});
	}
	return error;
}

static int bucket_list(void *state, const char *folder, remote_each each, void *arg)
{
	struct s3 *s3 = state;
	const size_t top_len = strlen(s3_prefix(s3));
	char *prefix, *token = NULL;
	bool more = true;
	int error = 0;

	if (asprintf(&prefix, "%s%s/", s3_prefix(s3), folder) < 0)
		return -ENOMEM;
	while (more && !error) {
		struct s3_page page = {0};

		error = read_page(s3, prefix, token, &page);
		if (!error && token && page.next && !strcmp(token, page.next))
			error = -EPROTO; /* without end */
		if (!error)
			error = tell(&page, prefix, top_len, each, arg);
		free(token);
		token = page.next;
		page.next = NULL;
		more = token != NULL;
		s3_page_release(&page);
	}
	free(token);
	free(prefix);
	return error;
}

static int bucket_sweep(void *state, time_t before, bool dry, struct remote_unfinished *swept)
{
	return s3_unfinished_sweep(state, before, dry, swept);
}

static void bucket_why(void *state, char why[REMOTE_WHY_SIZE])
{
	s3_why(state, why);
}

const struct remote_kind remote_kind_s3 = {
    .name = "s3",
    .open = bucket_open,
    .close = bucket_close,
    .read = bucket_read,
    .stat = bucket_stat,
    .put = bucket_put,
    .remove = bucket_remove,
    .list = bucket_list,
    .sweep = bucket_sweep,
    .why = bucket_why,
};
