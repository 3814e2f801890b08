#include "cache/s3/s3_xml.h"

#include <errno.h>
#include <expat.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/s3/s3_url.h"
#include "cache/wire.h"

#define DEPTH_MAX 8
#define NAME_SIZE 48
#define TEXT_MAX ((size_t)8192) /* of one element */

/* Told of each element at its end: DEPTH is 1 for the root, TEXT what stands in it itself.  0 or the error of all. */
typedef int (*on_element)(void *arg, unsigned depth, const char *name, const char *text);

struct parse {
	XML_Parser parser;
	char names[DEPTH_MAX][NAME_SIZE];
	unsigned depth;
	struct buffer text; /* of the innermost element */
	on_element each;
	void *arg;
	int error;
};

static void stop(struct parse *p, int error)
{
	if (!p->error)
		p->error = error;
	XML_StopParser(p->parser, XML_FALSE);
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct parse *p = arg;
	const char *plain = strrchr(name, ':');

	(void)attributes;
	plain = plain ? plain + 1 : name;
	if (p->depth == DEPTH_MAX || strlen(plain) >= NAME_SIZE) {
		stop(p, -EPROTO);
		return;
	}
	strcpy(p->names[p->depth++], plain);
	buffer_clear(&p->text);
}

static void on_text(void *arg, const XML_Char *text, int len)
{
	struct parse *p = arg;

	if (p->text.len + (size_t)len > TEXT_MAX)
		stop(p, -EPROTO);
	else
		buffer_append(&p->text, text, (size_t)len);
}

static void on_end(void *arg, const XML_Char *name)
{
	struct parse *p = arg;
	const unsigned depth = p->depth;
	int error;

	(void)name;
	/* expat may tell of the end of an element that it was stopped in. */
	if (p->error || !depth)
		return;
	buffer_put8(&p->text, 0);
	if (p->text.failed) {
		stop(p, -ENOMEM);
		return;
	}
	error = p->each(p->arg, depth, p->names[depth - 1], (const char *)p->text.data);
	p->depth--;
	buffer_clear(&p->text);
	if (error)
		stop(p, error);
}

static void on_type(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int has_subset)
{
	(void)name;
	(void)system;
	(void)public;
	(void)has_subset;
	stop(arg, -EPROTO);
}

static int parse_xml(const char *text, size_t len, on_element each, void *arg)
{
	struct parse p = {.parser = XML_ParserCreate(NULL), .each = each, .arg = arg};
	size_t blank = 0;

	if (!p.parser)
		return -ENOMEM;
	XML_SetUserData(p.parser, &p);
	XML_SetElementHandler(p.parser, on_start, on_end);
	XML_SetCharacterDataHandler(p.parser, on_text);
	XML_SetStartDoctypeDeclHandler(p.parser, on_type);
	/* A service that takes its time sends blanks meanwhile. */
	while (blank < len && strchr(" \t\r\n", text[blank]) && text[blank])
		blank++;
	if (len - blank > INT32_MAX)
		p.error = -EPROTO;
	else if (XML_Parse(p.parser, text + blank, (int)(len - blank), XML_TRUE) != XML_STATUS_OK && !p.error)
		p.error = XML_GetErrorCode(p.parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EPROTO;
	XML_ParserFree(p.parser);
	buffer_release(&p.text);
	return p.error;
}

/* --- errors --- */

struct error_parse {
	struct s3_error *error;
	bool is_error;
};

static int take_error(void *arg, unsigned depth, const char *name, const char *text)
{
	struct error_parse *e = arg;

	if (depth == 1)
		e->is_error = !strcmp(name, "Error");
	if (depth != 2 || strlen(text) >= S3_CODE_SIZE)
		return 0;
	if (!strcmp(name, "Code"))
		strcpy(e->error->code, text);
	if (!strcmp(name, "Region"))
		strcpy(e->error->region, text);
	return 0;
}

int s3_xml_error(const char *text, size_t len, struct s3_error *error)
{
	struct s3_error found = {.code = ""};
	struct error_parse e = {.error = &found};
	int failure = parse_xml(text, len, take_error, &e);

	if (failure)
		return failure;
	if (!e.is_error)
		return -ENOENT;
	*error = found;
	return 0;
}

/* --- uploads --- */

static int take_upload(void *arg, unsigned depth, const char *name, const char *text)
{
	char **id = arg;

	if (depth == 1 && strcmp(name, "InitiateMultipartUploadResult") != 0)
		return -EPROTO;
	if (depth != 2 || strcmp(name, "UploadId") != 0 || *id)
		return 0;
	*id = strdup(text);
	return *id ? 0 : -ENOMEM;
}

int s3_xml_upload(const char *text, size_t len, char **id)
{
	char *found = NULL;
	int error = parse_xml(text, len, take_upload, &found);

	if (!error && (!found || !*found))
		error = -EPROTO;
	if (error) {
		free(found);
		return error;
	}
	*id = found;
	return 0;
}

/* --- listings --- */

struct page_parse {
	struct s3_page page;
	size_t room;
	struct s3_item item; /* the one that is being read */
	bool has_size;
	bool more;
	bool encoded;
};

static int take_key(struct page_parse *l, const char *text)
{
	if (l->item.key)
		return -EPROTO;
	l->item.key = strdup(text);
	return l->item.key ? 0 : -ENOMEM;
}

/* Whether keys are encoded may stand behind them. */
static int decode_keys(const struct page_parse *l)
{
	for (size_t i = 0; i < l->page.count; i++) {
		char *key = l->page.items[i].key;

		if ((l->encoded && !s3_decode(key)) || !*key || strlen(key) > S3_KEY_MAX)
			return -EPROTO;
	}
	return 0;
}

static int take_size(struct page_parse *l, const char *text)
{
	char *end;

	if (*text < '0' || *text > '9' || strlen(text) > 19)
		return -EPROTO;
	l->item.size = strtoull(text, &end, 10);
	l->has_size = true;
	return *end ? -EPROTO : 0;
}

/* "2026-11-30T03:08:59.000Z" */
static int take_time(const char *text, time_t *time)
{
	struct tm tm = {0};

	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return -EPROTO;
	*time = timegm(&tm);
	return 0;
}

/* An item is complete. */
static int add_item(struct page_parse *l)
{
	if (!l->item.key || !l->has_size)
		return -EPROTO;
	if (l->page.count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct s3_item *items = reallocarray(l->page.items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->page.items = items;
		l->room = room;
	}
	l->page.items[l->page.count++] = l->item;
	l->item = (struct s3_item){0};
	l->has_size = false;
	return 0;
}

static int take_page(void *arg, unsigned depth, const char *name, const char *text)
{
	struct page_parse *l = arg;

	if (depth == 1)
		return strcmp(name, "ListBucketResult") ? -EPROTO : 0;
	if (depth == 2 && !strcmp(name, "Contents"))
		return add_item(l);
	if (depth == 2 && !strcmp(name, "IsTruncated"))
		l->more = !strcmp(text, "true");
	if (depth == 2 && !strcmp(name, "EncodingType"))
		l->encoded = !strcmp(text, "url");
	if (depth == 2 && !strcmp(name, "NextContinuationToken") && !l->page.next) {
		l->page.next = strdup(text);
		return l->page.next ? 0 : -ENOMEM;
	}
	if (depth == 3 && !strcmp(name, "Key"))
		return take_key(l, text);
	if (depth == 3 && !strcmp(name, "Size"))
		return take_size(l, text);
	if (depth == 3 && !strcmp(name, "LastModified"))
		return take_time(text, &l->item.time);
	return 0;
}

int s3_xml_page(const char *text, size_t len, struct s3_page *page)
{
	struct page_parse l = {.room = 0};
	int error = parse_xml(text, len, take_page, &l);

	if (!error)
		error = decode_keys(&l);
	if (!error && l.more && (!l.page.next || !*l.page.next))
		error = -EPROTO;
	free(l.item.key);
	if (error) {
		s3_page_release(&l.page);
		return error;
	}
	if (!l.more) {
		free(l.page.next);
		l.page.next = NULL;
	}
	*page = l.page;
	return 0;
}

void s3_page_release(struct s3_page *page)
{
	for (size_t i = 0; i < page->count; i++)
		free(page->items[i].key);
	free(page->items);
	free(page->next);
	*page = (struct s3_page){0};
}

/* --- lists of uploads --- */

struct uploads_parse {
	struct s3_uploads list;
	size_t room;
	struct s3_unfinished item; /* the one that is being read */
	bool has_time;
	bool more;
	bool encoded;
};

/* *TEXT: a copy of VALUE, which is said once. */
static int take_once(char **text, const char *value)
{
	if (*text)
		return -EPROTO;
	*text = strdup(value);
	return *text ? 0 : -ENOMEM;
}

static int add_unfinished(struct uploads_parse *l)
{
	if (!l->item.key || !l->item.id || !*l->item.id || !l->has_time)
		return -EPROTO;
	if (l->list.count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct s3_unfinished *items = reallocarray(l->list.items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		l->list.items = items;
		l->room = room;
	}
	l->list.items[l->list.count++] = l->item;
	l->item = (struct s3_unfinished){0};
	l->has_time = false;
	return 0;
}

static int take_unfinished(struct uploads_parse *l, const char *name, const char *text)
{
	if (!strcmp(name, "Key"))
		return take_once(&l->item.key, text);
	if (!strcmp(name, "UploadId"))
		return take_once(&l->item.id, text);
	if (strcmp(name, "Initiated") != 0)
		return 0;
	l->has_time = true;
	return take_time(text, &l->item.time);
}

static int take_uploads(void *arg, unsigned depth, const char *name, const char *text)
{
	struct uploads_parse *l = arg;

	if (depth == 1)
		return strcmp(name, "ListMultipartUploadsResult") ? -EPROTO : 0;
	if (depth == 3)
		return take_unfinished(l, name, text);
	if (depth != 2)
		return 0;
	if (!strcmp(name, "Upload"))
		return add_unfinished(l);
	if (!strcmp(name, "NextKeyMarker"))
		return take_once(&l->list.next_key, text);
	if (!strcmp(name, "NextUploadIdMarker"))
		return take_once(&l->list.next_id, text);
	if (!strcmp(name, "IsTruncated"))
		l->more = !strcmp(text, "true");
	if (!strcmp(name, "EncodingType"))
		l->encoded = !strcmp(text, "url");
	return 0;
}

static bool key_is_good(const struct uploads_parse *l, char *key)
{
	return (!l->encoded || s3_decode(key)) && *key && strlen(key) <= S3_KEY_MAX;
}

int s3_xml_uploads(const char *text, size_t len, struct s3_uploads *uploads)
{
	struct uploads_parse l = {.room = 0};
	int error = parse_xml(text, len, take_uploads, &l);

	for (size_t i = 0; i < l.list.count && !error; i++)
		error = key_is_good(&l, l.list.items[i].key) ? 0 : -EPROTO;
	if (!error && l.more && (!l.list.next_key || !l.list.next_id || !key_is_good(&l, l.list.next_key)))
		error = -EPROTO;
	free(l.item.key);
	free(l.item.id);
	if (error) {
		s3_uploads_release(&l.list);
		return error;
	}
	if (!l.more) {
		free(l.list.next_key);
		free(l.list.next_id);
		l.list.next_key = l.list.next_id = NULL;
	}
	*uploads = l.list;
	return 0;
}

void s3_uploads_release(struct s3_uploads *uploads)
{
	for (size_t i = 0; i < uploads->count; i++) {
		free(uploads->items[i].key);
		free(uploads->items[i].id);
	}
	free(uploads->items);
	free(uploads->next_key);
	free(uploads->next_id);
	*uploads = (struct s3_uploads){0};
}
