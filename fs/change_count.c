#include "fs/change_count.h"

#include <errno.h>
#include <stdlib.h>

#include "fs/compare.h"
#include "fs/rename_count.h"

struct change_count {
	struct source *source;
	struct new_tree_counts counts;
	struct rename_count *renames;
};

int change_count_new(struct source *source, struct change_count **count)
{
	struct change_count *c = calloc(1, sizeof(*c));
	int error = c ? rename_count_new(&c->renames) : -1;

	if (error) {
		free(c);
		return -ENOMEM;
	}
	c->source = source;
	*count = c;
	return 0;
}

void change_count_free(struct change_count *c)
{
	if (!c)
		return;
	rename_count_free(c->renames);
	free(c);
}

/* Of what is on one side only, directories do not count: what is in them is told, too. */
static int count_deleted(struct change_count *c, const struct entry *entry)
{
	if (entry->kind == ENTRY_DIRECTORY)
		return 0;
	c->counts.deleted++;
	return rename_count_deleted(c->renames, entry);
}

static int count_added(struct change_count *c, const struct entry *entry)
{
	if (entry->kind == ENTRY_DIRECTORY)
		return 0;
	c->counts.added++;
	return rename_count_added(c->renames, entry);
}

static int on_difference(void *arg, const char *path, size_t path_len, const struct entry *old, const struct entry *now)
{
	struct change_count *c = arg;

	(void)path;
	(void)path_len;
	if (old && now)
		c->counts.modified++;
	else
		return old ? count_deleted(c, old) : count_added(c, now);
	return 0;
}

static bool is_directory(const struct entry *entry)
{
	return entry && entry->kind == ENTRY_DIRECTORY;
}

int change_count_entry(struct change_count *c, const struct entry *old, const struct entry *now)
{
	struct directory a, b;
	int error = 0;

	if (old && now && compare_entries_equal(old, now))
		return 0;
	if (is_directory(old))
		directory_of(old, &a);
	if (is_directory(now))
		directory_of(now, &b);
	if (is_directory(old) || is_directory(now))
		error = compare_trees(c->source, is_directory(old) ? &a : NULL, is_directory(now) ? &b : NULL,
		                      on_difference, c);
	if (error)
		return error;
	if (old && now && old->kind == now->kind) {
		c->counts.modified += !is_directory(old);
		return 0;
	}
	/* A change of kind is a deletion and an addition; directories were counted above. */
	if (old)
		error = count_deleted(c, old);
	return error || !now ? error : count_added(c, now);
}

int change_count_names(struct change_count *c, const struct directory *old, const struct directory *now,
                       struct buffer *names)
{
	return compare_names(c->source, old, now, names);
}

void change_count_finish(struct change_count *c, struct new_tree_counts *counts)
{
	uint64_t renamed = rename_count_finish(c->renames);

	*counts = c->counts;
	counts->renamed = renamed;
	counts->added -= renamed;
	counts->deleted -= renamed;
}
