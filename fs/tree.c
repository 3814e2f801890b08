#include "fs/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/name.h"

void directory_of(const struct entry *entry, struct directory *directory)
{
	memset(directory, 0, sizeof(*directory));
	directory->id = entry->id;
	directory->locator = entry->locator;
	directory->totals_known = true;
	directory->totals = entry->totals;
}

int tree_open(struct source *s, const struct directory *directory, struct descent *descent)
{
	int r = descent_open(descent, s, PAGE_DIRECTORY, &directory->id, &directory->locator, directory->is_root);

	if (r < 0)
		return r;
	if (directory->totals_known && !totals_equal(&descent_root(descent)->totals, &directory->totals)) {
		descent_close(descent);
		return -EBADMSG;
	}
	return 0;
}

int directory_totals(struct source *s, const struct directory *directory, struct totals *totals)
{
	struct descent d;
	int r = tree_open(s, directory, &d);

	if (r < 0)
		return r;
	*totals = descent_root(&d)->totals;
	descent_close(&d);
	return 0;
}

void tree_unpin_entry(struct source *s, struct entry_pin *pin)
{
	source_unpin_page(s, &pin->pin);
}

/* The entry a descent stands before: its leaf's pin goes over to PIN. */
static void take_entry(struct descent *d, struct entry_pin *pin)
{
	struct page_pin *leaf = &d->levels[d->depth - 1].pin;

	pin->ordinal = descent_position(d);
	page_entry(leaf->page, descent_next(d), &pin->entry);
	pin->pin = *leaf;
	memset(leaf, 0, sizeof(*leaf));
}

int tree_find(struct source *s, const struct directory *directory, const char *name, size_t len, struct entry_pin *pin)
{
	struct descent d;
	int r = tree_open(s, directory, &d);

	if (r < 0)
		return r;
	r = descent_seek_name(&d, name, len);
	if (r == 0) {
		size_t found_len;
		const char *found = page_name(descent_page(&d), descent_next(&d), &found_len);

		if (name_cmp(found, found_len, name, len) == 0)
			take_entry(&d, pin);
		else
			r = -ENOENT;
	}
	descent_close(&d);
	return r;
}

int tree_at(struct source *s, const struct directory *directory, uint64_t ordinal, struct entry_pin *pin)
{
	struct descent d;
	int r = tree_open(s, directory, &d);

	if (r < 0)
		return r;
	r = descent_seek_position(&d, ordinal);
	if (r == 0)
		take_entry(&d, pin);
	descent_close(&d);
	return r;
}

int tree_walk(struct source *s, const struct directory *directory, const char *path, struct entry_pin *pin)
{
	struct directory here = *directory;

	if (*path == '\0')
		return -EISDIR;
	for (;;) {
		size_t len = strcspn(path, "/");
		struct entry_pin step = {0};
		int r = tree_find(s, &here, path, len, &step);

		if (r < 0)
			return r;
		if (path[len] == '\0') {
			*pin = step;
			return 0;
		}
		r = step.entry.broken ? -EIO : step.entry.kind != ENTRY_DIRECTORY ? -ENOTDIR : 0;
		if (r == 0)
			directory_of(&step.entry, &here);
		tree_unpin_entry(s, &step);
		if (r < 0)
			return r;
		path += len + 1;
	}
}

int tree_cursor_open(struct source *s, const struct directory *directory, uint64_t ordinal, struct tree_cursor *cursor)
{
	int r = tree_open(s, directory, &cursor->descent);

	if (r < 0)
		return r;
	cursor->ordinal = ordinal;
	r = descent_seek_position(&cursor->descent, ordinal);
	if (r < 0 && r != -ENOENT) {
		descent_close(&cursor->descent);
		return r;
	}
	return 0;
}

int tree_cursor_open_at(struct source *s, const struct directory *directory, const char *name, size_t len,
                        struct tree_cursor *cursor)
{
	int r = tree_open(s, directory, &cursor->descent);

	if (r < 0)
		return r;
	r = descent_seek_name(&cursor->descent, name, len);
	if (r < 0 && r != -ENOENT) {
		descent_close(&cursor->descent);
		return r;
	}
	cursor->ordinal = descent_position(&cursor->descent);
	return 0;
}

int tree_cursor_next(struct tree_cursor *cursor, struct entry *entry)
{
	struct descent *d = &cursor->descent;
	int r = descent_to_leaf(d);

	if (r < 0)
		return r;
	page_entry(descent_page(d), descent_next(d), entry);
	descent_pass(d);
	cursor->ordinal++;
	return 0;
}

void tree_cursor_close(struct tree_cursor *cursor)
{
	descent_close(&cursor->descent);
}

/* A directory on the way of a walk; which of its entries come next is kept as a rank, so that no page stays pinned. */
struct visit_frame {
	struct directory directory;
	uint64_t next;
	size_t path_len;
};

struct visit {
	struct source *source;
	const struct tree_visitor *visitor;
	struct visit_frame *frames; /* PAGE_DEPTH_MAX and one of them at most */
	unsigned depth;
	unsigned capacity;
	struct buffer path;
};

static int push(struct visit *v, const struct directory *directory, size_t path_len)
{
	if (v->depth == v->capacity) {
		unsigned capacity = v->capacity ? 2 * v->capacity : 16;
		struct visit_frame *frames = realloc(v->frames, capacity * sizeof(*frames));

		if (!frames)
			return -ENOMEM;
		v->frames = frames;
		v->capacity = capacity;
	}
	v->frames[v->depth++] = (struct visit_frame){.directory = *directory, .path_len = path_len};
	return 0;
}

/* Put NAME behind the first DIRECTORY_LEN bytes of the path. */
static int set_path(struct buffer *path, size_t directory_len, const char *name, size_t name_len)
{
	path->len = directory_len;
	if (directory_len > 0)
		buffer_put8(path, '/');
	buffer_append(path, name, name_len);
	buffer_put8(path, '\0');
	if (path->failed)
		return -ENOMEM;
	path->len--;
	return 0;
}

static int failed_to_enter(struct visit *v, size_t path_len, int error)
{
	if (!v->visitor->enter_failed)
		return error;
	if (path_len == 0)
		return v->visitor->enter_failed(v->visitor->arg, "", 0, error);
	v->path.data[path_len] = '\0';
	return v->visitor->enter_failed(v->visitor->arg, (const char *)v->path.data, path_len, error);
}

/* Tell one entry; *ENTERED says that its directory was pushed, and comes first. */
static int visit_entry(struct visit *v, const struct entry *entry, bool *entered)
{
	struct directory below;
	int r = set_path(&v->path, v->frames[v->depth - 1].path_len, entry->name, entry->name_len);

	if (r == 0)
		r = v->visitor->each(v->visitor->arg, (const char *)v->path.data, v->path.len, entry);
	if (r != 0 || entry->kind != ENTRY_DIRECTORY || entry->broken)
		return r == 1 ? 0 : r;
	if (v->depth > PAGE_DEPTH_MAX)
		return failed_to_enter(v, v->path.len, -EBADMSG);
	directory_of(entry, &below);
	*entered = true;
	return push(v, &below, v->path.len);
}

/* Go on in the deepest directory until it ends or one below it is entered. */
static int visit_on(struct visit *v)
{
	unsigned depth = v->depth;
	size_t path_len = v->frames[depth - 1].path_len;
	struct tree_cursor cursor;
	bool entered = false;
	int r = tree_cursor_open(v->source, &v->frames[depth - 1].directory, v->frames[depth - 1].next, &cursor);

	if (r < 0) {
		v->depth--;
		return failed_to_enter(v, path_len, r);
	}
	while (r == 0 && !entered) {
		struct entry entry;

		r = tree_cursor_next(&cursor, &entry);
		if (r < 0) {
			v->depth--;
			r = r == -ENOENT ? 1 : failed_to_enter(v, path_len, r);
			break;
		}
		r = visit_entry(v, &entry, &entered);
		v->frames[depth - 1].next = cursor.ordinal;
	}
	tree_cursor_close(&cursor);
	return r == 1 ? 0 : r;
}

int tree_visit(struct source *s, const struct directory *directory, const struct tree_visitor *visitor)
{
	struct visit v = {.source = s, .visitor = visitor};
	int r = push(&v, directory, 0);

	while (r == 0 && v.depth > 0)
		r = visit_on(&v);
	free(v.frames);
	buffer_release(&v.path);
	return r;
}
