#include "cache/remote_condemned.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"

#define FOLDER "condemned"

char *remote_condemned_path(const struct pack_id *name, char path[REMOTE_PATH_SIZE])
{
	char hex[PACK_ID_HEX_SIZE];

	snprintf(path, REMOTE_PATH_SIZE, FOLDER "/%s", pack_id_format(name, hex));
	return path;
}

/* Take in a file of the folder that has the name of a list. */
static int note_list(void *arg, const char *path, const struct remote_stat *st)
{
	struct buffer *lists = arg;
	struct remote_condemned_list list = {.since = st->time.tv_sec};
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	if (pack_id_parse(name, strlen(name), &list.name) < 0)
		return 0;
	buffer_append(lists, &list, sizeof(list));
	return lists->failed ? -ENOMEM : 0;
}

/* 1 where it was read, 0 where it counts for nothing. */
static int read_list(struct remote *remote, struct remote_condemned_list *list)
{
	char path[REMOTE_PATH_SIZE];
	size_t len;
	void *text;
	int error = remote_read_file(remote, remote_condemned_path(&list->name, path), CONDEMNED_FILE_MAX, &text, &len);

	if (error == -ENOENT || error == -EFBIG)
		return 0;
	if (error)
		return error;
	error = condemned_parse(text, len, &list->items, &list->count);
	free(text);
	if (error)
		return error == -EBADMSG ? 0 : error;
	for (size_t i = 0; i < list->count; i++)
		list->items[i].since = list->since;
	return 1;
}

static int compare_items(const void *a, const void *b)
{
	const struct condemned *x = a, *y = b;
	int order = condemned_cmp(x, y);

	return order ? order : x->since < y->since ? -1 : x->since > y->since;
}

static int compare_keys(const void *a, const void *b)
{
	return condemned_cmp(a, b);
}

/* All items in one list. */
static int gather(struct remote_condemned *condemned)
{
	struct condemned *items;
	size_t total = 0, n = 0;

	for (size_t i = 0; i < condemned->count; i++)
		total += condemned->lists[i].count;
	items = calloc(total + 1, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i < condemned->count; i++) {
		const struct remote_condemned_list *list = &condemned->lists[i];

		if (list->count)
			memcpy(items + n, list->items, list->count * sizeof(*items));
		n += list->count;
	}
	if (n)
		qsort(items, n, sizeof(*items), compare_items);
	total = 0;
	for (size_t i = 0; i < n; i++) {
		if (!total || condemned_cmp(&items[total - 1], &items[i]))
			items[total++] = items[i];
	}
	condemned->items = items;
	condemned->items_count = total;
	return 0;
}

int remote_condemned_read(struct remote *remote, struct remote_condemned *condemned)
{
	struct remote_condemned read = {0};
	struct buffer found = {0};
	int error = remote_list(remote, FOLDER, note_list, &found);
	size_t n = error ? 0 : found.len / sizeof(*read.lists);

	read.lists = (struct remote_condemned_list *)(void *)found.data;
	for (size_t i = 0; i < n && !error; i++) {
		struct remote_condemned_list list = read.lists[i];
		int answer = read_list(remote, &list);

		if (answer > 0)
			read.lists[read.count++] = list;
		else
			error = answer;
	}
	if (!error)
		error = gather(&read);
	if (error)
		remote_condemned_release(&read);
	else
		*condemned = read;
	return error;
}

void remote_condemned_release(struct remote_condemned *condemned)
{
	for (size_t i = 0; i < condemned->count; i++)
		free(condemned->lists[i].items);
	free(condemned->lists);
	free(condemned->items);
	*condemned = (struct remote_condemned){0};
}

static const struct condemned *find(const struct condemned *items, size_t count, const struct condemned *key)
{
	return count ? bsearch(key, items, count, sizeof(*items), compare_keys) : NULL;
}

const struct condemned *remote_condemned_find(const struct remote_condemned *condemned, const struct condemned *key)
{
	return find(condemned->items, condemned->items_count, key);
}

bool remote_condemned_has_pack(const struct remote_condemned *condemned, const struct pack_id *pack)
{
	return condemned && remote_condemned_find(condemned, &(struct condemned){.pack = *pack});
}

bool remote_condemned_has_root(const struct remote_condemned *condemned, const struct id *root)
{
	return condemned && remote_condemned_find(condemned, &(struct condemned){.is_root = true, .root = *root});
}

const struct remote_condemned_list *remote_condemned_by(const struct remote_condemned *condemned,
                                                        const struct condemned *key)
{
	for (size_t i = 0; i < condemned->count; i++) {
		for (size_t j = 0; j < condemned->lists[i].count; j++) {
			if (!condemned_cmp(&condemned->lists[i].items[j], key))
				return &condemned->lists[i];
		}
	}
	return NULL;
}

int remote_condemned_put(struct remote *remote, const struct pack_id *name, const struct condemned *items, size_t count,
                         int64_t since)
{
	char path[REMOTE_PATH_SIZE];
	struct buffer file = {0};
	int error = condemned_format(items, count, since, &file);

	if (!error && file.len > CONDEMNED_FILE_MAX)
		error = -EFBIG;
	if (!error)
		error = remote_put(remote, remote_condemned_path(name, path),
		                   &(struct remote_body){.data = file.data, .len = file.len}, true);
	buffer_release(&file);
	return error;
}
