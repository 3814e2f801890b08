#include "tools/change_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/content.h"
#include "tools/output.h"

void change_list_release(struct change_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].path);
		free(list->items[i].a.large);
		free(list->items[i].b.large);
	}
	for (size_t i = 0; i < list->datasets_count; i++)
		free(list->datasets[i]);
	free(list->items);
	free(list->datasets);
	memset(list, 0, sizeof(*list));
}

int change_list_begin(struct change_list *list, const char *dataset)
{
	char **datasets = reallocarray(list->datasets, list->datasets_count + 1, sizeof(*datasets));

	if (!datasets)
		return -ENOMEM;
	list->datasets = datasets;
	datasets[list->datasets_count] = strdup(dataset);
	if (!datasets[list->datasets_count])
		return -ENOMEM;
	list->datasets_count++;
	return 0;
}

static int set_side(const struct entry *entry, struct change_side *side)
{
	struct content content;

	if (!entry)
		return 0;
	*side = (struct change_side){.kind = entry->kind, .executable = entry->executable, .size = entry->size};
	if (entry->kind == ENTRY_DIRECTORY || content_of(entry, &content))
		return 0;
	content_id(&content, &side->id);
	side->has_id = true;
	if (content.form != CONTENT_LIST)
		return 0;
	side->large = malloc(sizeof(content));
	if (!side->large)
		return -ENOMEM;
	*side->large = content;
	return 0;
}

/* The next free item. */
static int grow(struct change_list *list, const char *path, struct listed_change **change)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 64;
		struct listed_change *items = reallocarray(list->items, capacity, sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->capacity = capacity;
	}
	*change = &list->items[list->count];
	**change = (struct listed_change){
	    .path = strdup(path),
	    .dataset = list->datasets[list->datasets_count - 1],
	};
	if (!(*change)->path)
		return -ENOMEM;
	list->count++;
	return 0;
}

int change_list_add(struct change_list *list, const char *path, const struct entry *a, const struct entry *b)
{
	struct listed_change *change;
	int ret = grow(list, path, &change);

	if (!ret)
		ret = set_side(a, &change->a);
	return ret ? ret : set_side(b, &change->b);
}

int change_list_add_work(struct change_list *list, const char *path, const struct entry *a, uint8_t kind,
                         const struct stat *st)
{
	struct listed_change *change;
	int ret = grow(list, path, &change);

	if (ret)
		return ret;
	if (kind)
		change->b = (struct change_side){
		    .kind = kind,
		    .executable = kind == ENTRY_FILE && st->st_mode & S_IXUSR,
		    .size = kind == ENTRY_DIRECTORY ? 0 : (uint64_t)st->st_size,
		};
	return set_side(a, &change->a);
}

/* --- renames --- */

/* One end of what may be a rename. */
struct candidate {
	const struct listed_change *change;
	const struct change_side *side;
	const char *name; /* last component */
	size_t at;
	bool used;
};

struct candidates {
	struct candidate *list;
	size_t count;
};

static int compare_contents(const struct candidate *x, const struct candidate *y)
{
	int order = id_cmp(&x->side->id, &y->side->id);

	return order ? order : x->side->kind - y->side->kind;
}

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = compare_contents(x, y);

	if (!order)
		order = strcmp(x->name, y->name);
	return order ? order : (x->at > y->at) - (x->at < y->at);
}

static int compare_places(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = compare_contents(x, y);

	return order ? order : (x->at > y->at) - (x->at < y->at);
}

static int collect(const struct change_list *list, bool deleted, struct candidates *c)
{
	c->count = 0;
	c->list = calloc(list->count + 1, sizeof(*c->list));
	if (!c->list)
		return -ENOMEM;
	for (size_t i = 0; i < list->count; i++) {
		const struct listed_change *change = &list->items[i];
		const struct change_side *side = deleted ? &change->a : &change->b,
					 *other = deleted ? &change->b : &change->a;
		const char *slash = strrchr(change->path, '/');

		if (other->kind || !side->has_id || !side->size)
			continue;
		c->list[c->count++] = (struct candidate){change, side, slash ? slash + 1 : change->path, i, false};
	}
	return 0;
}

/* Pair what is equal by COMPARE and not used yet; both are sorted so that equal ones stand together. */
static void pair(struct change_list *list, struct candidates *from, struct candidates *to, bool same_name)
{
	size_t i = 0, j = 0;

	while (i < from->count && j < to->count) {
		struct candidate *old = &from->list[i], *new = &to->list[j];
		int order = compare_contents(old, new);

		if (!order && same_name)
			order = strcmp(old->name, new->name);
		if (old->used || order < 0) {
			i++;
		} else if (new->used || order > 0) {
			j++;
		} else {
			old->used = new->used = true;
			list->items[old->at].is_gone = true;
			list->items[new->at].is_rename = true;
			list->items[new->at].from = old->at;
		}
	}
}

int change_list_find_renames(struct change_list *list)
{
	struct candidates from = {0}, to = {0};
	int ret = collect(list, true, &from);

	if (!ret)
		ret = collect(list, false, &to);
	if (!ret && from.count && to.count) {
		qsort(from.list, from.count, sizeof(*from.list), compare_candidates);
		qsort(to.list, to.count, sizeof(*to.list), compare_candidates);
		pair(list, &from, &to, true);
		qsort(from.list, from.count, sizeof(*from.list), compare_places);
		qsort(to.list, to.count, sizeof(*to.list), compare_places);
		pair(list, &from, &to, false);
	}
	free(from.list);
	free(to.list);
	return ret;
}

char change_letter(const struct listed_change *change)
{
	if (change->is_gone)
		return 0;
	if (change->is_rename)
		return 'R';
	return change->a.kind && change->b.kind ? 'M' : change->a.kind ? 'D' : 'A';
}

void change_count(const struct listed_change *change, struct change_counts *counts)
{
	if ((change->b.kind ? change->b.kind : change->a.kind) == ENTRY_DIRECTORY) {
		counts->directories++;
		return;
	}
	switch (change_letter(change)) {
	case 'A':
		counts->added++;
		break;
	case 'M':
		counts->modified++;
		break;
	case 'D':
		counts->deleted++;
		break;
	case 'R':
		counts->renamed++;
		return;
	default:
		return;
	}
	counts->bytes_added += change->b.kind ? change->b.size : 0;
	counts->bytes_deleted += change->a.kind ? change->a.size : 0;
}

char *change_counts_text(const struct change_counts *c)
{
	const struct {
		uint64_t count;
		const char *name;
	} counts[] = {{c->added, "added"}, {c->modified, "modified"}, {c->deleted, "deleted"}, {c->renamed, "renamed"}};
	const char *between = "";
	char number[32], *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		if (!counts[i].count)
			continue;
		fprintf(out, "%s%s %s", between, output_count(counts[i].count, number), counts[i].name);
		between = ", ";
	}
	if (!*between)
		fputs("directories changed", out);
	if (c->bytes_added)
		fprintf(out, ", +%s", output_size(c->bytes_added, number));
	if (c->bytes_deleted)
		fprintf(out, ", -%s", output_size(c->bytes_deleted, number));
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}
