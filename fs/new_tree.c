#include "fs/new_tree.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "fs/old_tree.h"
#include "fs/rename_count.h"

struct new_tree {
	struct store_writer *writer;
	struct source *source;
	bool followed;
	bool visit_failed;
	struct directory old_root;
	struct old_tree *old;
	struct builder **builders; /* one a level; NULL until something is put into it */
	size_t capacity;
	struct new_tree_counts counts;
	struct rename_count *renames; /* NULL without an old tree */
};

/* The builder of the directory at LEVEL. */
static int builder_at(struct new_tree *t, size_t level, struct builder **builder)
{
	int error;

	while (level >= t->capacity) {
		size_t capacity = t->capacity ? 2 * t->capacity : 8;
		struct builder **more = reallocarray(t->builders, capacity, sizeof(struct builder *));

		if (!more)
			return -ENOMEM;
		for (size_t i = t->capacity; i < capacity; i++)
			more[i] = NULL;
		t->builders = more;
		t->capacity = capacity;
	}
	if (!t->builders[level]) {
		error = builder_open(t->writer, PAGE_DIRECTORY, &t->builders[level]);
		if (error)
			return error;
	}
	*builder = t->builders[level];
	return 0;
}

static int put(struct new_tree *t, size_t level, const struct entry *entry)
{
	struct builder *builder;
	int error = builder_at(t, level, &builder);

	return error ? error : builder_add(builder, entry);
}

static int on_same(void *arg, size_t level, const struct entry *entry)
{
	return put(arg, level, entry);
}

static int count_deleted_file(void *arg, const char *path, size_t path_len, const struct entry *entry)
{
	struct new_tree *t = arg;

	(void)path;
	(void)path_len;
	if (entry->kind == ENTRY_DIRECTORY)
		return 0;
	t->counts.deleted++;
	return rename_count_deleted(t->renames, entry);
}

static int on_gone(void *arg, const struct entry *entry)
{
	struct new_tree *t = arg;
	struct tree_visitor visitor = {.each = count_deleted_file, .arg = t};
	struct directory directory;
	int error;

	if (entry->kind != ENTRY_DIRECTORY)
		return count_deleted_file(t, NULL, 0, entry);
	directory_of(entry, &directory);
	error = tree_visit(t->source, &directory, &visitor);
	t->visit_failed = error && error != -ENOMEM;
	return error;
}

static const struct old_tree_hooks hooks = {.same = on_same, .gone = on_gone};

int new_tree_open(struct store_writer *writer, struct source *source, const struct directory *old, bool followed,
                  struct new_tree **tree)
{
	struct new_tree *t = calloc(1, sizeof(*t));
	int error;

	if (!t)
		return -ENOMEM;
	t->writer = writer;
	t->source = source;
	t->followed = followed && old;
	if (old)
		t->old_root = *old;
	error = old_tree_open(source, old, t->followed, &hooks, t, &t->old);
	if (!error && old)
		error = rename_count_new(&t->renames);
	if (error) {
		new_tree_close(t);
		return error;
	}
	*tree = t;
	return 0;
}

void new_tree_close(struct new_tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->capacity; i++)
		builder_close(t->builders[i]);
	free(t->builders);
	old_tree_close(t->old);
	rename_count_free(t->renames);
	free(t);
}

int new_tree_same(struct new_tree *t, const char *name, size_t len)
{
	return old_tree_same(t->old, name, len);
}

int new_tree_gone(struct new_tree *t)
{
	return old_tree_differs(t->old);
}

/* Look up where the content of ENTRY lies, for readers of the new page. */
static int find_locator(struct new_tree *t, struct entry *entry)
{
	unsigned kind = entry->form == CONTENT_LIST ? RECORD_PAGE : RECORD_CHUNK;
	int error;

	if (entry->form == CONTENT_INLINE || entry->locator.offset)
		return 0;
	error = store_writer_known(t->writer, kind, &entry->id, &entry->locator);
	return error == -ENOENT ? -ENODATA : error;
}

/* ENTRY stands where OLD stood: tell them apart and take over what stays. */
static int replace(struct new_tree *t, const struct entry *old, struct entry *entry)
{
	struct content before, now;
	bool same;
	int error;

	if (old->kind != entry->kind) {
		t->counts.added++;
		error = on_gone(t, old);
		return error ? error : rename_count_added(t->renames, entry);
	}
	same = !content_of(old, &before) && !content_of(entry, &now) && content_equal(&before, &now);
	t->counts.modified += !same || old->executable != entry->executable;
	if (!same)
		return 0;
	if (old->time.known)
		entry->time = old->time;
	if (!entry->locator.offset)
		entry->locator = old->locator;
	return 0;
}

int new_tree_add(struct new_tree *t, const struct entry *entry)
{
	struct entry made = *entry;
	const struct entry *old;
	int error = old_tree_find(t->old, entry->name, entry->name_len, &old);

	if (error)
		return error;
	if (old) {
		error = replace(t, old, &made);
	} else {
		t->counts.added++;
		error = t->renames ? rename_count_added(t->renames, entry) : 0;
	}
	if (!error)
		error = find_locator(t, &made);
	return error ? error : put(t, old_tree_level(t->old), &made);
}

int new_tree_enter(struct new_tree *t, const char *name, size_t len)
{
	return old_tree_enter(t->old, name, len);
}

/* Finish the directory at LEVEL, of which at least something was told. */
static int finish_level(struct new_tree *t, size_t level, struct built *built)
{
	struct builder *builder;
	int error = builder_at(t, level, &builder);

	if (!error)
		error = builder_finish(builder, built);
	if (!error) {
		builder_close(builder);
		t->builders[level] = NULL;
	}
	return error;
}

int new_tree_leave(struct new_tree *t)
{
	size_t level = old_tree_level(t->old), len;
	const char *name = old_tree_name(t->old, &len);
	struct entry entry = {.kind = ENTRY_DIRECTORY, .name = name, .name_len = (uint16_t)len};
	struct built built;
	bool same;
	int error;

	assert(level > 0);
	error = old_tree_leave(t->old, &same);
	if (error || same)
		return error;
	error = finish_level(t, level, &built);
	if (error)
		return error;
	entry.id = built.id;
	entry.locator = built.locator;
	entry.totals = built.totals;
	return put(t, level - 1, &entry);
}

int new_tree_finish(struct new_tree *t, struct built *built, bool *unchanged)
{
	int error;

	assert(old_tree_level(t->old) == 0);
	error = old_tree_leave(t->old, unchanged);
	if (error)
		return error;
	if (*unchanged) {
		*built = (struct built){.id = t->old_root.id};
		return 0;
	}
	error = finish_level(t, 0, built);
	if (error || !t->renames)
		return error;
	t->counts.renamed = rename_count_finish(t->renames);
	t->counts.added -= t->counts.renamed;
	t->counts.deleted -= t->counts.renamed;
	return 0;
}

void new_tree_counts(const struct new_tree *t, struct new_tree_counts *counts)
{
	*counts = t->counts;
}

bool new_tree_old_failed(const struct new_tree *t)
{
	return t->visit_failed || old_tree_failed(t->old);
}
