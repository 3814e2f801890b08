#include "cache/condemned.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TITLE "revfs-condemned "

static void put_text(struct buffer *out, const char *text)
{
	buffer_append(out, text, strlen(text));
}

int condemned_format(const struct condemned *items, size_t count, int64_t since, struct buffer *out)
{
	char line[ID_HEX_SIZE + 16];
	put_text(out, TITLE "1.0\n");
	snprintf(line, sizeof(line), "since %" PRId64 "\n", since < 0 ? 0 : since);
	put_text(out, line);
	for (size_t i = 0; i < count; i++) {
		char hex[ID_HEX_SIZE];
		if (items[i].is_root)
			snprintf(line, sizeof(line), "root %s\n", id_format(&items[i].root, hex));
		else
			snprintf(line, sizeof(line), "pack %s\n", pack_id_format(&items[i].pack, hex));
		put_text(out, line);
	}
	snprintf(line, sizeof(line), "end %zu\n", count);
	put_text(out, line);
	return out->failed ? -ENOMEM : 0;
}

/* What is left of a text that is taken apart line by line. */
struct lines {
	const char *next;
	const char *end;
};

/* The next line without its LF.  False where there is none, or it does not end. */
static bool next_line(struct lines *lines, const char **line, size_t *len)
{
	const char *lf = memchr(lines->next, '\n', (size_t)(lines->end - lines->next));
	if (!lf)
		return false;
	*line = lines->next;
	*len = (size_t)(lf - lines->next);
	lines->next = lf + 1;
	return true;
}

/* The value of the line "KEY value".  NULL for another line. */
static const char *value_of(const char *line, size_t *len, const char *key)
{
	size_t key_len = strlen(key);
	if (*len <= key_len || memcmp(line, key, key_len) != 0)
		return NULL;
	*len -= key_len;
	return line + key_len;
}

/* A decimal without sign or leading zeros, below 2^62. */
static int parse_decimal(const char *text, size_t len, int64_t *value)
{
	int64_t n = 0;
	if (len == 0 || len > 18 || (text[0] == '0' && len > 1))
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EBADMSG;
		n = n * 10 + (text[i] - '0');
	}
	*value = n;
	return 0;
}

/* Major version 1, any minor. */
static int parse_version(const char *text, size_t len)
{
	const char *dot = memchr(text, '.', len);
	int64_t major, minor;
	if (!dot || parse_decimal(text, (size_t)(dot - text), &major) < 0 ||
	    parse_decimal(dot + 1, len - (size_t)(dot + 1 - text), &minor) < 0)
		return -EBADMSG;
	return major == 1 ? 0 : -ENOTSUP;
}

static int parse_head(struct lines *lines, int64_t *since)
{
	const char *line, *value;
	size_t len;
	if (!next_line(lines, &line, &len) || !(value = value_of(line, &len, TITLE)))
		return -EBADMSG;
	int r = parse_version(value, len);
	if (r < 0)
		return r;
	if (!next_line(lines, &line, &len) || !(value = value_of(line, &len, "since ")))
		return -EBADMSG;
	return parse_decimal(value, len, since);
}

static int parse_item(const char *line, size_t len, struct condemned *item)
{
	size_t value_len = len;
	const char *value = value_of(line, &value_len, "pack ");
	if (value) {
		item->is_root = false;
		return pack_id_parse(value, value_len, &item->pack) == 0 ? 0 : -EBADMSG;
	}
	value_len = len;
	value = value_of(line, &value_len, "root ");
	item->is_root = true;
	return value && id_parse(value, value_len, &item->root) == 0 ? 0 : -EBADMSG;
}

/* No item's line is shorter, so that the text's length bounds their number. */
#define ITEM_LINE_MIN (sizeof("pack \n") - 1 + PACK_ID_HEX_SIZE - 1)

static int parse_items(struct lines *lines, int64_t since, struct condemned *items, size_t max, size_t *count)
{
	const char *line, *value;
	size_t len, n = 0;
	int64_t stated;
	while (next_line(lines, &line, &len)) {
		size_t value_len = len;
		value = value_of(line, &value_len, "end ");
		if (value) {
			if (parse_decimal(value, value_len, &stated) < 0 || (uint64_t)stated != n ||
			    lines->next != lines->end)
				return -EBADMSG;
			*count = n;
			return 0;
		}
		if (n == max || parse_item(line, len, &items[n]) < 0)
			return -EBADMSG;
		items[n++].since = since;
	}
	return -EBADMSG;
}

int condemned_parse(const char *text, size_t len, struct condemned **items, size_t *count)
{
	struct lines lines = {.next = text, .end = text + len};
	size_t max = len / ITEM_LINE_MIN;
	int64_t since;
	int r = parse_head(&lines, &since);
	if (r < 0)
		return r;
	struct condemned *list = calloc(max ? max : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	r = parse_items(&lines, since, list, max, count);
	if (r < 0)
		free(list);
	else
		*items = list;
	return r;
}

int condemned_cmp(const struct condemned *a, const struct condemned *b)
{
	if (a->is_root != b->is_root)
		return a->is_root ? 1 : -1;
	return a->is_root ? id_cmp(&a->root, &b->root) : pack_id_cmp(&a->pack, &b->pack);
}
