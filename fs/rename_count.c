#include "fs/rename_count.h"

#include <errno.h>
#include <stdlib.h>

#include "cache/checksum.h"
#include "cache/wire.h"

struct noted {
	uint64_t key;
	uint64_t size;
};

struct side {
	struct noted *list;
	size_t count, capacity;
};

struct rename_count {
	struct side deleted;
	struct side added;
	uint64_t bytes; /* of renames */
};

int rename_count_new(struct rename_count **count)
{
	*count = calloc(1, sizeof(**count));
	return *count ? 0 : -ENOMEM;
}

void rename_count_free(struct rename_count *c)
{
	if (!c)
		return;
	free(c->deleted.list);
	free(c->added.list);
	free(c);
}

static uint64_t key_of(const struct entry *entry)
{
	uint64_t key;

	if (entry->kind == ENTRY_FOREIGN)
		key = checksum(entry->foreign, entry->foreign_len);
	else if (entry->form == CONTENT_INLINE)
		key = checksum(entry->inline_data, entry->size);
	else
		key = wire_get64(entry->id.bytes);
	return key ^ entry->kind;
}

static int note(struct side *side, const struct entry *entry)
{
	if (!entry->size || side->count == RENAME_COUNT_MAX)
		return 0;
	if (side->count == side->capacity) {
		size_t capacity = side->capacity ? 2 * side->capacity : 256;
		struct noted *list = reallocarray(side->list, capacity, sizeof(*list));

		if (!list)
			return -ENOMEM;
		side->list = list;
		side->capacity = capacity;
	}
	side->list[side->count++] = (struct noted){key_of(entry), entry->size};
	return 0;
}

int rename_count_deleted(struct rename_count *c, const struct entry *entry)
{
	return note(&c->deleted, entry);
}

int rename_count_added(struct rename_count *c, const struct entry *entry)
{
	return note(&c->added, entry);
}

static int compare_keys(const void *a, const void *b)
{
	const struct noted *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->size > y->size) - (x->size < y->size);
}

uint64_t rename_count_finish(struct rename_count *c)
{
	size_t i = 0, j = 0;
	uint64_t same = 0;

	c->bytes = 0;
	if (!c->deleted.count || !c->added.count)
		return 0;
	qsort(c->deleted.list, c->deleted.count, sizeof(*c->deleted.list), compare_keys);
	qsort(c->added.list, c->added.count, sizeof(*c->added.list), compare_keys);
	while (i < c->deleted.count && j < c->added.count) {
		int order = compare_keys(&c->deleted.list[i], &c->added.list[j]);

		if (!order) {
			c->bytes += c->deleted.list[i].size;
			same++;
		}
		i += order <= 0;
		j += order >= 0;
	}
	return same;
}

uint64_t rename_count_bytes(const struct rename_count *c)
{
	return c->bytes;
}
