#include "fs/edit.h"

#include <errno.h>
#include <string.h>

#include "fs/carry.h"
#include "fs/compare.h"
#include "fs/name.h"

struct edit {
	struct store_writer *writer;
	struct source *source;
};

/* Changes of one directory, or of one entry of it: their paths agree in the first SKIP bytes. */
struct changes {
	const struct tree_change *first;
	const struct tree_change *end;
	size_t skip;
};

/* What happens to one name: the change that names it itself, and those below it. */
struct group {
	const char *name;
	uint16_t len;
	const struct tree_change *exact; /* or NULL */
	struct changes below;
	bool adds_below;
};

static int edit_directory(struct edit *e, const struct directory *old, struct changes changes, unsigned depth,
                          struct built *built);

static bool belongs_to(const struct tree_change *change, size_t skip, const char *name, size_t len)
{
	const char *rest = change->path + skip;

	return strncmp(rest, name, len) == 0 && (rest[len] == '/' || rest[len] == '\0');
}

/* Split the changes of the first name off.  -EINVAL where a name may not be, or order shows that they are not sorted.
 */
static int next_group(struct changes *changes, struct group *g)
{
	const struct tree_change *first = changes->first;
	const char *name = first->path + changes->skip;
	size_t len = strcspn(name, "/");
	bool exact = name[len] == '\0';

	if (len > NAME_SIZE_MAX)
		return -ENAMETOOLONG;
	if (!name_is_component(name, len))
		return -EINVAL;
	memset(g, 0, sizeof(*g));
	g->name = name;
	g->len = (uint16_t)len;
	g->exact = exact ? first : NULL;
	g->below = (struct changes){first + exact, first + exact, changes->skip + len + 1};
	for (; g->below.end < changes->end && belongs_to(g->below.end, changes->skip, name, len); g->below.end++) {
		/* The name itself comes first, and once. */
		if (g->below.end->path[changes->skip + len] == '\0')
			return -EINVAL;
		g->adds_below |= !g->below.end->remove;
	}
	changes->first = g->below.end;
	return 0;
}

static bool is_directory(const struct entry *entry)
{
	return entry && entry->kind == ENTRY_DIRECTORY && !entry->broken;
}

/* Whether a directory entry names one that stands somewhere already. */
static bool is_whole(const struct entry *entry)
{
	return entry->totals.entries > 0;
}

/* Make ENTRY the directory that the changes below the group's name lead to, from BASE (NULL: an empty one). */
static int edit_below(struct edit *e, const struct group *g, const struct entry *base, unsigned depth,
                      struct entry *entry)
{
	struct directory old;
	struct built built;
	int r;

	if (base)
		directory_of(base, &old);
	r = edit_directory(e, base ? &old : NULL, g->below, depth + 1, &built);
	if (r < 0)
		return r;
	entry->kind = ENTRY_DIRECTORY;
	entry->id = built.id;
	entry->locator = built.locator;
	entry->totals = built.totals;
	return 0;
}

/* What the change of exactly this name makes of it. */
static int apply_exact(struct edit *e, const struct group *g, const struct entry *old, unsigned depth,
                       struct entry *entry)
{
	bool below = g->below.first != g->below.end;
	int r = 0;

	*entry = g->exact->entry;
	if (entry->kind == ENTRY_DIRECTORY) {
		const struct entry *base = g->exact->keep && is_directory(old) ? old : NULL;

		if (g->exact->keep || below || !is_whole(entry))
			r = edit_below(e, g, base, depth, entry);
	} else if (g->adds_below) {
		r = -ENOTDIR;
	}
	entry->name = g->name;
	entry->name_len = g->len;
	if (r == 0 && old && old->time.known && compare_entries_equal(old, entry))
		entry->time = old->time;
	return r;
}

/* What stands at the group's name in the new tree: *ENTRY.  Returns 1, 0 where nothing does, or an error. */
static int apply(struct edit *e, const struct group *g, const struct entry *old, unsigned depth, struct entry *entry)
{
	const struct entry *base = g->exact ? NULL : old;
	int r;

	if (g->exact && !g->exact->remove) {
		r = apply_exact(e, g, old, depth, entry);
		return r < 0 ? r : 1;
	}
	/* Removing below what is no directory changes nothing. */
	if (!g->adds_below && !is_directory(base)) {
		if (base)
			*entry = *base;
		return base ? 1 : 0;
	}
	memset(entry, 0, sizeof(*entry));
	if (is_directory(base))
		*entry = *base;
	entry->name = g->name;
	entry->name_len = g->len;
	r = edit_below(e, g, is_directory(base) ? base : NULL, depth, entry);
	return r < 0 ? r : 1;
}

static int edit_groups(struct edit *e, struct builder *b, struct descent *d, struct changes changes, unsigned depth)
{
	struct group g, previous = {0};
	struct entry old, entry;
	int r;

	while (changes.first != changes.end) {
		r = next_group(&changes, &g);
		if (r < 0)
			return r;
		if (previous.name && name_cmp(previous.name, previous.len, g.name, g.len) >= 0)
			return -EINVAL;
		r = carry_until(b, d, g.name, g.len);
		if (r < 0)
			return r;
		bool was = carry_found(d, g.name, g.len, &old);
		r = apply(e, &g, was ? &old : NULL, depth, &entry);
		if (r > 0)
			r = builder_add(b, &entry);
		if (r < 0)
			return r;
		if (was)
			descent_pass(d);
		previous = g;
	}
	return carry_until(b, d, NULL, 0);
}

/* Nothing changes: the old directory as it stands. */
static int take_over(struct edit *e, const struct directory *old, struct built *built)
{
	built->id = old->id;
	built->locator = old->locator;
	return directory_totals(e->source, old, &built->totals);
}

static int edit_directory(struct edit *e, const struct directory *old, struct changes changes, unsigned depth,
                          struct built *built)
{
	struct builder *b = NULL;
	struct descent d = {0};
	int r;

	if (old && changes.first == changes.end)
		return take_over(e, old, built);
	if (depth > PAGE_DEPTH_MAX)
		return -ENAMETOOLONG;
	r = builder_open(e->writer, PAGE_DIRECTORY, &b);
	if (r == 0 && old)
		r = tree_open(e->source, old, &d);
	if (r == 0)
		r = edit_groups(e, b, &d, changes, depth);
	if (r == 0)
		r = builder_finish(b, built);
	descent_close(&d);
	builder_close(b);
	return r;
}

int tree_edit(struct store_writer *writer, struct source *source, const struct directory *old,
              const struct tree_change *changes, size_t count, struct built *built)
{
	struct edit e = {.writer = writer, .source = source};
	struct changes all = {changes, changes + count, 0};

	return edit_directory(&e, old, all, 0, built);
}
