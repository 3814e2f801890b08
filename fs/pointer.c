#include "fs/pointer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The text under the parser: whole lines, the current one without its LF or CRLF. */
struct lines {
	const char *next;
	const char *end;
	const char *line;
	size_t len;
	unsigned number;
	const char *why; /* set by the first thing that is wrong */
};

static int refuse(struct lines *l, const char *why)
{
	l->why = why;
	return -EINVAL;
}

static bool next_line(struct lines *l)
{
	const char *stop = memchr(l->next, '\n', (size_t)(l->end - l->next));

	l->number++; /* also of the line that is missing */
	if (!stop)
		return false;
	l->line = l->next;
	l->len = (size_t)(stop - l->next);
	if (l->len > 0 && l->line[l->len - 1] == '\r')
		l->len--;
	l->next = stop + 1;
	return true;
}

/* The value of the current line where its key is KEY, else NULL. */
static const char *value_of(const struct lines *l, const char *key, size_t *len)
{
	size_t key_len = strlen(key);

	if (l->len <= key_len || memcmp(l->line, key, key_len) != 0 || l->line[key_len] != ' ')
		return NULL;
	*len = l->len - key_len - 1;
	return l->line + key_len + 1;
}

static int parse_decimal(const char *text, size_t len, uint64_t *number)
{
	uint64_t n = 0;

	if (len == 0 || (len > 1 && text[0] == '0'))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(text[i] - '0'), &n))
			return -EINVAL;
	}
	if (n > INT64_MAX)
		return -EINVAL;
	*number = n;
	return 0;
}

static bool is_conflict_marker(const struct lines *l)
{
	static const char *const markers[] = {"<<<<<<<", "|||||||", "=======", ">>>>>>>"};

	for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++)
		if (l->len >= 7 && memcmp(l->line, markers[i], 7) == 0 && (l->len == 7 || l->line[7] == ' '))
			return true;
	return false;
}

/* Conflict markers come first: whatever else is wrong with the file, they are the reason. */
static int refuse_conflicts(struct lines l, unsigned *line)
{
	while (next_line(&l)) {
		if (is_conflict_marker(&l)) {
			*line = l.number;
			return -EINVAL;
		}
	}
	return 0;
}

static int parse_version(struct lines *l)
{
	uint64_t version;
	size_t len;
	const char *value = next_line(l) ? value_of(l, "revfs", &len) : NULL;

	if (!value || parse_decimal(value, len, &version) < 0 || version == 0)
		return refuse(l, "not a pointer file");
	if (version > 1) {
		l->why = "pointer file of a later version";
		return -ENOTSUP;
	}
	return 0;
}

static int parse_type(struct lines *l, bool *is_file)
{
	size_t len;
	const char *value = next_line(l) ? value_of(l, "type", &len) : NULL;

	if (value && len == 4 && memcmp(value, "file", 4) == 0)
		*is_file = true;
	else if (value && len == 9 && memcmp(value, "directory", 9) == 0)
		*is_file = false;
	else
		return refuse(l, "expected \"type directory\" or \"type file\"");
	return 0;
}

static int parse_root(struct lines *l, struct id *root)
{
	size_t len;
	const char *value = next_line(l) ? value_of(l, "root", &len) : NULL;

	if (!value || len < 7 || memcmp(value, "sha256:", 7) != 0 || id_parse(value + 7, len - 7, root) < 0)
		return refuse(l, "expected \"root sha256:\" and 64 lower-case hex digits");
	return 0;
}

static int parse_number(struct lines *l, const char *key, const char *why, uint64_t *number)
{
	size_t len;
	const char *value = next_line(l) ? value_of(l, key, &len) : NULL;

	if (!value || parse_decimal(value, len, number) < 0)
		return refuse(l, why);
	return 0;
}

/* Lines of keys that a later version added: text, and no second line of a key that stood already. */
static int pass_unknown(struct lines *l, struct pointer *pointer)
{
	static const char *const known[] = {"revfs", "type", "root", "files", "bytes"};
	size_t len;

	while (next_line(l)) {
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (value_of(l, known[i], &len))
				return refuse(l, "a line is repeated");
		if (l->len < 3 || l->line[0] == ' ' || !memchr(l->line, ' ', l->len) || memchr(l->line, '\0', l->len))
			return refuse(l, "expected a key and a value");
		pointer->unknown_keys = true;
	}
	return 0;
}

static int parse_lines(struct lines *l, struct pointer *pointer)
{
	int r = parse_version(l);

	if (r == 0)
		r = parse_type(l, &pointer->is_file);
	if (r == 0)
		r = parse_root(l, &pointer->root);
	if (r == 0)
		r = parse_number(l, "files", "expected \"files\" and a number", &pointer->files);
	if (r == 0)
		r = parse_number(l, "bytes", "expected \"bytes\" and a number", &pointer->bytes);
	if (r == 0)
		r = pass_unknown(l, pointer);
	if (r == 0 && l->next != l->end)
		r = refuse(l, "the last line does not end");
	return r;
}

int pointer_parse(const void *text, size_t len, struct pointer *pointer, unsigned *line, const char **why)
{
	struct lines l = {.next = text, .end = (const char *)text + len};
	struct pointer parsed = {0};
	int r;

	if (len > POINTER_SIZE_MAX) {
		l.number = 1;
		r = refuse(&l, "too large for a pointer file");
	} else if (refuse_conflicts(l, &l.number) < 0) {
		r = refuse(&l, "conflict markers");
	} else {
		r = parse_lines(&l, &parsed);
	}
	if (r == 0) {
		*pointer = parsed;
		return 0;
	}
	if (line)
		*line = l.number;
	if (why)
		*why = l.why;
	return r;
}

size_t pointer_format(const struct pointer *pointer, char text[POINTER_TEXT_MAX])
{
	char hex[ID_HEX_SIZE];

	return (size_t)snprintf(
	    text, POINTER_TEXT_MAX, "revfs 1\ntype %s\nroot sha256:%s\nfiles %" PRIu64 "\nbytes %" PRIu64 "\n",
	    pointer->is_file ? "file" : "directory", id_format(&pointer->root, hex), pointer->files, pointer->bytes);
}

bool pointer_name(const char *name, size_t len, size_t *base_len)
{
	if (len <= POINTER_SUFFIX_LEN ||
	    memcmp(name + len - POINTER_SUFFIX_LEN, POINTER_SUFFIX, POINTER_SUFFIX_LEN) != 0)
		return false;
	*base_len = len - POINTER_SUFFIX_LEN;
	return true;
}
