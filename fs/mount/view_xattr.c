#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cache/interrupt.h"
#include "fs/mount/view_node.h"
#include "fs/mount/view_parts.h"
#include "fs/name.h"

#define PREFIX "user.revfs."
#define VALUE_MAX FAILURES_REASON_MAX

/* What a node is asked of: its spot, where it has one. */
struct subject {
	const struct node *node;
	const struct spot *spot; /* NULL: not below a commit */
};

/* One attribute: whether a subject has it (cheap), and its text. */
struct attribute {
	const char *name; /* behind the prefix */
	bool (*has)(struct view *view, const struct subject *subject);
	int (*get)(struct view *view, const struct subject *subject, char value[VALUE_MAX]);
};

static bool has_commit(struct view *view, const struct subject *subject)
{
	(void)view;
	return subject->spot && place_is_directory(&subject->spot->place);
}

static int get_commit(struct view *view, const struct subject *subject, char value[VALUE_MAX])
{
	(void)view;
	static_assert(VALUE_MAX >= OID_HEX_MAX, "an id fits");
	oid_format(&subject->spot->commit, value);
	return 0;
}

static bool has_id(struct view *view, const struct subject *subject)
{
	(void)view;
	if (!subject->spot)
		return false;
	switch (subject->spot->place.kind) {
	case PLACE_GIT_TREE:
	case PLACE_GIT_BLOB:
	case PLACE_SUBMODULE:
	case PLACE_DATA_DIRECTORY:
		return true;
	case PLACE_DATA_FILE:
		return !subject->spot->place.foreign;
	default:
		return false;
	}
}

static int get_id(struct view *view, const struct subject *subject, char value[VALUE_MAX])
{
	const struct place *place = &subject->spot->place;
	struct id id;

	(void)view;
	if (place->kind == PLACE_DATA_DIRECTORY) {
		id_format(&place->directory.id, value);
	} else if (place->kind == PLACE_DATA_FILE) {
		content_id(&place->content, &id);
		id_format(&id, value);
	} else {
		oid_format(&place->oid, value);
	}
	return 0;
}

static bool has_chunks(struct view *view, const struct subject *subject)
{
	return view->world.source && subject->spot && subject->spot->place.kind == PLACE_DATA_FILE &&
	       !subject->spot->place.foreign;
}

/* Chunks of a file: how many, how many of its bytes lie here, and whether all do. */
struct chunks {
	struct store *store;
	uint64_t count;
	uint64_t bytes;
	bool missing;
};

static int chunks_each(void *arg, const struct list_entry *chunk)
{
	struct chunks *chunks = arg;
	struct locator locator;
	int err = -ENOENT;

	chunks->count += chunk->count;
	if (chunks->store)
		err = store_find(chunks->store, RECORD_CHUNK, &chunk->id, &locator, NULL);
	if (!err)
		chunks->bytes += chunk->count * chunk->len;
	else
		chunks->missing = true;
	return err == -ENOENT ? 0 : err;
}

/* Count the chunks of a file; those that lie in the store only where LOOK is set. */
static int chunks_count(struct view *view, const struct subject *subject, bool look, struct chunks *chunks)
{
	const struct content *content = &subject->spot->place.content;
	struct source *source = view->world.source;

	*chunks = (struct chunks){.store = look ? source_store(source) : NULL};
	if (content->form == CONTENT_INLINE) {
		chunks->bytes = content->size;
		return 0;
	}
	return content_each_chunk(source, content, chunks_each, chunks);
}

static int get_chunks(struct view *view, const struct subject *subject, char value[VALUE_MAX])
{
	struct chunks chunks;
	int err = chunks_count(view, subject, false, &chunks);

	if (!err)
		snprintf(value, VALUE_MAX, "%llu", (unsigned long long)chunks.count);
	return err;
}

static int get_cached(struct view *view, const struct subject *subject, char value[VALUE_MAX])
{
	struct chunks chunks;
	int err = chunks_count(view, subject, true, &chunks);

	if (!err)
		snprintf(value, VALUE_MAX, "%llu", (unsigned long long)chunks.bytes);
	return err;
}

static int get_source(struct view *view, const struct subject *subject, char value[VALUE_MAX])
{
	struct chunks chunks;
	int err = chunks_count(view, subject, true, &chunks);

	/* Not even the list of its chunks is there. */
	if (err == -ENODATA)
		chunks.missing = true;
	else if (err)
		return err;
	strcpy(value, chunks.missing ? "missing" : "local");
	return 0;
}

/*
 * A pointer whose dataset is not shown, because Git has an entry of that name.  0 and why; -ENODATA for all else.
 */
static int hidden_reason(struct view *view, const struct subject *subject, char value[VALUE_MAX])
{
	const struct node *node = subject->node;
	char name[NAME_SIZE_MAX + 1];
	struct pointer pointer;
	struct place place;
	struct spot above;
	size_t len;

	if (!subject->spot || subject->spot->place.kind != PLACE_GIT_BLOB || node->kind != VIEW_FILE)
		return -ENODATA;
	if (spot_of(view->spots, node->parent, &above) ||
	    place_child_at(&view->world, &above.place, node->value, &place, name) ||
	    !pointer_name(name, strlen(name), &len) ||
	    place_child(&view->world, &above.place, name, len, &place, NULL) || place.is_dataset ||
	    dataset_pointer(view->world.repo, &subject->spot->place.oid, 0100644, &pointer))
		return -ENODATA;
	snprintf(value, VALUE_MAX, "not shown: git has '%.*s' itself", (int)len, name);
	return 0;
}

static int get_error(struct view *view, const struct subject *subject, char value[VALUE_MAX])
{
	if (failures_find(view->failures, subject->node->id, value) == 0)
		return 0;
	return hidden_reason(view, subject, value);
}

static bool has_error(struct view *view, const struct subject *subject)
{
	char reason[FAILURES_REASON_MAX];

	return get_error(view, subject, reason) == 0;
}

static const struct attribute attributes[] = {
    {"commit", has_commit, get_commit}, {"id", has_id, get_id},
    {"chunks", has_chunks, get_chunks}, {"cached", has_chunks, get_cached},
    {"source", has_chunks, get_source}, {"error", has_error, get_error},
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

/* The node ID as a subject.  A node whose spot cannot be had still has its error to tell. */
static int subject_of(struct view *view, uint64_t id, struct node *node, struct spot *spot, struct subject *subject)
{
	int err = node_get(view->nodes, id, node);

	if (err)
		return err;
	*subject = (struct subject){.node = node};
	switch (node->kind) {
	case VIEW_COMMIT:
	case VIEW_DIRECTORY:
	case VIEW_SIDE:
	case VIEW_FILE:
	case VIEW_SYMLINK:
		err = spot_of(view->spots, id, spot);
		if (!err)
			subject->spot = spot;
		return is_unanswered(err) ? err : 0;
	default:
		return 0;
	}
}

static ssize_t put_value(const void *value, size_t len, void *out, size_t size)
{
	if (size == 0)
		return (ssize_t)len;
	if (len > size)
		return -ERANGE;
	memcpy(out, value, len);
	return (ssize_t)len;
}

ssize_t view_getxattr(struct view *view, uint64_t id, const char *name, void *value, size_t size)
{
	char text[VALUE_MAX];
	struct subject subject;
	struct node node;
	struct spot spot;
	int err;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return -EOPNOTSUPP;
	err = subject_of(view, id, &node, &spot, &subject);
	if (err)
		return err;
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		if (strcmp(name + strlen(PREFIX), attributes[i].name) != 0)
			continue;
		if (!attributes[i].has(view, &subject))
			return -ENODATA;
		err = attributes[i].get(view, &subject, text);
		if (err)
			return attributes[i].get == get_error ? err
			                                      : view_fail(view, id, NULL, "tell its attributes", err);
		return put_value(text, strlen(text), value, size);
	}
	return -ENODATA;
}

ssize_t view_listxattr(struct view *view, uint64_t id, void *list, size_t size)
{
	char names[ATTRIBUTES * 32];
	struct subject subject;
	struct node node;
	struct spot spot;
	size_t len = 0;
	int err;

	err = subject_of(view, id, &node, &spot, &subject);
	if (err)
		return err;
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		if (!attributes[i].has(view, &subject))
			continue;
		len += (size_t)snprintf(names + len, sizeof(names) - len, PREFIX "%s", attributes[i].name) + 1;
	}
	return put_value(names, len, list, size);
}
