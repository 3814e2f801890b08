#include "cache/placed.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 1024

/* The slot where ID is or would go.  Ids are hashes already. */
static struct placed_record *slot_of(const struct placed *p, const struct id *id)
{
	uint64_t hash;
	memcpy(&hash, id->bytes, sizeof(hash));
	size_t at = (size_t)hash & (p->size - 1);
	while (p->slots[at].locator.offset != 0 && !id_equal(&p->slots[at].id, id))
		at = (at + 1) & (p->size - 1);
	return &p->slots[at];
}

int placed_reserve(struct placed *p)
{
	if (p->count < p->size / 2)
		return 0;
	struct placed larger = {.size = p->size ? p->size * 2 : SIZE_FIRST, .count = p->count};
	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < p->size; i++) {
		if (p->slots[i].locator.offset != 0)
			*slot_of(&larger, &p->slots[i].id) = p->slots[i];
	}
	free(p->slots);
	*p = larger;
	return 0;
}

void placed_add(struct placed *p, const struct id *id, const struct locator *locator)
{
	assert(p->count < p->size / 2 && locator->offset != 0);
	struct placed_record *slot = slot_of(p, id);
	assert(slot->locator.offset == 0);
	*slot = (struct placed_record){.id = *id, .locator = *locator};
	p->count++;
}

bool placed_find(const struct placed *p, const struct id *id, struct locator *locator)
{
	if (p->count == 0)
		return false;
	const struct placed_record *slot = slot_of(p, id);
	if (slot->locator.offset == 0)
		return false;
	*locator = slot->locator;
	return true;
}

void placed_clear(struct placed *p)
{
	if (p->count > 0)
		memset(p->slots, 0, p->size * sizeof(*p->slots));
	p->count = 0;
}

void placed_release(struct placed *p)
{
	free(p->slots);
	*p = (struct placed){0};
}
