#include "cache/s3/s3_unfinished.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/id.h"

#define TRIES 4
#define PARTS_MAX 10000 /* of a list, of a thousand uploads each */
#define LIST_TEXT_MAX ((size_t)8 << 20)
#define PACKS "packs/" /* of what a store holds, only packs are large enough to go in parts */

/* *QUERY: that of the part of the list behind LAST; of the first where that has no markers. */
static int make_query(const char *prefix, const struct s3_uploads *last, char **query)
{
	char *below = s3_encode(prefix, false), *key = last->next_key ? s3_encode(last->next_key, false) : NULL;
	char *id = last->next_id ? s3_encode(last->next_id, false) : NULL;
	int len = -1;

	if (below && key && id)
		len = asprintf(query, "encoding-type=url&key-marker=%s&prefix=%s&upload-id-marker=%s&uploads=", key,
		               below, id);
	else if (below && !last->next_key)
		len = asprintf(query, "encoding-type=url&prefix=%s&uploads=", below);
	free(below);
	free(key);
	free(id);
	return len < 0 ? -ENOMEM : 0;
}

static int read_part(struct s3 *s3, const char *prefix, const struct s3_uploads *last, struct s3_uploads *part)
{
	struct s3_call call = {.text_max = LIST_TEXT_MAX, .tries = TRIES};
	char *query;
	int error = make_query(prefix, last, &query);

	if (error)
		return error;
	call.query = query;
	error = s3_run(s3, &call);
	if (!error)
		error = call.http.text ? s3_xml_uploads(call.http.text, call.http.text_len, part) : -EPROTO;
	s3_call_release(&call);
	free(query);
	return error;
}

/* Whether PATH is a pack's: others may keep something of their own beside the store. */
static bool is_pack(const char *path)
{
	struct pack_id id;

	if (strncmp(path, PACKS, strlen(PACKS)) != 0 || strlen(path) < strlen(PACKS) + 3)
		return false;
	path += strlen(PACKS);
	return path[2] == '/' && pack_id_parse(path + 3, strlen(path + 3), &id) == 0;
}

/* One that ended meanwhile is none any more. */
static int abort_upload(struct s3 *s3, const char *path, const char *id)
{
	struct s3_call call = {.method = HTTP_DELETE, .path = path, .tries = TRIES};
	char *encoded = s3_encode(id, false), *query = NULL;
	int error = encoded && asprintf(&query, "uploadId=%s", encoded) >= 0 ? 0 : -ENOMEM;

	if (!error) {
		call.query = query;
		error = s3_run(s3, &call);
		s3_call_release(&call);
	}
	free(query);
	free(encoded);
	return error == -ESTALE ? -ENOENT : error;
}

static int sweep_part(struct s3 *s3, const struct s3_uploads *part, time_t before, bool dry,
                      struct remote_unfinished *swept)
{
	const size_t top_len = strlen(s3_prefix(s3));

	for (size_t i = 0; i < part->count; i++) {
		const struct s3_unfinished *item = &part->items[i];
		int error = 0;

		if (strncmp(item->key, s3_prefix(s3), top_len) != 0)
			return -EPROTO;
		if (item->time >= before || !is_pack(item->key + top_len))
			continue;
		if (!dry)
			error = abort_upload(s3, item->key + top_len, item->id);
		if (error && error != -ENOENT)
			return error;
		swept->files += !error;
	}
	return 0;
}

/* Whether PART does not go on behind the one before it: uploads come in the order of their keys. */
static bool stands_still(const struct s3_uploads *last, const struct s3_uploads *part)
{
	int order = last->next_key && part->next_key ? strcmp(part->next_key, last->next_key) : 1;

	return order < 0 || (order == 0 && !strcmp(last->next_id, part->next_id));
}

int s3_unfinished_sweep(struct s3 *s3, time_t before, bool dry, struct remote_unfinished *swept)
{
	struct s3_uploads last = {.count = 0};
	char *prefix;
	unsigned parts = 0;
	bool more = true;
	int error = 0;

	if (asprintf(&prefix, "%s" PACKS, s3_prefix(s3)) < 0)
		return -ENOMEM;
	while (more && !error) {
		struct s3_uploads part = {.count = 0};

		error = read_part(s3, prefix, &last, &part);
		if (!error && (stands_still(&last, &part) || ++parts > PARTS_MAX))
			error = -EPROTO;
		if (!error)
			error = sweep_part(s3, &part, before, dry, swept);
		s3_uploads_release(&last);
		last = part;
		more = last.next_key != NULL;
	}
	s3_uploads_release(&last);
	free(prefix);
	return error;
}
