#include "fs/tree_merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/compare.h"
#include "fs/edit.h"
#include "fs/name.h"

#define ENTER 1 /* what the comparison of a level ends with where a directory is to be gone into */

/* What is to be done to OURS, in the order of paths. */
struct merge {
	const struct tree_merge *request;
	struct buffer path; /* of the directory that is looked at, each name with a slash behind it */
	struct tree_change *changes;
	size_t count;
	size_t capacity;
	uint64_t conflicts;
};

/* A directory on each side that has it. */
struct sides {
	struct directory base, ours, theirs;
	bool has_base, has_ours, has_theirs;
};

/*
 * A directory in the works.  While one below it is, no page of it stays pinned: it is compared again from the name
 * where it was left.
 */
struct level {
	struct merge *merge;
	struct sides sides;
	struct sides below; /* the directory NAME, where that is to be entered */
	bool begun;         /* NAME is the last that was told */
	uint16_t name_len;
	char name[NAME_SIZE_MAX + 1];
	bool left; /* the result has something here that OURS has, or was added to it */
};

/* What stands at one name. */
struct three {
	const struct entry *base;
	const struct entry *ours;
	const struct entry *theirs;
};

static bool same(const struct entry *a, const struct entry *b)
{
	return a && b ? compare_entries_equal(a, b) : a == b;
}

static bool is_directory(const struct entry *entry)
{
	return entry && entry->kind == ENTRY_DIRECTORY && !entry->broken;
}

static bool is_file(const struct entry *entry)
{
	return entry && entry->kind == ENTRY_FILE && !entry->broken;
}

/* Whether two files have the same bytes, whatever their executable bits. */
static bool same_bytes(const struct entry *a, const struct entry *b)
{
	struct entry like_a = *b;

	like_a.executable = a->executable;
	return compare_entries_equal(a, &like_a);
}

/* --- the changes --- */

static void drop_changes(struct merge *m, size_t from)
{
	while (m->count > from)
		free((char *)m->changes[--m->count].path);
}

static int grow(struct merge *m)
{
	size_t capacity = m->capacity ? 2 * m->capacity : 64;
	struct tree_change *changes;

	if (m->count < m->capacity)
		return 0;
	changes = reallocarray(m->changes, capacity, sizeof(*changes));
	if (!changes)
		return -ENOMEM;
	m->changes = changes;
	m->capacity = capacity;
	return 0;
}

/* NAME becomes ENTRY (NULL: nothing).  What that borrows from its page is copied behind the path. */
static int change(struct merge *m, const char *name, size_t len, const struct entry *entry)
{
	size_t path_len = m->path.len + len;
	size_t inline_len = entry && entry->form == CONTENT_INLINE && entry->inline_data ? (size_t)entry->size : 0;
	size_t foreign_len = entry && entry->foreign ? entry->foreign_len : 0;
	struct tree_change *c;
	uint8_t *piece;

	if (entry && entry->broken)
		return -EBADMSG;
	if (grow(m) < 0)
		return -ENOMEM;
	piece = malloc(path_len + 1 + inline_len + foreign_len);
	if (!piece)
		return -ENOMEM;
	if (m->path.len > 0)
		memcpy(piece, m->path.data, m->path.len);
	memcpy(piece + m->path.len, name, len);
	piece[path_len] = '\0';
	c = &m->changes[m->count++];
	*c = (struct tree_change){.path = (char *)piece, .remove = !entry};
	if (!entry)
		return 0;
	c->entry = *entry;
	c->entry.name = NULL;
	c->entry.name_len = 0;
	piece += path_len + 1;
	c->entry.inline_data = piece;
	c->entry.foreign = piece + inline_len;
	if (inline_len > 0)
		memcpy(piece, entry->inline_data, inline_len);
	if (foreign_len > 0)
		memcpy(piece + inline_len, entry->foreign, foreign_len);
	return 0;
}

/* --- one name --- */

/* The result has ENTRY at the name that LEVEL is at. */
static int take(struct level *level, const struct three *three, const struct entry *entry)
{
	level->left |= entry != NULL;
	return same(three->ours, entry) ? 0 : change(level->merge, level->name, level->name_len, entry);
}

/* Tell of a conflict by its whole path. */
static int tell(struct level *level, const struct three *three)
{
	const struct tree_merge *request = level->merge->request;
	struct buffer *path = &level->merge->path;
	size_t len = path->len;
	int r = -ENOMEM;

	level->merge->conflicts++;
	if (!request->conflict)
		return 0;
	buffer_append(path, level->name, level->name_len + 1u);
	if (!path->failed)
		r = request->conflict(request->arg, (const char *)path->data, three->base, three->ours, three->theirs);
	path->len = len;
	return r;
}

static int conflict(struct level *level, const struct three *three)
{
	int r = tell(level, three);

	return r ? r : take(level, three, level->merge->request->prefer_base ? three->base : three->ours);
}

/* Three files, no two of them the same: the bytes may come from one side and the executable bit from the other. */
static int merge_files(struct level *level, const struct three *three)
{
	struct entry merged;

	if (same_bytes(three->base, three->ours))
		merged = *three->theirs;
	else if (same_bytes(three->base, three->theirs) || same_bytes(three->ours, three->theirs))
		merged = *three->ours;
	else
		return conflict(level, three);
	/* Of two values a changed one is the other. */
	merged.executable =
	    three->ours->executable != three->base->executable ? three->ours->executable : three->theirs->executable;
	return take(level, three, &merged);
}

/* Leave the level to go into the directory that it is at. */
static int enter(struct level *level, const struct three *three)
{
	struct sides *below = &level->below;

	below->has_base = is_directory(three->base);
	below->has_ours = three->ours != NULL;
	below->has_theirs = three->theirs != NULL;
	if (below->has_base)
		directory_of(three->base, &below->base);
	if (below->has_ours)
		directory_of(three->ours, &below->ours);
	if (below->has_theirs)
		directory_of(three->theirs, &below->theirs);
	return ENTER;
}

/* OURS and THEIRS differ. */
static int decide(struct level *level, const struct three *three)
{
	bool ours = is_directory(three->ours), theirs = is_directory(three->theirs);

	if (same(three->base, three->ours))
		return take(level, three, three->theirs);
	if (same(three->base, three->theirs))
		return take(level, three, three->ours);
	if (ours && theirs)
		return enter(level, three);
	/* Deleted on one side: what the other changed in it is looked for. */
	if (is_directory(three->base) && ((ours && !three->theirs) || (theirs && !three->ours)))
		return enter(level, three);
	if (is_file(three->base) && is_file(three->ours) && is_file(three->theirs))
		return merge_files(level, three);
	return conflict(level, three);
}

static int each(void *arg, const char *name, size_t len, const struct entry *ours, const struct entry *theirs)
{
	struct level *level = arg;
	struct source *source = level->merge->request->source;
	struct three three = {.ours = ours, .theirs = theirs};
	struct entry_pin pin = {0};
	int r = -ENOENT;

	if (level->begun && name_cmp(name, len, level->name, level->name_len) == 0)
		return 0;
	level->begun = true;
	level->name_len = (uint16_t)len;
	memcpy(level->name, name, len + 1);
	if (level->sides.has_base)
		r = tree_find(source, &level->sides.base, name, len, &pin);
	if (r == 0)
		three.base = &pin.entry;
	else if (r != -ENOENT)
		return r;
	r = decide(level, &three);
	if (three.base)
		tree_unpin_entry(source, &pin);
	return r;
}

/* --- directories --- */

static int merge_directory(struct merge *m, const struct sides *sides, unsigned depth, bool *left);

/* Go into the directory that LEVEL is at. */
static int merge_below(struct level *level, unsigned depth)
{
	struct merge *m = level->merge;
	size_t path_len = m->path.len, changes = m->count;
	bool both = level->below.has_ours && level->below.has_theirs, left = false;
	int r;

	buffer_append(&m->path, level->name, level->name_len);
	buffer_put8(&m->path, '/');
	if (m->path.failed)
		return -ENOMEM;
	r = merge_directory(m, &level->below, depth + 1, &left);
	m->path.len = path_len;
	if (r < 0)
		return r;
	level->left |= both || left;
	if (both || left || !level->below.has_ours)
		return r;
	/* Theirs deleted it, and ours had nothing of its own there. */
	drop_changes(m, changes);
	return r ? r : change(m, level->name, level->name_len, NULL);
}

/* Note what is to be done in a directory that is not the same on both sides.  0, or what ended it. */
static int merge_directory(struct merge *m, const struct sides *sides, unsigned depth, bool *left)
{
	struct level level = {.merge = m, .sides = *sides};
	int r;

	if (depth > PAGE_DEPTH_MAX)
		return -EBADMSG;
	do {
		r = compare_level(m->request->source, sides->has_ours ? &level.sides.ours : NULL,
		                  sides->has_theirs ? &level.sides.theirs : NULL, level.begun ? level.name : NULL,
		                  level.name_len, each, &level);
		if (r != ENTER)
			break;
		r = merge_below(&level, depth);
	} while (r == 0);
	/* In a directory that theirs does not have all that ours has is told, so what is not left is gone. */
	*left = level.left;
	return r;
}

static int take_over(struct source *source, const struct directory *directory, struct built *built)
{
	built->id = directory->id;
	built->locator = directory->locator;
	return directory_totals(source, directory, &built->totals);
}

int tree_merge(const struct tree_merge *request, struct built *built, uint64_t *conflicts)
{
	const struct directory *base = request->base, *ours = request->ours, *theirs = request->theirs;
	struct merge m = {.request = request};
	struct sides sides = {.has_base = base, .has_ours = true, .ours = *ours, .has_theirs = true, .theirs = *theirs};
	bool left;
	int r;

	*conflicts = 0;
	if (id_equal(&ours->id, &theirs->id) || (base && id_equal(&base->id, &theirs->id)))
		return take_over(request->source, ours, built);
	if (base && id_equal(&base->id, &ours->id))
		return take_over(request->source, theirs, built);
	if (base)
		sides.base = *base;
	r = merge_directory(&m, &sides, 0, &left);
	if (r == 0)
		r = tree_edit(request->writer, request->source, ours, m.changes, m.count, built);
	/* The changes are in order and their names were read from pages: what is refused is a neighbour that is broken.
	 */
	if (r == -EINVAL)
		r = -EBADMSG;
	if (r == 0)
		*conflicts = m.conflicts;
	drop_changes(&m, 0);
	free(m.changes);
	buffer_release(&m.path);
	return r;
}
