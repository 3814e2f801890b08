#include "fs/remote/push_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/shelf.h"
#include "fs/page.h"

/* A page to be read where it lies. */
struct push_todo {
	struct push_todo *next;
	struct id id;
	struct locator at;
	size_t from; /* the pack of the page that names it; SIZE_MAX: a root */
};

int push_read_moved(struct remote_store *to, const struct pack_id *pack, struct moved_entry **entries, size_t *count)
{
	int error;

	*entries = NULL;
	*count = 0;
	error = remote_store_read_moved(to, pack, entries, count);
	return error == -ENOENT || error == -EBADMSG || error == -ENOTSUP ? 0 : error;
}

/* --- packs --- */

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

/* The pack ID is needed and is not to be relied on. */
static int refuse_pack(struct push_plan *plan, const struct pack_id *id)
{
	plan->needed = (struct condemned){.pack = *id};
	return -EBUSY;
}

/* Whether all packs that the moved file of ID there leads to may be relied on. */
static int check_moved(struct push_plan *plan, const struct pack_id *id)
{
	struct moved_entry *entries;
	size_t count;
	int error;

	if (!plan->condemned || !plan->condemned->items_count)
		return 0;
	error = push_read_moved(plan->to, id, &entries, &count);
	for (size_t i = 0; i < count && !error; i++) {
		if (remote_condemned_has_pack(plan->condemned, &entries[i].now.pack))
			error = refuse_pack(plan, &entries[i].now.pack);
	}
	free(entries);
	return error;
}

/* Whether the pack ID is here, and has another size than THERE_BYTES: *BYTES.  1, 0, -ENOMEM. */
static int differs(struct push_plan *plan, const struct pack_id *id, uint64_t there_bytes, uint64_t *bytes)
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
	int answer = differs(plan, &pack->id, there_bytes, &pack->bytes);

	pack->there_bytes = there_bytes;
	if (answer <= 0)
		return answer;
	pack->how = PUSH_WHOLE;
	pack->replaces = true;
	return 0;
}

/* Learn how a pack that was met for the first time stands there and here. */
static int look_at(struct push_plan *plan, struct push_pack *pack)
{
	char path[REMOTE_PATH_SIZE];
	struct remote_stat there;
	struct pack *open;
	int error = -ENOENT;

	pack->condemned = remote_condemned_has_pack(plan->condemned, &pack->id);
	if (!plan->to_nothing && !pack->condemned)
		error = remote_stat(remote_store_remote(plan->to), remote_store_pack_path(&pack->id, "", path), &there);
	if (!error)
		return found_there(plan, pack, there.size);
	if (error != -ENOENT)
		return error;
	pack->there_bytes = UINT64_MAX;
	error = plan->store ? store_pin_pack(plan->store, &pack->id, &open) : -ENOENT;
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
	if (!error && pack->how == PUSH_MOVED) {
		pack->followed = calloc(pack->moved_count + 1, sizeof(*pack->followed));
		return pack->followed ? 0 : -ENOMEM;
	}
	/* It was repacked by somebody else, who brought what it became. */
	if (error == -ENOENT && !plan->to_nothing) {
		error = remote_stat(remote_store_remote(plan->to), remote_store_pack_path(&pack->id, ".moved", path),
		                    &there);
		pack->how = PUSH_THERE;
		if (!error)
			error = check_moved(plan, &pack->id);
	}
	if (error == -ENOENT && pack->condemned)
		return refuse_pack(plan, &pack->id);
	if (error == -ENOENT) {
		plan->missing = pack->id;
		plan->has_missing = true;
		error = -ENODATA;
	}
	return error;
}

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

/*
 * Follow AT to the pack that has the record now, through those that were repacked here; FROM needs all of them.
 * *NUMBER is the last one's, which may be there already.
 */
static int settle(struct push_plan *plan, size_t from, struct locator *at, size_t *number)
{
	for (unsigned hop = 0; hop <= MOVED_HOPS_MAX; hop++) {
		const struct moved_entry *entry;
		const struct push_pack *pack;
		int error = find_pack(plan, &at->pack, number);

		if (!error)
			error = add_below(plan, from, *number);
		if (error)
			return error;
		pack = &plan->packs[*number];
		if (pack->how == PUSH_THERE && (uint64_t)at->offset + at->stored_len > pack->there_bytes) {
			plan->cut = pack->id;
			plan->has_cut = true;
			return -ENODATA;
		}
		if (pack->how != PUSH_MOVED)
			return 0;
		entry = moved_lookup(pack->moved, pack->moved_count, at->offset);
		if (!entry)
			break;
		pack->followed[entry - pack->moved] = true;
		from = *number;
		*at = entry->now;
	}
	plan->missing = at->pack;
	plan->has_missing = true;
	return -ENODATA;
}

/* --- pages --- */

static int push_todo(struct push_plan *plan, const struct id *id, const struct locator *at, size_t from)
{
	struct push_todo *todo = malloc(sizeof(*todo));

	if (!todo)
		return -ENOMEM;
	*todo = (struct push_todo){.next = plan->todo, .id = *id, .at = *at, .from = from};
	plan->todo = todo;
	return 0;
}

/* Where a record of which a page does not say where it lies, or a root, is here. */
static int locate(struct push_plan *plan, unsigned kind, const struct id *id, struct locator *at)
{
	int error;

	if (at->offset)
		return 0;
	error = plan->store ? store_find(plan->store, kind, id, at, NULL) : -ENOENT;
	return error == -ENOENT ? -ENODATA : error;
}

static int take_chunk(struct push_plan *plan, const struct id *id, const struct locator *hint, size_t from)
{
	struct locator at = *hint;
	size_t number;
	int error;

	if (plan->have && id_set_has(&plan->have->exact_chunks, id))
		return 0;
	error = locate(plan, RECORD_CHUNK, id, &at);
	if (!error)
		error = settle(plan, from, &at, &number);
	if (!error)
		error = key_set_add(&plan->chunks, id);
	if (error >= 0 && plan->exact)
		error = id_set_add(&plan->exact_chunks, id);
	return error < 0 ? error : 0;
}

/* What item I of PAGE names, which lies in pack FROM.  What one of a later version names, nobody here can tell. */
static int take_named(struct push_plan *plan, const struct page *page, unsigned i, size_t from)
{
	struct page_named named;

	page_named(page, i, &named);
	switch (named.what) {
	case NAMES_PAGE:
		return push_todo(plan, &named.id, &named.locator, from);
	case NAMES_CHUNK:
		return take_chunk(plan, &named.id, &named.locator, from);
	case NAMES_UNKNOWN:
		return -ENOTSUP;
	case NAMES_NOTHING:
		break;
	}
	return 0;
}

static int take_page(struct push_plan *plan, const struct id *id, const struct record *record, size_t from)
{
	struct page *page;
	size_t size;
	int error = page_decode(id, record, &page, &size);

	if (error)
		return error;
	for (unsigned i = page->count; i > 0 && !error; i--)
		error = take_named(plan, page, i - 1, from);
	free(page);
	return error;
}

/* A name for the place AT among those that were seen. */
static struct id place_key(const struct locator *at)
{
	struct id key = {0};

	memcpy(key.bytes, at->pack.bytes, PACK_ID_SIZE);
	memcpy(key.bytes + PACK_ID_SIZE, &at->offset, sizeof(at->offset));
	return key;
}

static int visit(struct push_plan *plan, const struct push_todo *todo)
{
	struct locator at = todo->at;
	struct record record;
	struct id key;
	size_t number;
	int error;

	if (plan->have && id_set_has(&plan->have->pages, &todo->id))
		return 0;
	error = locate(plan, RECORD_PAGE, &todo->id, &at);
	if (!error)
		error = settle(plan, todo->from, &at, &number);
	if (error)
		return error;
	if (plan->packs[number].how == PUSH_THERE)
		return 0;
	key = place_key(&at);
	error = id_set_add(&plan->seen, &key);
	if (error <= 0)
		return error;
	error = id_set_add(&plan->pages, &todo->id);
	if (error >= 0)
		error = store_read_copy(plan->store, RECORD_PAGE, &todo->id, &at, &record);
	if (error)
		return error == -ENOENT ? -ENODATA : error;
	error = take_page(plan, &todo->id, &record, number);
	free(record.data);
	return error;
}

static int visit_all(struct push_plan *plan)
{
	struct push_todo *todo;
	int error = 0;

	while ((todo = plan->todo)) {
		plan->todo = todo->next;
		if (!error)
			error = visit(plan, todo);
		free(todo);
	}
	return error;
}

/* --- roots --- */

/* The bytes of the root file here, made where only its page is. */
static int read_root_file(struct push_plan *plan, const struct id *id, struct push_root *root)
{
	char path[REMOTE_PATH_SIZE];
	struct record record;
	int error;

	if (!plan->store)
		return -ENOENT;
	error = store_read_root(plan->store, id, &record);
	if (error == -ENOENT || error == -EBADMSG) {
		error = store_read(plan->store, RECORD_PAGE, id, NULL, &record);
		if (!error)
			error = store_put_root(plan->store, id, record.data, record.len, record.hashed_len);
	}
	if (error)
		return error;
	free(record.data);
	return io_read_file(store_io(plan->store), store_dirfd(plan->store), remote_store_root_path(id, path),
	                    STORE_ROOT_FILE_MAX, &root->file, &root->len);
}

/* The file's own tail is a reader's first: what it names must be there as well as what the page in its pack does. */
static int take_root_file(struct push_plan *plan, const struct push_root *root)
{
	static const struct locator unknown;
	struct record record;
	int error = store_decode_root(root->file, root->len, &root->id, &record);

	if (error)
		return error;
	error = take_page(plan, &root->id, &record, SIZE_MAX);
	free(record.data);
	return error ? error : push_todo(plan, &root->id, &unknown, SIZE_MAX);
}

int push_plan_root(struct push_plan *plan, const struct pointer *pointer)
{
	char path[REMOTE_PATH_SIZE];
	struct push_root root = {.id = pointer->root};
	struct remote_stat there;
	int error = id_set_add(&plan->known_roots, &pointer->root);

	if (error <= 0)
		return error;
	if (plan->have && id_set_has(&plan->have->known_roots, &pointer->root))
		return 0;
	if (remote_condemned_has_root(plan->condemned, &root.id)) {
		plan->needed = (struct condemned){.is_root = true, .root = root.id};
		return -EBUSY;
	}
	if (plan->roots_count == plan->roots_room) {
		size_t room = plan->roots_room ? 2 * plan->roots_room : 64;
		struct push_root *roots = reallocarray(plan->roots, room, sizeof(*roots));

		if (!roots)
			return -ENOMEM;
		plan->roots = roots;
		plan->roots_room = room;
	}
	error = read_root_file(plan, &root.id, &root);
	if (error == -ENOENT) {
		/* What only remotes have was put there by somebody who saw to what it names. */
		if (!plan->to_nothing)
			error =
			    remote_stat(remote_store_remote(plan->to), remote_store_root_path(&root.id, path), &there);
		if (error)
			return error == -ENOENT ? -ENODATA : error;
	} else if (!error) {
		error = take_root_file(plan, &root);
	}
	if (!error)
		error = visit_all(plan);
	if (error) {
		free(root.file);
		return error;
	}
	plan->roots[plan->roots_count++] = root;
	return 0;
}

/* --- what becomes of each pack --- */

static bool is_reachable(const struct push_plan *plan, const struct pack_entry *entry)
{
	return entry->kind == RECORD_PAGE ? id_set_has(&plan->pages, &entry->id)
	                                  : key_set_has(&plan->chunks, &entry->id);
}

/* Whether the remote has the pack ID, or says where its records went.  1, 0 or -errno; each is asked for once. */
static int is_there(struct push_plan *plan, const struct pack_id *id)
{
	char path[REMOTE_PATH_SIZE];
	struct remote_stat there;
	const struct id key = place_key(&(struct locator){.pack = *id});
	uint64_t bytes;
	int error = id_set_add(&plan->asked, &key);

	if (error <= 0)
		return error < 0 ? error : id_set_has(&plan->present, &key);
	if (remote_condemned_has_pack(plan->condemned, id))
		return 0;
	error = remote_stat(remote_store_remote(plan->to), remote_store_pack_path(id, "", path), &there);
	if (!error && differs(plan, id, there.size, &bytes) > 0)
		return 0;
	if (error == -ENOENT)
		error = remote_stat(remote_store_remote(plan->to), remote_store_pack_path(id, ".moved", path), &there);
	if (error)
		return error == -ENOENT ? 0 : error;
	error = id_set_add(&plan->present, &key);
	return error < 0 ? error : 1;
}

/* Whether the remote's moved file leads to a pack that is there: one that a killed push left may not. */
static int is_moved_there(struct push_plan *plan, const struct push_pack *pack, const struct pack_entry *entry)
{
	const struct moved_entry *moved = moved_lookup(pack->moved, pack->moved_count, entry->offset);

	return moved ? is_there(plan, &moved->now.pack) : 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct pack_entry *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Nothing leaks that was never published: what is not reachable stays here. */
static int decide(struct push_plan *plan, struct push_pack *pack)
{
	struct pack_entry *entries = NULL;
	uint64_t bytes = 0;
	size_t all, reachable = 0, kept = 0;
	struct pack *open;
	int error;

	/* It was published. */
	if (pack->replaces)
		return 0;
	error = store_pin_pack(plan->store, &pack->id, &open);
	if (error)
		return error;
	all = pack_count(open);
	error = pack_read_index(open, &entries);
	store_unpin_pack(plan->store, open);
	if (error)
		return error;
	for (size_t i = 0; i < all && error >= 0; i++) {
		if (!is_reachable(plan, &entries[i]))
			continue;
		reachable++;
		error = is_moved_there(plan, pack, &entries[i]);
		if (error)
			continue;
		bytes += entries[i].stored_len;
		entries[kept++] = entries[i];
	}
	if (error < 0 || (reachable == all && !pack->moved_count && !pack->condemned)) {
		free(entries);
		return error < 0 ? error : 0;
	}
	if (kept)
		qsort(entries, kept, sizeof(*entries), compare_entries);
	pack->how = kept ? PUSH_PART : PUSH_THERE;
	pack->bytes = bytes;
	pack->keep = entries;
	pack->keep_count = kept;
	return 0;
}

/* A step of the way down: a pack, and which of those below it comes next. */
struct step {
	size_t number;
	size_t next;
};

/* Put NUMBER behind everything below it.  Rings, which only packs that went in circles could make, are cut. */
static void order_from(struct push_plan *plan, size_t number, bool *met, struct step *steps, size_t *ordered)
{
	size_t depth = 0;

	if (met[number])
		return;
	met[number] = true;
	steps[depth++] = (struct step){number, 0};
	while (depth) {
		struct step *step = &steps[depth - 1];
		const struct push_pack *pack = &plan->packs[step->number];

		if (step->next < pack->below_count) {
			size_t below = pack->below[step->next++];

			if (!met[below]) {
				met[below] = true;
				steps[depth++] = (struct step){below, 0};
			}
		} else {
			plan->order[(*ordered)++] = step->number;
			depth--;
		}
	}
}

int push_plan_finish(struct push_plan *plan)
{
	bool *met = calloc(plan->packs_count + 1, sizeof(*met));
	struct step *steps = calloc(plan->packs_count + 1, sizeof(*steps));
	size_t ordered = 0;
	int error = 0;

	plan->order = calloc(plan->packs_count + 1, sizeof(*plan->order));
	if (!met || !steps || !plan->order)
		error = -ENOMEM;
	for (size_t i = 0; i < plan->packs_count && !error; i++) {
		if (plan->packs[i].how == PUSH_WHOLE)
			error = decide(plan, &plan->packs[i]);
	}
	for (size_t i = 0; i < plan->packs_count && !error; i++)
		order_from(plan, i, met, steps, &ordered);
	free(met);
	free(steps);
	return error;
}

static bool is_relied_on(const struct push_plan *plan, const struct condemned *item)
{
	struct id key;

	if (item->is_root)
		return id_set_has(&plan->known_roots, &item->root);
	key = place_key(&(struct locator){.pack = item->pack});
	return id_set_has(&plan->present, &key) ||
	       (plan->slots_size && *slot_of(plan, plan->slots, plan->slots_size, &item->pack));
}

int push_plan_made(struct push_plan *plan, const struct pack_id *id)
{
	const struct id key = place_key(&(struct locator){.pack = *id});
	int error = id_set_add(&plan->present, &key);

	return error < 0 ? error : 0;
}

bool push_plan_is_hit(const struct push_plan *plan, const struct remote_condemned *fresh)
{
	for (size_t i = 0; i < fresh->items_count; i++) {
		const struct condemned *item = &fresh->items[i];

		if (plan->condemned && remote_condemned_find(plan->condemned, item))
			continue;
		if (is_relied_on(plan, item))
			return true;
	}
	return false;
}

void push_plan_release(struct push_plan *plan)
{
	for (size_t i = 0; i < plan->packs_count; i++) {
		free(plan->packs[i].keep);
		free(plan->packs[i].moved);
		free(plan->packs[i].followed);
		free(plan->packs[i].below);
	}
	while (plan->todo) {
		struct push_todo *next = plan->todo->next;

		free(plan->todo);
		plan->todo = next;
	}
	id_set_release(&plan->asked);
	id_set_release(&plan->present);
	for (size_t i = 0; i < plan->roots_count; i++)
		free(plan->roots[i].file);
	free(plan->packs);
	free(plan->slots);
	free(plan->order);
	free(plan->roots);
	id_set_release(&plan->seen);
	id_set_release(&plan->pages);
	id_set_release(&plan->known_roots);
	key_set_release(&plan->chunks);
	id_set_release(&plan->exact_chunks);
}
