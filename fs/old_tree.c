#include "fs/old_tree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"
#include "fs/name.h"

/*
 * A directory on the way down.  While it is not open, SAME counts the entries told to be as they were; then the cursor
 * stands at NEXT, the first old entry not yet met.  All directories above an open one are open.
 */
struct level {
	size_t name_at; /* in NAMES, to the end of it for the last level */
	size_t name_end;
	bool open;
	bool known; /* EXISTS and OLD are set; false below a directory that is not open */
	bool exists;
	struct directory old;
	uint64_t same;
	struct tree_cursor cursor;
	struct entry next;
	bool has_next;
	bool met; /* NEXT was handed out by old_tree_find() */
};

struct old_tree {
	struct source *source;
	const struct old_tree_hooks *hooks;
	void *arg;
	bool followed;
	bool failed;
	struct level *levels;
	size_t depth, capacity;
	struct buffer names;
};

static int push(struct old_tree *t, const char *name, size_t len)
{
	struct level *l;

	if (t->depth == t->capacity) {
		size_t capacity = t->capacity ? 2 * t->capacity : 8;
		struct level *levels = reallocarray(t->levels, capacity, sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		t->levels = levels;
		t->capacity = capacity;
	}
	l = &t->levels[t->depth];
	*l = (struct level){.name_at = t->names.len};
	buffer_append(&t->names, name, len);
	if (t->names.failed)
		return -ENOMEM;
	l->name_end = t->names.len;
	t->depth++;
	return 0;
}

static void pop(struct old_tree *t)
{
	struct level *l = &t->levels[--t->depth];

	tree_cursor_close(&l->cursor);
	t->names.len = l->name_at;
}

int old_tree_open(struct source *source, const struct directory *old, bool followed, const struct old_tree_hooks *hooks,
                  void *arg, struct old_tree **tree)
{
	struct old_tree *t = calloc(1, sizeof(*t));
	int error;

	if (!t)
		return -ENOMEM;
	t->source = source;
	t->hooks = hooks;
	t->arg = arg;
	t->followed = followed && old;
	error = push(t, "", 0);
	if (error) {
		old_tree_close(t);
		return error;
	}
	t->levels[0].known = true;
	t->levels[0].exists = old;
	if (old)
		t->levels[0].old = *old;
	*tree = t;
	return 0;
}

void old_tree_close(struct old_tree *t)
{
	if (!t)
		return;
	while (t->depth)
		pop(t);
	buffer_release(&t->names);
	free(t->levels);
	free(t);
}

static int reading_failed(struct old_tree *t, int error)
{
	t->failed = error != -ENOMEM;
	return error;
}

static int next_entry(struct old_tree *t, struct level *l)
{
	int error = tree_cursor_next(&l->cursor, &l->next);

	l->has_next = !error;
	l->met = false;
	return error && error != -ENOENT ? reading_failed(t, error) : 0;
}

/* Go to NAME in L; what is passed over is gone.  *FOUND where NEXT is it.  A NULL NAME goes to the end. */
static int advance(struct old_tree *t, struct level *l, const char *name, size_t len, bool *found)
{
	*found = false;
	while (l->has_next) {
		int order = name ? name_cmp(l->next.name, l->next.name_len, name, len) : -1, error = 0;

		if (order >= 0) {
			*found = order == 0;
			return 0;
		}
		if (!l->met)
			error = t->hooks->gone(t->arg, &l->next);
		if (!error)
			error = next_entry(t, l);
		if (error)
			return error;
	}
	return 0;
}

static int open_level(struct old_tree *t, size_t level);

/* Find out what the directory at LEVEL was, from the one above, which is opened. */
static int learn(struct old_tree *t, size_t level)
{
	struct level *l = &t->levels[level], *parent = l - 1;
	bool found;
	int error = open_level(t, level - 1);

	if (!error)
		error = advance(t, parent, (const char *)t->names.data + l->name_at, l->name_end - l->name_at, &found);
	if (error)
		return error;
	l->exists = found && parent->next.kind == ENTRY_DIRECTORY;
	if (l->exists)
		directory_of(&parent->next, &l->old);
	l->known = true;
	return 0;
}

/* Open the directory at LEVEL behind what was the same in it. */
static int open_level(struct old_tree *t, size_t level)
{
	struct level *l = &t->levels[level];
	uint64_t told = t->hooks->same ? l->same : 0;
	int error = 0;

	if (l->open)
		return 0;
	if (!l->known)
		error = learn(t, level);
	if (error)
		return error;
	l->open = true;
	if (!l->exists)
		return 0;
	error = tree_cursor_open(t->source, &l->old, l->same - told, &l->cursor);
	if (error)
		return reading_failed(t, error);
	error = next_entry(t, l);
	for (; !error && told; told--) {
		if (!l->has_next)
			return reading_failed(t, -EBADMSG);
		error = t->hooks->same(t->arg, level, &l->next);
		if (!error)
			error = next_entry(t, l);
	}
	return error;
}

static struct level *top(struct old_tree *t)
{
	return &t->levels[t->depth - 1];
}

/* NAME is the same in the open directory at LEVEL. */
static int same_in_open(struct old_tree *t, size_t level, const char *name, size_t len)
{
	struct level *l = &t->levels[level];
	bool found;
	int error = advance(t, l, name, len, &found);

	if (error)
		return error;
	if (!found)
		return reading_failed(t, -EBADMSG);
	if (t->hooks->same)
		error = t->hooks->same(t->arg, level, &l->next);
	return error ? error : next_entry(t, l);
}

int old_tree_same(struct old_tree *t, const char *name, size_t len)
{
	assert(t->followed);
	if (top(t)->open)
		return same_in_open(t, t->depth - 1, name, len);
	top(t)->same++;
	return 0;
}

int old_tree_differs(struct old_tree *t)
{
	return open_level(t, t->depth - 1);
}

int old_tree_find(struct old_tree *t, const char *name, size_t len, const struct entry **entry)
{
	struct level *l;
	bool found;
	int error = open_level(t, t->depth - 1);

	l = top(t);
	if (!error)
		error = advance(t, l, name, len, &found);
	if (error)
		return error;
	l->met = found;
	*entry = found ? &l->next : NULL;
	return 0;
}

int old_tree_enter(struct old_tree *t, const char *name, size_t len)
{
	int error = t->followed ? 0 : open_level(t, t->depth - 1);

	if (!error)
		error = push(t, name, len);
	if (error || !t->levels[t->depth - 2].open)
		return error;
	return learn(t, t->depth - 1);
}

bool old_tree_is_open(const struct old_tree *t)
{
	const struct level *l = &t->levels[t->depth - 1];

	return l->open || !t->followed || (l->known && !l->exists);
}

/* The directory left last is one entry of the one above, which is as open as it has to be. */
static int pass_in_parent(struct old_tree *t, const char *name, size_t len)
{
	struct level *l = top(t);
	bool found;
	int error = advance(t, l, name, len, &found);

	if (!error && found && l->next.kind != ENTRY_DIRECTORY && !l->met)
		error = t->hooks->gone(t->arg, &l->next);
	if (!error && found)
		error = next_entry(t, l);
	return error;
}

int old_tree_leave(struct old_tree *t, bool *same)
{
	bool found, has_parent = t->depth > 1;
	struct level *l;
	int error = 0;
	const char *name;
	size_t len;

	*same = !old_tree_is_open(t);
	if (!*same)
		error = open_level(t, t->depth - 1);
	l = top(t);
	if (!error)
		error = advance(t, l, NULL, 0, &found);
	name = old_tree_name(t, &len);
	pop(t); /* the name's bytes stay where they are */
	if (error || !has_parent)
		return error;
	if (!*same)
		return pass_in_parent(t, name, len);
	if (top(t)->open)
		return same_in_open(t, t->depth - 1, name, len);
	top(t)->same++;
	return 0;
}

size_t old_tree_level(const struct old_tree *t)
{
	return t->depth - 1;
}

const char *old_tree_name(const struct old_tree *t, size_t *len)
{
	const struct level *l = &t->levels[t->depth - 1];

	*len = l->name_end - l->name_at;
	return (const char *)t->names.data + l->name_at;
}

bool old_tree_failed(const struct old_tree *t)
{
	return t->failed;
}
