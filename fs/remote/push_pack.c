#include "fs/remote/push_pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int push_read_moved(struct remote_store *to, const struct pack_id *pack, struct moved_entry **entries, size_t *count)
{
	int error;

	*entries = NULL;
	*count = 0;
	error = remote_store_read_moved(to, pack, entries, count);
	return error == -ENOENT || error == -EBADMSG ? 0 : error;
}

/* Let pack BELOW be there before pack ABOVE. */
static int add_below(struct push_plan *plan, size_t above, size_t below)
{
	struct push_pack *pack;
	size_t *more;

	if (above == SIZE_MAX || above == below)
		return 0;
	pack = &plan->packs[above];
	for (size_t i = pack->below_count; i > 0; i--) {
		if (pack->below[i - 1] == below)
			return 0;
	}
	more = reallocarray(pack->below, pack->below_count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	pack->below = more;
	pack->below[pack->below_count++] = below;
	return 0;
}

/* --- how a pack stands --- */

int push_pack_differs(struct push_plan *plan, const struct pack_id *id, uint64_t there_bytes, uint64_t *bytes)
{
	struct pack *open;
	int error = plan->store ? store_pin_pack(plan->store, id, &open) : -ENOENT;

	/* Ours is not here, or is the one that is damaged. */
	if (error)
		return error == -ENOMEM ? error : 0;
	*bytes = pack_size(open);
	store_unpin_pack(plan->store, open);
	return *bytes != there_bytes;
}

/* The pack is there, of THERE_BYTES. */
static int found_there(struct push_plan *plan, struct push_pack *pack, uint64_t there_bytes)
{
	int answer = push_pack_differs(plan, &pack->id, there_bytes, &pack->bytes);

	pack->there_bytes = there_bytes;
	if (answer <= 0)
		return answer;
	pack->how = PUSH_WHOLE;
	pack->replaces = true;
	return 0;
}

/* It is here, or was repacked here.  -ENOENT where it was not. */
static int look_here(struct push_plan *plan, struct push_pack *pack)
{
	struct pack *open;
	int error = plan->store ? store_pin_pack(plan->store, &pack->id, &open) : -ENOENT;

	if (!error) {
		pack->how = PUSH_WHOLE;
		pack->bytes = pack_size(open);
		store_unpin_pack(plan->store, open);
		return plan->to_nothing ? 0 : push_read_moved(plan->to, &pack->id, &pack->moved, &pack->moved_count);
	}
	if (error == -ENOENT && plan->store) {
		pack->how = PUSH_MOVED;
		error = store_read_moved(plan->store, &pack->id, &pack->moved, &pack->moved_count);
	}
	return error;
}

/* Learn how a pack that was met for the first time stands there and here. */
static int look_at(struct push_plan *plan, struct push_pack *pack)
{
	char path[REMOTE_PATH_SIZE];
	struct remote_stat there;
	int error = -ENOENT;

	pack->condemned = remote_condemned_has_pack(plan->condemned, &pack->id);
	if (!plan->to_nothing && !pack->condemned)
		error = remote_stat(remote_store_remote(plan->to), remote_store_pack_path(&pack->id, "", path), &there);
	if (!error)
		return found_there(plan, pack, there.size);
	if (error != -ENOENT)
		return error;
	pack->there_bytes = UINT64_MAX;
	error = look_here(plan, pack);
	if (error == -ENOENT) {
		/* Repacked by somebody else, who brought what it became, as far as that is said there. */
		pack->how = PUSH_MOVED;
		pack->is_said = true;
		error = plan->to_nothing ? 0 : push_read_moved(plan->to, &pack->id, &pack->moved, &pack->moved_count);
	}
	if (error || pack->how != PUSH_MOVED)
		return error;
	pack->followed = calloc(pack->moved_count + 1, sizeof(*pack->followed));
	return pack->followed ? 0 : -ENOMEM;
}

/* --- the table --- */

/* The slot of the pack ID, or the free one where it belongs.  Ids are random. */
static size_t *slot_of(const struct push_plan *plan, size_t *slots, size_t size, const struct pack_id *id)
{
	uint64_t hash;
	size_t at;

	memcpy(&hash, id->bytes, sizeof(hash));
	at = (size_t)hash & (size - 1);
	while (slots[at] && !pack_id_equal(&plan->packs[slots[at] - 1].id, id))
		at = (at + 1) & (size - 1);
	return &slots[at];
}

static int grow_slots(struct push_plan *plan)
{
	size_t size = plan->slots_size ? 2 * plan->slots_size : 256;
	size_t *slots = calloc(size, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < plan->packs_count; i++)
		*slot_of(plan, slots, size, &plan->packs[i].id) = i + 1;
	free(plan->slots);
	plan->slots = slots;
	plan->slots_size = size;
	return 0;
}

/* The number of the pack ID, looked at where it is new. */
static int find_pack(struct push_plan *plan, const struct pack_id *id, size_t *number)
{
	size_t *slot;
	int error;

	if (2 * (plan->packs_count + 1) > plan->slots_size && grow_slots(plan))
		return -ENOMEM;
	slot = slot_of(plan, plan->slots, plan->slots_size, id);
	if (*slot) {
		*number = *slot - 1;
		return 0;
	}
	if (plan->packs_count == plan->packs_room) {
		size_t room = plan->packs_room ? 2 * plan->packs_room : 64;
		struct push_pack *packs = reallocarray(plan->packs, room, sizeof(*packs));

		if (!packs)
			return -ENOMEM;
		plan->packs = packs;
		plan->packs_room = room;
	}
	plan->packs[plan->packs_count] = (struct push_pack){.id = *id};
	error = look_at(plan, &plan->packs[plan->packs_count]);
	if (error) {
		free(plan->packs[plan->packs_count].moved);
		free(plan->packs[plan->packs_count].followed);
		return error;
	}
	*number = plan->packs_count++;
	*slot = *number + 1;
	return 0;
}

bool push_pack_is_met(const struct push_plan *plan, const struct pack_id *id)
{
	return plan->slots_size && *slot_of(plan, plan->slots, plan->slots_size, id);
}

/* --- records --- */

/* Let PACK, which is gone, be said to have had at OFFSET what lies at NOW. */
static int insert_moved(struct push_pack *pack, uint32_t offset, const struct locator *now)
{
	const size_t count = pack->moved_count;
	struct moved_entry *moved = reallocarray(pack->moved, count + 1, sizeof(*moved));
	bool *followed;
	size_t at = count;

	if (!moved)
		return -ENOMEM;
	pack->moved = moved;
	followed = reallocarray(pack->followed, count + 1, sizeof(*followed));
	if (!followed)
		return -ENOMEM;
	pack->followed = followed;
	while (at && moved[at - 1].old_offset > offset)
		at--;
	memmove(moved + at + 1, moved + at, (count - at) * sizeof(*moved));
	memmove(followed + at + 1, followed + at, (count - at) * sizeof(*followed));
	moved[at] = (struct moved_entry){.old_offset = offset, .now = *now};
	followed[at] = true;
	pack->moved_count++;
	return 0;
}

/* PACK is gone, and nothing says where it had at AT what (KIND, ID) is: *AT becomes where that is here. */
static int find_here(struct push_plan *plan, struct push_pack *pack, unsigned kind, const struct id *id,
                     struct locator *at)
{
	struct locator now;
	int error = plan->store ? store_find(plan->store, kind, id, &now, NULL) : -ENOENT;

	if (error == -ENOENT && pack->condemned) {
		plan->needed = (struct condemned){.pack = pack->id};
		return -EBUSY;
	}
	if (error == -ENOENT) {
		plan->missing = pack->id;
		plan->has_missing = true;
		return -ENODATA;
	}
	if (!error)
		error = insert_moved(pack, at->offset, &now);
	if (!error)
		*at = now;
	return error;
}

int push_pack_settle(struct push_plan *plan, size_t from, unsigned kind, const struct id *id, struct locator *at,
                     size_t *number)
{
	for (unsigned hop = 0; hop <= MOVED_HOPS_MAX; hop++) {
		const struct moved_entry *entry;
		struct push_pack *pack;
		int error = find_pack(plan, &at->pack, number);

		if (!error)
			error = add_below(plan, from, *number);
		if (error)
			return error;
		pack = &plan->packs[*number];
		if (pack->how == PUSH_THERE && locator_end(at) > pack->there_bytes) {
			plan->cut = pack->id;
			plan->has_cut = true;
			return -ENODATA;
		}
		if (pack->how != PUSH_MOVED)
			return 0;
		from = *number;
		entry = moved_lookup(pack->moved, pack->moved_count, at->offset);
		if (entry) {
			pack->followed[entry - pack->moved] |= !pack->is_said;
			*at = entry->now;
		} else {
			error = find_here(plan, pack, kind, id, at);
			if (error)
				return error;
		}
	}
	plan->missing = at->pack;
	plan->has_missing = true;
	return -ENODATA;
}
