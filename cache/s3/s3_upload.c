#include "cache/s3/s3_upload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"

#define TRIES 4
#define ABORT_S 10
#define COMPLETE_S 600 /* the service puts the parts together, and says next to nothing meanwhile */
#define COMPLETE_TEXT_MAX ((size_t)1 << 20)

/* A part on its way. */
struct slot {
	struct s3_call call;
	struct s3_body body;
	char *query;
	size_t number; /* from 1 on; 0: there is none */
};

struct upload {
	struct s3 *s3;
	const char *path;
	const struct remote_body *body;
	uint64_t part; /* bytes of each but the last */
	size_t count;
	char *id;                      /* encoded, as it stands in queries */
	char (*tags)[HTTP_VALUE_SIZE]; /* of the parts, which the service gave them */
	struct slot slots[S3_UPLOAD_AT_ONCE];
};

static int begin_upload(struct upload *u)
{
	struct s3_call call = {.method = HTTP_POST, .path = u->path, .query = "uploads=", .tries = TRIES};
	const struct remote_body nothing = {.data = ""};
	struct s3_body body;
	char *id = NULL;
	int error = s3_body_init(&body, s3_io(u->s3), &nothing, 0, 0);

	call.body = &body;
	if (!error)
		error = s3_run(u->s3, &call);
	if (!error)
		error = call.http.text ? s3_xml_upload(call.http.text, call.http.text_len, &id) : -EPROTO;
	if (!error) {
		u->id = s3_encode(id, false);
		error = u->id ? 0 : -ENOMEM;
	}
	free(id);
	s3_call_release(&call);
	return error;
}

/* --- parts --- */

static int begin_part(struct upload *u, struct slot *slot, size_t number)
{
	const uint64_t offset = (number - 1) * u->part, left = u->body->len - offset;
	int error = s3_body_init(&slot->body, s3_io(u->s3), u->body, offset, left < u->part ? left : u->part);

	if (error)
		return error;
	if (asprintf(&slot->query, "partNumber=%zu&uploadId=%s", number, u->id) < 0) {
		slot->query = NULL;
		return -ENOMEM;
	}
	slot->call = (struct s3_call){
	    .method = HTTP_PUT,
	    .path = u->path,
	    .query = slot->query,
	    .body = &slot->body,
	    .body_unasked = true,
	    .tries = TRIES,
	};
	error = s3_begin(u->s3, &slot->call);
	if (!error)
		slot->number = number;
	return error;
}

/* Wait for the part in SLOT, which is free then unless the part is begun again. */
static int end_part(struct upload *u, struct slot *slot, bool again)
{
	int error = s3_end(u->s3, &slot->call);

	if (error == S3_AGAIN && again) {
		error = s3_begin(u->s3, &slot->call);
		if (!error)
			return 0;
	} else if (!error) {
		const char *tag = s3_call_etag(&slot->call);

		error = *tag ? 0 : -EPROTO;
		strcpy(u->tags[slot->number - 1], tag);
	}
	s3_call_release(&slot->call);
	free(slot->query);
	slot->query = NULL;
	slot->number = 0;
	return error;
}

/* End what is on its way. */
static void drop_parts(struct upload *u)
{
	for (size_t i = 0; i < S3_UPLOAD_AT_ONCE; i++) {
		if (u->slots[i].number)
			s3_give_up(u->s3, &u->slots[i].call);
	}
	for (size_t i = 0; i < S3_UPLOAD_AT_ONCE; i++) {
		if (u->slots[i].number)
			end_part(u, &u->slots[i], false);
		free(u->slots[i].query);
	}
}

/* Parts go round the slots; the oldest is waited for. */
static int send_parts(struct upload *u)
{
	size_t next = 1;
	int error = s3_begin_sending(u->s3);
	bool sending = !error;

	if (error)
		return error;
	while (!error) {
		bool busy = false;

		for (size_t i = 0; i < S3_UPLOAD_AT_ONCE && !error; i++) {
			struct slot *slot = &u->slots[i];

			if (slot->number)
				error = end_part(u, slot, true);
			if (!error && !slot->number && next <= u->count)
				error = begin_part(u, slot, next++);
			if (sending && next > u->count) {
				s3_end_sending(u->s3);
				sending = false;
			}
			busy |= slot->number != 0;
		}
		if (!busy)
			break;
	}
	drop_parts(u);
	if (sending)
		s3_end_sending(u->s3);
	return error;
}

/* --- the end --- */

static void add_text(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

/* TEXT as it stands in XML. */
static void add_escaped(struct buffer *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '&')
			add_text(b, "&amp;");
		else if (*text == '<')
			add_text(b, "&lt;");
		else if (*text == '>')
			add_text(b, "&gt;");
		else
			buffer_append(b, text, 1);
	}
}

/* The list of parts. */
static void add_parts(struct buffer *b, const struct upload *u)
{
	char number[64];

	add_text(b, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < u->count; i++) {
		snprintf(number, sizeof(number), "<Part><PartNumber>%zu", i + 1);
		add_text(b, number);
		add_text(b, "</PartNumber><ETag>");
		add_escaped(b, u->tags[i]);
		add_text(b, "</ETag></Part>");
	}
	add_text(b, "</CompleteMultipartUpload>");
}

static int complete(struct upload *u, bool if_none_match, struct s3_outcome *outcome)
{
	struct s3_call call = {
	    .method = HTTP_POST,
	    .path = u->path,
	    .text_max = COMPLETE_TEXT_MAX,
	    .if_none_match = if_none_match,
	    .tries = TRIES,
	    .stall_s = COMPLETE_S,
	};
	struct buffer list = {0};
	struct s3_body body;
	char *query = NULL;
	int error;

	add_parts(&list, u);
	error = list.failed || asprintf(&query, "uploadId=%s", u->id) < 0 ? -ENOMEM : 0;
	if (!error)
		error = s3_body_init(&body, s3_io(u->s3), &(struct remote_body){.data = list.data}, 0, list.len);
	if (!error) {
		call.query = query;
		call.body = &body;
		error = s3_run(u->s3, &call);
		*outcome = (struct s3_outcome){.status = call.http.status, .doubtful = call.doubtful};
	}
	/* The try before this one did it. */
	if (error == -ESTALE && call.doubtful)
		error = 0;
	s3_call_release(&call);
	buffer_release(&list);
	free(query);
	return error;
}

/* What is left behind all the same, the bucket's owner has to have removed. */
static void abort_upload(struct upload *u)
{
	struct s3_call call = {.method = HTTP_DELETE, .path = u->path, .last_s = ABORT_S};
	char *query;

	if (asprintf(&query, "uploadId=%s", u->id) < 0)
		return;
	call.query = query;
	s3_run(u->s3, &call);
	s3_call_release(&call);
	free(query);
}

int s3_upload(struct s3 *s3, const char *path, const struct remote_body *body, bool if_none_match,
              struct s3_outcome *outcome)
{
	struct upload u = {.s3 = s3, .path = path, .body = body, .part = S3_UPLOAD_PART};
	int error;

	if (body->len / S3_UPLOAD_PARTS_MAX >= u.part)
		u.part = body->len / S3_UPLOAD_PARTS_MAX + 1;
	u.count = (size_t)((body->len + u.part - 1) / u.part);
	u.tags = calloc(u.count, sizeof(*u.tags));
	error = u.tags ? begin_upload(&u) : -ENOMEM;
	if (!error) {
		error = send_parts(&u);
		if (!error)
			error = complete(&u, if_none_match, outcome);
		if (error)
			abort_upload(&u);
	}
	free(u.id);
	free(u.tags);
	return error;
}
