#include "fs/remote/push_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/page.h"
#include "fs/remote/push_pack.h"

/* A page to be read where it lies. */
struct push_todo {
	struct push_todo *next;
	struct id id;
	struct locator at;
	size_t from; /* the pack of the page that names it; SIZE_MAX: a root */
};

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
		error = push_pack_settle(plan, from, RECORD_CHUNK, id, &at, &number);
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
		error = push_pack_settle(plan, todo->from, RECORD_PAGE, &todo->id, &at, &number);
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

/* What is known of the pack ID there, asked for once; NULL without memory. */
static struct push_asked *asked_of(struct push_plan *plan, const struct pack_id *id)
{
	struct push_asked *more;

	for (size_t i = 0; i < plan->asked_count; i++) {
		if (pack_id_equal(&plan->asked[i].id, id))
			return &plan->asked[i];
	}
	if (plan->asked_count == plan->asked_room) {
		size_t room = plan->asked_room ? 2 * plan->asked_room : 16;

		more = reallocarray(plan->asked, room, sizeof(*more));
		if (!more)
			return NULL;
		plan->asked = more;
		plan->asked_room = room;
	}
	more = &plan->asked[plan->asked_count];
	*more = (struct push_asked){.id = *id, .error = 1};
	plan->asked_count++;
	return more;
}

/* How much of the pack ID is there that may be relied on, *BYTES: 0 where it is not.  0 or -errno. */
static int size_there(struct push_plan *plan, const struct pack_id *id, uint64_t *bytes)
{
	struct push_asked *asked = asked_of(plan, id);
	char path[REMOTE_PATH_SIZE];
	struct remote_stat there;
	uint64_t here;

	if (!asked)
		return -ENOMEM;
	if (asked->error == 1) {
		int error = remote_condemned_has_pack(plan->condemned, id) ? -ENOENT : 0;

		if (!error)
			error =
			    remote_stat(remote_store_remote(plan->to), remote_store_pack_path(id, "", path), &there);
		if (!error) {
			int differs = push_pack_differs(plan, id, there.size, &here);

			asked->bytes = differs ? 0 : there.size;
			error = differs < 0 ? differs : 0;
		}
		asked->error = error == -ENOENT ? 0 : error;
	}
	*bytes = asked->bytes;
	return asked->error;
}

/* Whether the remote's moved file leads to a pack that is there and has the record: one that a killed push left may
 * lead to none, and packs may be cut off.  1, 0 or -errno. */
static int is_moved_there(struct push_plan *plan, const struct push_pack *pack, const struct pack_entry *entry)
{
	const struct moved_entry *moved = moved_lookup(pack->moved, pack->moved_count, entry->offset);
	uint64_t bytes = 0;
	int error = moved ? size_there(plan, &moved->now.pack, &bytes) : 0;
	struct id key;

	if (error || !moved || locator_end(&moved->now) > bytes)
		return error;
	key = place_key(&(struct locator){.pack = moved->now.pack});
	error = id_set_add(&plan->present, &key);
	return error < 0 ? error : 1;
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
	return id_set_has(&plan->present, &key) || push_pack_is_met(plan, &item->pack);
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
	free(plan->asked);
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
