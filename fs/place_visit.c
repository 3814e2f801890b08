#include "fs/place_visit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A directory on the way down: what of it is still to come is kept as a rank, so that nothing stays pinned. */
struct frame {
	struct place place;
	uint64_t next;
	size_t path_len;
	unsigned level; /* folders above it, in a dataset those of the dataset */
};

struct visit {
	const struct place_world *world;
	const struct place_visitor *visitor;
	struct frame *frames;
	unsigned depth;
	unsigned capacity;
	struct buffer path;
	struct place entered; /* the directory to be entered next */
	bool refused;         /* the listing was ended by the visitor */
};

static int push(struct visit *v, const struct place *place)
{
	unsigned level;

	if (v->depth == v->capacity) {
		unsigned capacity = v->capacity ? 2 * v->capacity : 16;
		struct frame *frames = realloc(v->frames, capacity * sizeof(*frames));

		if (!frames)
			return -ENOMEM;
		v->frames = frames;
		v->capacity = capacity;
	}
	/* A dataset may be as deep as in another place of the commit. */
	level = v->depth && !place->is_dataset ? v->frames[v->depth - 1].level + 1 : 0;
	v->frames[v->depth++] = (struct frame){.place = *place, .path_len = v->path.len, .level = level};
	return 0;
}

/* The path of the deepest directory, as text. */
static const char *path_of_deepest(struct visit *v)
{
	size_t len = v->frames[v->depth - 1].path_len;

	if (len == 0)
		return "";
	v->path.data[len] = '\0';
	return (const char *)v->path.data;
}

static void pop(struct visit *v)
{
	if (v->visitor->leave)
		v->visitor->leave(v->visitor->arg, path_of_deepest(v));
	v->depth--;
}

static int set_path(struct visit *v, const char *name)
{
	v->path.len = v->frames[v->depth - 1].path_len;
	if (v->path.len > 0)
		buffer_put8(&v->path, '/');
	buffer_append(&v->path, name, strlen(name) + 1);
	if (v->path.failed)
		return -ENOMEM;
	v->path.len--;
	return 0;
}

/* Whether the file NAME is the pointer of a dataset that stands beside it and takes its place. */
static bool is_replaced(const struct visit *v, const char *name, const struct place *child)
{
	struct place dataset;
	size_t base_len;

	return v->visitor->without_pointers && child->kind == PLACE_GIT_BLOB &&
	       pointer_name(name, strlen(name), &base_len) &&
	       place_child(v->world, &v->frames[v->depth - 1].place, name, base_len, &dataset, NULL) == 0 &&
	       dataset.is_dataset;
}

/* One child; 1 ends the listing here, so that the directory is entered. */
static int visit_child(void *arg, const char *name, uint64_t ordinal, const struct place *child)
{
	struct visit *v = arg;
	int r;

	v->frames[v->depth - 1].next = ordinal + 1;
	if (is_replaced(v, name, child))
		return 0;
	r = set_path(v, name);
	if (r == 0)
		r = v->visitor->each(v->visitor->arg, (const char *)v->path.data, child);
	v->refused = r < 0;
	if (r != 0 || !place_is_directory(child) || child->kind == PLACE_BROKEN)
		return r < 0 ? r : 0;
	v->entered = *child;
	return 1;
}

/* Go on in the deepest directory until it ends or one below it is entered. */
static int go_on(struct visit *v)
{
	struct frame *frame = &v->frames[v->depth - 1];
	int r = place_each_child(v->world, &frame->place, frame->next, visit_child, v);

	if (r == 1) {
		r = push(v, &v->entered);
		if (r == 0 && v->frames[v->depth - 1].level > PAGE_DEPTH_MAX) {
			r = v->visitor->failed(v->visitor->arg, path_of_deepest(v), -EBADMSG);
			pop(v);
		}
		return r;
	}
	if (r < 0 && !v->refused)
		r = v->visitor->failed(v->visitor->arg, path_of_deepest(v), r);
	if (r == 0)
		pop(v);
	return r;
}

int place_visit(const struct place_world *w, const struct place *place, const struct place_visitor *visitor)
{
	struct visit v = {.world = w, .visitor = visitor};
	int r = push(&v, place);

	while (r == 0 && v.depth > 0)
		r = go_on(&v);
	while (v.depth > 0)
		pop(&v);
	free(v.frames);
	buffer_release(&v.path);
	return r;
}
