#include "cache/id_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 1024

/* Ids are hashes already.  Two parts of them, so that the place in the table says nothing of the key kept there. */
static uint64_t word_of(const struct id *id, unsigned part)
{
	uint64_t word;
	memcpy(&word, id->bytes + 8 * part, sizeof(word));
	return word;
}

/* Where ID is or would go. */
static size_t place_of(const struct id_set *set, const struct id *id)
{
	size_t at = (size_t)word_of(id, 1) & (set->size - 1);
	while (set->used[at] && !id_equal(&set->slots[at], id))
		at = (at + 1) & (set->size - 1);
	return at;
}

static int id_set_grow(struct id_set *set)
{
	struct id_set larger = {.size = set->size ? set->size * 2 : SIZE_FIRST, .count = set->count};
	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	larger.used = calloc(larger.size, 1);
	if (!larger.slots || !larger.used) {
		id_set_release(&larger);
		return -ENOMEM;
	}
	for (size_t i = 0; i < set->size; i++) {
		if (!set->used[i])
			continue;
		size_t at = place_of(&larger, &set->slots[i]);
		larger.slots[at] = set->slots[i];
		larger.used[at] = 1;
	}
	id_set_release(set);
	*set = larger;
	return 0;
}

int id_set_add(struct id_set *set, const struct id *id)
{
	if (set->count >= set->size / 2) {
		int r = id_set_grow(set);
		if (r < 0)
			return r;
	}
	size_t at = place_of(set, id);
	if (set->used[at])
		return 0;
	set->slots[at] = *id;
	set->used[at] = 1;
	set->count++;
	return 1;
}

bool id_set_has(const struct id_set *set, const struct id *id)
{
	return set->count > 0 && set->used[place_of(set, id)];
}

void id_set_release(struct id_set *set)
{
	free(set->slots);
	free(set->used);
	*set = (struct id_set){0};
}

static uint64_t key_of(const struct id *id)
{
	uint64_t key = word_of(id, 0);
	return key ? key : 1;
}

static size_t key_place_of(const uint64_t *slots, size_t size, uint64_t key)
{
	/* Fibonacci hashing: a key's place follows from all its bits, which are those of a hash anyway. */
	size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 20) & (size - 1);
	while (slots[at] != 0 && slots[at] != key)
		at = (at + 1) & (size - 1);
	return at;
}

static int key_set_grow(struct key_set *set)
{
	size_t size = set->size ? set->size * 2 : SIZE_FIRST;
	uint64_t *slots = calloc(size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < set->size; i++) {
		if (set->slots[i] != 0)
			slots[key_place_of(slots, size, set->slots[i])] = set->slots[i];
	}
	free(set->slots);
	set->slots = slots;
	set->size = size;
	return 0;
}

int key_set_add(struct key_set *set, const struct id *id)
{
	uint64_t key = key_of(id);
	if (set->count >= set->size / 2) {
		int r = key_set_grow(set);
		if (r < 0)
			return r;
	}
	size_t at = key_place_of(set->slots, set->size, key);
	if (set->slots[at] != 0)
		return 0;
	set->slots[at] = key;
	set->count++;
	return 1;
}

bool key_set_has(const struct key_set *set, const struct id *id)
{
	uint64_t key = key_of(id);
	return set->count > 0 && set->slots[key_place_of(set->slots, set->size, key)] != 0;
}

void key_set_release(struct key_set *set)
{
	free(set->slots);
	*set = (struct key_set){0};
}
