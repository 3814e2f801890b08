#include "fs/overlay.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"
#include "fs/carry.h"
#include "fs/change_count.h"
#include "fs/compare.h"
#include "fs/name.h"

/*
 * A directory on the way down.  Until something in it differs from the base there is no builder, and the descent is
 * closed; then the builder has all that comes before where the descent stands, and what was told.
 */
struct level {
	size_t name_at, name_end; /* in NAMES */
	bool has_base;            /* BASE shows through */
	bool has_parent;
	bool was_directory; /* the base has a directory here, seen or not: OLD_ID, OLD_TIME */
	struct directory base;
	struct directory parent;
	struct id old_id;
	struct label_time old_time;
	struct builder *builder;
	struct descent descent;
	bool listed;
	struct buffer differing; /* LISTED: names in which base and parent differ, each with a NUL byte */
	size_t differing_at;     /* of the first that was not counted yet */
};

struct overlay {
	struct store_writer *writer;
	struct source *source;
	bool labels; /* no parent was given: the base only labels */
	bool parent_failed;
	struct change_count *count; /* NULL: nothing is counted */
	struct level *levels;
	size_t depth, capacity;
	struct buffer names;
};

/* What the two trees have of a name; NULL: nothing.  PARENT may be the same pin as BASE. */
struct found {
	const struct entry *base;
	const struct entry *parent;
	struct entry_pin pins[2];
};

static int push(struct overlay *o, const char *name, size_t len, struct level **level)
{
	if (o->depth == o->capacity) {
		size_t capacity = o->capacity ? 2 * o->capacity : 8;
		struct level *levels = reallocarray(o->levels, capacity, sizeof(*levels));

		if (!levels)
			return -ENOMEM;
		o->levels = levels;
		o->capacity = capacity;
	}
	*level = &o->levels[o->depth];
	**level = (struct level){.name_at = o->names.len};
	buffer_append(&o->names, name, len);
	if (o->names.failed)
		return -ENOMEM;
	(*level)->name_end = o->names.len;
	o->depth++;
	return 0;
}

/* The name's bytes stay where they are until the next push. */
static void pop(struct overlay *o)
{
	struct level *l = &o->levels[--o->depth];

	descent_close(&l->descent);
	builder_close(l->builder);
	buffer_release(&l->differing);
	o->names.len = l->name_at;
}

int overlay_open(struct store_writer *writer, struct source *source, const struct directory *base,
                 const struct directory *parent, struct overlay **overlay)
{
	struct overlay *o = calloc(1, sizeof(*o));
	struct level *l;
	int error;

	if (!o)
		return -ENOMEM;
	o->writer = writer;
	o->source = source;
	o->labels = !parent;
	error = push(o, "", 0, &l);
	if (!error && parent)
		error = change_count_new(source, &o->count);
	if (error) {
		overlay_close(o);
		return error;
	}
	l->has_base = base;
	if (base)
		l->base = *base;
	l->has_parent = parent || base;
	if (l->has_parent)
		l->parent = parent ? *parent : *base;
	*overlay = o;
	return 0;
}

void overlay_close(struct overlay *o)
{
	if (!o)
		return;
	while (o->depth)
		pop(o);
	change_count_free(o->count);
	buffer_release(&o->names);
	free(o->levels);
	free(o);
}

static struct level *top(struct overlay *o)
{
	return &o->levels[o->depth - 1];
}

static int parent_error(struct overlay *o, int error)
{
	o->parent_failed |= error && error != -ENOMEM && !o->labels;
	return error;
}

static int look_in(struct overlay *o, const struct directory *directory, const char *name, size_t len,
                   struct entry_pin *pin, const struct entry **entry)
{
	int error = tree_find(o->source, directory, name, len, pin);

	*entry = error ? NULL : &pin->entry;
	return error == -ENOENT ? 0 : error;
}

static void unpin(struct overlay *o, struct found *found)
{
	tree_unpin_entry(o->source, &found->pins[0]);
	tree_unpin_entry(o->source, &found->pins[1]);
}

/* What the trees have of NAME in the present directory; to be given back with unpin(), also after an error. */
static int look_up(struct overlay *o, const char *name, size_t len, struct found *found)
{
	struct level *l = top(o);
	int error = 0;

	*found = (struct found){0};
	if (l->has_base)
		error = look_in(o, &l->base, name, len, &found->pins[0], &found->base);
	if (error || !l->has_parent)
		return error;
	if (l->has_base && id_equal(&l->base.id, &l->parent.id))
		found->parent = found->base;
	else
		error = parent_error(o, look_in(o, &l->parent, name, len, &found->pins[1], &found->parent));
	return error;
}

/* The present directory is met first: where its base is not what the parent has, what nobody speaks of counts, too. */
static int list_differing(struct overlay *o, struct level *l)
{
	if (l->listed)
		return 0;
	l->listed = true;
	return parent_error(o, change_count_names(o->count, l->has_parent ? &l->parent : NULL,
	                                          l->has_base ? &l->base : NULL, &l->differing));
}

/* Nobody speaks of NAME: the base shows through. */
static int count_differing(struct overlay *o, const char *name, size_t len)
{
	struct found found;
	int error = look_up(o, name, len, &found);

	if (!error)
		error = parent_error(o, change_count_entry(o->count, found.parent, found.base));
	unpin(o, &found);
	return error;
}

/* Count what nobody spoke of between the name told last and NAME (NULL: all the rest), which is told now. */
static int count_untold(struct overlay *o, const char *name, size_t len)
{
	struct level *l = top(o);
	int error = o->count ? list_differing(o, l) : 0;
	const char *next;
	size_t next_len;

	while (!error && (next = compare_next_name(&l->differing, &l->differing_at, name, len, &next_len)))
		error = count_differing(o, next, next_len);
	return error;
}

/* From now on the directory of L is made anew. */
static int begin(struct overlay *o, struct level *l)
{
	int error;

	if (l->builder)
		return 0;
	error = builder_open(o->writer, PAGE_DIRECTORY, &l->builder);
	if (!error && l->has_base)
		error = tree_open(o->source, &l->base, &l->descent);
	return error;
}

/* Stand behind NAME, with all that is before it in the builder. */
static int advance(struct overlay *o, struct level *l, const char *name, size_t len)
{
	struct entry old;
	int error = begin(o, l);

	if (!error)
		error = carry_until(l->builder, &l->descent, name, len);
	if (!error && carry_found(&l->descent, name, len, &old))
		descent_pass(&l->descent);
	return error;
}

static bool same_content(const struct entry *a, const struct entry *b)
{
	struct content x, y;

	return a && a->kind == b->kind && !content_of(a, &x) && !content_of(b, &y) && content_equal(&x, &y);
}

/* Take over the labels of what had this content before; look up where it lies. */
static int label(struct overlay *o, const struct found *found, struct entry *entry)
{
	int error;

	if (same_content(found->parent, entry)) {
		if (found->parent->time.known)
			entry->time = found->parent->time;
		if (!entry->locator.offset)
			entry->locator = found->parent->locator;
	}
	if (!entry->locator.offset && same_content(found->base, entry))
		entry->locator = found->base->locator;
	if (entry->form == CONTENT_INLINE || entry->locator.offset)
		return 0;
	error = store_writer_known(o->writer, entry->form == CONTENT_LIST ? RECORD_PAGE : RECORD_CHUNK, &entry->id,
	                           &entry->locator);
	if (error != -ENOENT)
		return error;
	o->parent_failed = true;
	return -ENODATA;
}

int overlay_put(struct overlay *o, const struct entry *entry)
{
	struct entry made = *entry;
	struct found found;
	int error = count_untold(o, entry->name, entry->name_len);

	if (error)
		return error;
	error = look_up(o, entry->name, entry->name_len, &found);
	if (!error && o->count)
		error = parent_error(o, change_count_entry(o->count, found.parent, entry));
	if (!error && !(found.base && compare_entries_equal(found.base, entry))) {
		error = label(o, &found, &made);
		if (!error)
			error = advance(o, top(o), entry->name, entry->name_len);
		if (!error)
			error = builder_add(top(o)->builder, &made);
	}
	unpin(o, &found);
	return error;
}

int overlay_hide(struct overlay *o, const char *name, size_t len)
{
	struct found found;
	int error = count_untold(o, name, len);

	if (error)
		return error;
	error = look_up(o, name, len, &found);
	if (!error && o->count && found.parent)
		error = parent_error(o, change_count_entry(o->count, found.parent, NULL));
	if (!error && found.base)
		error = advance(o, top(o), name, len);
	unpin(o, &found);
	return error;
}

static bool is_directory(const struct entry *entry)
{
	return entry && entry->kind == ENTRY_DIRECTORY && !entry->broken;
}

int overlay_enter(struct overlay *o, const char *name, size_t len, bool bare)
{
	struct found found;
	struct level *l;
	int error = count_untold(o, name, len);

	if (error)
		return error;
	error = look_up(o, name, len, &found);
	if (!error && o->count && found.parent && !is_directory(found.parent))
		error = parent_error(o, change_count_entry(o->count, found.parent, NULL));
	if (!error)
		error = push(o, name, len, &l);
	if (!error && is_directory(found.base)) {
		directory_of(found.base, &l->base);
		l->was_directory = true;
		l->has_base = !bare;
		l->old_id = found.base->id;
		l->old_time = found.base->time;
	}
	if (!error && is_directory(found.parent)) {
		l->has_parent = true;
		directory_of(found.parent, &l->parent);
	}
	unpin(o, &found);
	return error;
}

/* Finish the present directory. */
static int finish(struct overlay *o, struct built *built)
{
	struct level *l = top(o);
	int error = begin(o, l);

	if (!error)
		error = carry_until(l->builder, &l->descent, NULL, 0);
	return error ? error : builder_finish(l->builder, built);
}

int overlay_leave(struct overlay *o)
{
	struct level *l = top(o);
	struct entry entry = {
	    .kind = ENTRY_DIRECTORY,
	    .name = (const char *)o->names.data + l->name_at,
	    .name_len = (uint16_t)(l->name_end - l->name_at),
	    .time = l->old_time,
	};
	bool same = l->has_base && !l->builder;
	struct built built;
	int error = count_untold(o, NULL, 0);

	assert(o->depth > 1);
	if (!error && !same)
		error = finish(o, &built);
	if (error)
		return error;
	same = same || (l->was_directory && id_equal(&l->old_id, &built.id));
	pop(o);
	if (same)
		return 0;
	entry.id = built.id;
	entry.locator = built.locator;
	entry.totals = built.totals;
	error = advance(o, top(o), entry.name, entry.name_len);
	return error ? error : builder_add(top(o)->builder, &entry);
}

int overlay_finish(struct overlay *o, struct built *built)
{
	int error = count_untold(o, NULL, 0);

	assert(o->depth == 1);
	return error ? error : finish(o, built);
}

void overlay_counts(struct overlay *o, struct new_tree_counts *counts)
{
	*counts = (struct new_tree_counts){0};
	if (o->count)
		change_count_finish(o->count, counts);
}

bool overlay_parent_failed(const struct overlay *o)
{
	return o->parent_failed;
}
