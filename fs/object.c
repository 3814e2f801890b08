#include "fs/object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PARENTS_MAX 4096

enum object_type object_type_of(const char *name, size_t len)
{
	static const char *const names[] = {"", "commit", "tree", "blob", "tag"};

	for (size_t i = 1; i < sizeof(names) / sizeof(*names); i++)
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return (enum object_type)i;
	return OBJECT_ANY;
}

/* Bytes not yet taken. */
struct rest {
	const char *next;
	const char *end;
};

/* Take the next line, without its newline.  False at the end, or where a NUL byte is in it. */
static bool take_line(struct rest *rest, const char **line, size_t *len)
{
	const char *end;

	if (rest->next == rest->end)
		return false;
	*line = rest->next;
	end = memchr(rest->next, '\n', (size_t)(rest->end - rest->next));
	*len = (size_t)((end ? end : rest->end) - rest->next);
	rest->next = end ? end + 1 : rest->end;
	return true;
}

/* Whether LINE is "KEY VALUE". */
static bool line_value(const char *line, size_t len, const char *key, const char **value, size_t *value_len)
{
	size_t key_len = strlen(key);

	if (len <= key_len || memcmp(line, key, key_len) || line[key_len] != ' ')
		return false;
	*value = line + key_len + 1;
	*value_len = len - key_len - 1;
	return true;
}

static int parse_oid(const char *hex, size_t len, size_t oid_len, struct oid *oid)
{
	return len == 2 * oid_len && !oid_parse(hex, len, oid) ? 0 : -EBADMSG;
}

/* "Name <mail> 1700000000 +0100": where the text ends, and the time; a time that is none is 0, as in git. */
static size_t parse_person(const char *text, size_t len, int64_t *time)
{
	const char *mail_end = memrchr(text, '>', len);
	const char *p, *end = text + len;
	int64_t value = 0;
	bool negative;

	*time = 0;
	if (!mail_end)
		return len;
	p = mail_end + 1;
	while (p < end && *p == ' ')
		p++;
	negative = p < end && *p == '-';
	p += negative;
	for (; p < end && *p >= '0' && *p <= '9'; p++) {
		if (value > (INT64_MAX - 9) / 10)
			return (size_t)(mail_end + 1 - text);
		value = 10 * value + (*p - '0');
	}
	*time = negative ? -value : value;
	return (size_t)(mail_end + 1 - text);
}

/* Not strndup(3): what is no string may not be given to it, checkers say. */
static char *copy_text(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

static int add_parent(struct repo_commit *commit, const struct oid *parent)
{
	struct oid *grown;

	if (commit->parents_count >= PARENTS_MAX)
		return -EBADMSG;
	grown = realloc(commit->parents, (commit->parents_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	commit->parents = grown;
	commit->parents[commit->parents_count++] = *parent;
	return 0;
}

/* The message begins behind the first empty line; its summary is its first line that is not empty. */
static int parse_summary(struct rest rest, struct repo_commit *commit)
{
	const char *line = "";
	size_t len = 0;
	bool in_message = false;

	while (take_line(&rest, &line, &len))
		if (!len)
			in_message = true;
		else if (in_message)
			break;
	if (!in_message)
		len = 0;
	commit->summary = copy_text(line, len);
	return commit->summary ? 0 : -ENOMEM;
}

int object_parse_commit(const struct object *object, size_t oid_len, struct repo_commit *commit)
{
	struct rest rest = {object->data, (const char *)object->data + object->len};
	const char *line, *value;
	size_t len, value_len;
	struct oid parent;
	int r = 0;

	memset(commit, 0, sizeof(*commit));
	if (!take_line(&rest, &line, &len) || !line_value(line, len, "tree", &value, &value_len) ||
	    parse_oid(value, value_len, oid_len, &commit->tree))
		return -EBADMSG;
	for (;;) {
		if (!take_line(&rest, &line, &len))
			len = 0;
		if (!len || !line_value(line, len, "parent", &value, &value_len))
			break;
		r = parse_oid(value, value_len, oid_len, &parent);
		if (!r)
			r = add_parent(commit, &parent);
		if (r)
			goto out;
	}
	if (len && line_value(line, len, "author", &value, &value_len)) {
		commit->author = copy_text(value, parse_person(value, value_len, &commit->author_time));
		if (!take_line(&rest, &line, &len))
			len = 0;
	} else {
		commit->author = copy_text(NULL, 0);
	}
	if (len && line_value(line, len, "committer", &value, &value_len))
		parse_person(value, value_len, &commit->time);
	else if (len)
		rest.next = line;
	r = commit->author ? parse_summary(rest, commit) : -ENOMEM;
out:
	if (r)
		repo_commit_release(commit);
	return r;
}

void repo_commit_release(struct repo_commit *commit)
{
	free(commit->parents);
	free(commit->author);
	free(commit->summary);
	memset(commit, 0, sizeof(*commit));
}

int object_parse_tag(const struct object *object, size_t oid_len, struct oid *target, enum object_type *type)
{
	struct rest rest = {object->data, (const char *)object->data + object->len};
	const char *line, *value;
	size_t len, value_len;

	if (!take_line(&rest, &line, &len) || !line_value(line, len, "object", &value, &value_len) ||
	    parse_oid(value, value_len, oid_len, target))
		return -EBADMSG;
	if (!take_line(&rest, &line, &len) || !line_value(line, len, "type", &value, &value_len))
		return -EBADMSG;
	*type = object_type_of(value, value_len);
	return *type == OBJECT_ANY ? -EBADMSG : 0;
}

/* What Git takes a mode for. */
static uint32_t canonical_mode(uint32_t mode)
{
	switch (mode & 0170000) {
	case 0040000:
		return 0040000;
	case 0120000:
		return 0120000;
	case 0160000:
		return 0160000;
	case 0100000:
		return mode & 0100 ? 0100755 : 0100644;
	default:
		return mode; /* nothing that Git writes */
	}
}

/* Take "MODE NAME<NUL><id>" apart. */
static int take_entry(struct rest *rest, size_t oid_len, struct repo_entry *entry)
{
	const char *p = rest->next, *name_end;
	uint32_t mode = 0;

	for (; p < rest->end && *p >= '0' && *p <= '7'; p++) {
		if (mode > 0177777)
			return -EBADMSG;
		mode = mode << 3 | (uint32_t)(*p - '0');
	}
	if (p == rest->next || p == rest->end || *p++ != ' ')
		return -EBADMSG;
	name_end = memchr(p, '\0', (size_t)(rest->end - p));
	if (!name_end || name_end == p || name_end - p > UINT16_MAX || (size_t)(rest->end - name_end) < 1 + oid_len)
		return -EBADMSG;
	entry->mode = canonical_mode(mode);
	entry->name = p;
	entry->name_len = (uint16_t)(name_end - p);
	oid_set(&entry->oid, name_end + 1, oid_len);
	rest->next = name_end + 1 + oid_len;
	return 0;
}

int object_parse_tree(const struct object *object, size_t oid_len, struct repo_tree **tree)
{
	const struct rest all = {object->data, (const char *)object->data + object->len};
	struct rest rest = all;
	struct repo_entry entry;
	size_t count = 0, names = 0;
	struct repo_tree *t;
	char *name;
	int r;

	for (; rest.next < rest.end; count++) {
		r = take_entry(&rest, oid_len, &entry);
		if (r)
			return r;
		names += entry.name_len + 1U;
	}
	/* An entry takes more than 3 + oid_len bytes of the object, so that nothing here overflows. */
	t = malloc(sizeof(*t) + count * sizeof(entry) + names);
	if (!t)
		return -ENOMEM;
	t->count = count;
	t->entries = (struct repo_entry *)(t + 1);
	name = (char *)(t->entries + count);
	rest = all;
	for (size_t i = 0; i < count; i++) {
		take_entry(&rest, oid_len, &t->entries[i]);
		memcpy(name, t->entries[i].name, t->entries[i].name_len + 1U);
		t->entries[i].name = name;
		name += t->entries[i].name_len + 1U;
	}
	*tree = t;
	return 0;
}
