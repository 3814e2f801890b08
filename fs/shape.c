#include "fs/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/name.h"

#define SIZE_FIRST 1024

struct shape *shape_of(const struct page *page)
{
	struct list_entry only;
	size_t first_len = 0, last_len = 0;
	const char *first = page->count ? page_name(page, 0, &first_len) : "";
	const char *last = page->count ? page_name(page, page->count - 1u, &last_len) : "";
	struct shape *shape = malloc(sizeof(*shape) + first_len + last_len);

	if (!shape)
		return NULL;
	*shape = (struct shape){
	    .id = page->id,
	    .kind = page->kind,
	    .level = page->level,
	    .count = page->count,
	    .totals = page->totals,
	    .first_len = (uint16_t)first_len,
	    .last_len = (uint16_t)last_len,
	};
	memcpy(shape->keys, first, first_len);
	memcpy(shape->keys + first_len, last, last_len);
	if (page->kind == PAGE_LIST && page->level == 0 && page->count == 1) {
		page_list_entry(page, 0, &only);
		shape->single = only.count == 1;
	}
	return shape;
}

static bool totals_fit(const struct shape *shape, const struct shape_wanted *w)
{
	return (!(w->totals_known & SHAPE_ENTRIES) || shape->totals.entries == w->totals.entries) &&
	       (!(w->totals_known & SHAPE_FILES) || shape->totals.files == w->totals.files) &&
	       (!(w->totals_known & SHAPE_BYTES) || shape->totals.bytes == w->totals.bytes);
}

/* Names go on behind the bound; in lists two equal chunks would have been merged. */
static bool begins_behind(const struct shape *shape, const struct shape_wanted *w)
{
	if (!w->bound)
		return true;
	if (shape->kind == PAGE_LIST)
		return shape->level > 0 || memcmp(shape->keys, w->bound, ID_SIZE) != 0;
	return name_cmp(shape->keys, shape->first_len, w->bound, w->bound_len) > 0;
}

static const char *child_misfit(const struct shape *shape, const struct shape_wanted *w)
{
	const char *last = shape->keys + shape->first_len;

	if (shape->level != w->level)
		return "it is of another level than the page above says";
	if (shape->count == 0)
		return "it is empty";
	if (shape->last_len != w->last_len || memcmp(last, w->last, w->last_len) != 0)
		return "it does not end with what the page above says";
	if (!begins_behind(shape, w))
		return "it begins before the end of the one before it";
	if (w->inner && !page_closes(last, shape->last_len, shape->level, shape->count))
		return "it ends where no page ends";
	return NULL;
}

const char *shape_misfit(const struct shape *shape, const struct shape_wanted *wanted)
{
	if (wanted->kind ? shape->kind != wanted->kind : shape->kind == PAGE_LIST)
		return "it is of another kind than is said where it is named";
	if (!totals_fit(shape, wanted))
		return "it holds other numbers of entries, files or bytes than is said where it is named";
	if (!wanted->is_tree)
		return child_misfit(shape, wanted);
	if (shape->level > 0 && shape->count < 2)
		return "it is a level too many";
	return shape->single ? "it lists a single chunk" : NULL;
}

static size_t place_of(struct shape *const *slots, size_t size, const struct id *id)
{
	uint64_t hash;
	size_t at;

	memcpy(&hash, id->bytes, sizeof(hash));
	at = (size_t)hash & (size - 1);
	while (slots[at] && !id_equal(&slots[at]->id, id))
		at = (at + 1) & (size - 1);
	return at;
}

struct shape *shape_find(const struct shape_map *map, const struct id *id)
{
	return map->count ? map->slots[place_of(map->slots, map->size, id)] : NULL;
}

static int grow(struct shape_map *map)
{
	size_t size = map->size ? map->size * 2 : SIZE_FIRST;
	struct shape **slots = calloc(size, sizeof(struct shape *));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < map->size; i++) {
		if (map->slots[i])
			slots[place_of(slots, size, &map->slots[i]->id)] = map->slots[i];
	}
	free(map->slots);
	map->slots = slots;
	map->size = size;
	return 0;
}

int shape_add(struct shape_map *map, struct shape *shape)
{
	if (map->count >= map->size / 2 && grow(map)) {
		free(shape);
		return -ENOMEM;
	}
	map->slots[place_of(map->slots, map->size, &shape->id)] = shape;
	map->count++;
	return 0;
}

void shape_map_release(struct shape_map *map)
{
	for (size_t i = 0; i < map->size; i++)
		free(map->slots[i]);
	free(map->slots);
	*map = (struct shape_map){0};
}
