#include "fs/git/oid_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"

/* The slot that holds OID, or the empty one where it belongs.  Ids are as good as random already. */
static struct oid *slot_of(struct oid *slots, size_t size, const struct oid *oid)
{
	size_t at = (size_t)wire_get64(oid->bytes) & (size - 1);

	while (slots[at].len && !oid_equal(&slots[at], oid))
		at = (at + 1) & (size - 1);
	return &slots[at];
}

static int grow(struct oid_set *set)
{
	size_t size = set->size ? 2 * set->size : 256;
	struct oid *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < set->size; i++)
		if (set->slots[i].len)
			*slot_of(slots, size, &set->slots[i]) = set->slots[i];
	free(set->slots);
	set->slots = slots;
	set->size = size;
	return 0;
}

int oid_set_add(struct oid_set *set, const struct oid *oid)
{
	struct oid *slot;
	int r;

	if (4 * (set->count + 1) > 3 * set->size) {
		r = grow(set);
		if (r)
			return r;
	}
	slot = slot_of(set->slots, set->size, oid);
	if (slot->len)
		return 0;
	*slot = *oid;
	set->count++;
	return 1;
}

bool oid_set_has(const struct oid_set *set, const struct oid *oid)
{
	return set->size && slot_of(set->slots, set->size, oid)->len;
}

void oid_set_release(struct oid_set *set)
{
	free(set->slots);
	memset(set, 0, sizeof(*set));
}
