#include "tools/rename_candidates.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/chunk_file.h"
#include "tools/stop.h"

/* What was deleted, by kind and size. */
struct deletions {
	const struct change_side **list;
	size_t count;
};

static int compare_sides(const void *a, const void *b)
{
	const struct change_side *x = *(const struct change_side *const *)a, *y = *(const struct change_side *const *)b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

/* The first deletion that SIDE could be the other end of, or the end. */
static size_t find_deletion(const struct deletions *d, const struct change_side *side)
{
	size_t low = 0, high = d->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_sides(&d->list[middle], &side) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int note_first_chunk(void *arg, const struct list_entry *chunk)
{
	*(struct id *)arg = chunk->id;
	return 1;
}

/* Whether the file NAME is what was deleted: SIDE, a list of chunks, the first of which has the id FIRST in the file.
 */
static int is_same(struct source *source, struct chunk_file *reader, int dirfd, const char *name,
                   const struct change_side *side, const struct id *first, bool *same)
{
	bool of_source;
	struct stat st;
	struct id id;
	int ret = content_each_chunk(source, side->large, note_first_chunk, &id);

	*same = false;
	if (ret < 0)
		return ret;
	if (!id_equal(&id, first))
		return 0;
	return chunk_file_compare(reader, dirfd, name, source, side->large, same, &of_source, &st);
}

/* Find out the id of a file by what it could be; FROM is the first of the deletions of its size. */
static int identify_file(const struct rename_candidates *c, struct chunk_file *reader, int dirfd, const char *name,
                         const struct deletions *d, size_t from, struct change_side *side)
{
	struct chunk_piece piece;
	struct stat st;
	struct id first;
	bool whole, same = false;
	int ret = chunk_file_begin(reader, dirfd, name, &st);

	if (ret)
		return ret;
	ret = chunk_file_next(reader, &piece);
	whole = !ret && piece.count == 1 && piece.len == side->size;
	if (!ret)
		id_of(piece.data, piece.len, &first);
	if (chunk_file_end(reader))
		ret = ret ? ret : -EAGAIN;
	if (ret)
		return ret;
	if (whole) {
		side->id = first;
		side->has_id = true;
		return 0;
	}
	for (size_t i = from; !ret && !same && i < d->count && !compare_sides(&d->list[i], &side); i++) {
		if (!d->list[i]->large)
			continue;
		ret = is_same(c->source, reader, dirfd, name, d->list[i], &first, &same);
		if (!ret && same) {
			side->id = d->list[i]->id;
			side->has_id = true;
		}
	}
	return ret;
}

static int identify_link(int dirfd, const char *name, struct change_side *side)
{
	char target[PAGE_SYMLINK_MAX + 1];
	ssize_t len = readlinkat(dirfd, name, target, sizeof(target));

	if (len < 0)
		return -errno;
	if ((size_t)len == side->size) {
		id_of(target, (size_t)len, &side->id);
		side->has_id = true;
	}
	return 0;
}

static int identify(const struct rename_candidates *c, struct chunk_file *reader, const struct deletions *d,
                    struct listed_change *change)
{
	size_t from = find_deletion(d, &change->b);
	const struct change_side *side = &change->b;
	const char *name;
	int dirfd, ret;

	if (from == d->count || compare_sides(&d->list[from], &side))
		return 0;
	dirfd = worktree_open_parent(c->wt, change->path, false, &name);
	if (dirfd < 0)
		return 0;
	if (change->b.kind == ENTRY_SYMLINK)
		ret = identify_link(dirfd, name, &change->b);
	else
		ret = identify_file(c, reader, dirfd, name, d, from, &change->b);
	close(dirfd);
	/* Whatever is wrong with one of the two, it is an addition then. */
	return ret == -ENOMEM ? ret : 0;
}

int rename_candidates_read(const struct rename_candidates *c)
{
	struct change_list *list = c->list;
	struct deletions d = {calloc(list->count + 1, sizeof(*d.list)), 0};
	struct chunk_file *reader = NULL;
	int ret = d.list ? chunk_file_new(&reader) : -ENOMEM;

	for (size_t i = 0; !ret && i < list->count; i++)
		if (!list->items[i].b.kind && list->items[i].a.has_id && list->items[i].a.size)
			d.list[d.count++] = &list->items[i].a;
	if (!ret && d.count) {
		qsort(d.list, d.count, sizeof(*d.list), compare_sides);
		for (size_t i = 0; !ret && i < list->count; i++) {
			struct listed_change *change = &list->items[i];

			if (!change->a.kind && !change->b.has_id && change->b.size)
				ret = atomic_load(stop_flag()) ? -EINTR : identify(c, reader, &d, change);
		}
	}
	chunk_file_free(reader);
	free(d.list);
	return ret;
}
