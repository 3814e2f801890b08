#include "fs/remote/lack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

/* A page to be read. */
struct lack_todo {
	struct lack_todo *next;
	struct id id;
	struct locator at;
};

/* Of two errors the first. */
static int first_of(int error, int later)
{
	return error ? error : later;
}

/* --- packs of the remotes --- */

/* Which remotes have the pack; else where they say that it went. */
static void look_for(struct lack *lack, struct lack_pack *pack)
{
	char path[REMOTE_PATH_SIZE];
	int error = 0;

	remote_store_pack_path(&pack->id, "", path);
	for (size_t i = 0; i < lack->stores_count && i < LACK_STORES_MAX; i++) {
		struct remote_stat st = {0};
		int r = remote_store_check(lack->stores[i]);

		if (!r)
			r = remote_stat(remote_store_remote(lack->stores[i]), path, &st);
		if (!r) {
			pack->stores |= UINT64_C(1) << i;
			pack->bytes = st.size;
		} else if (r != -ENOENT) {
			error = r;
		}
	}
	for (size_t i = 0; i < lack->stores_count && !pack->stores && !pack->moved; i++) {
		int r = remote_store_read_moved(lack->stores[i], &pack->id, &pack->moved, &pack->moved_count);

		if (r)
			pack->moved = NULL;
		if (r && r != -ENOENT)
			error = r;
	}
	if (!pack->stores && !pack->moved)
		pack->error = error ? error : -ENODATA;
}

/* The slot of the pack ID, or the free one where it belongs.  Ids are random. */
static size_t *slot_of(const struct lack *lack, size_t *slots, size_t size, const struct pack_id *id)
{
	uint64_t hash;
	size_t at;

	memcpy(&hash, id->bytes, sizeof(hash));
	at = (size_t)hash & (size - 1);
	while (slots[at] && !pack_id_equal(&lack->packs[slots[at] - 1].id, id))
		at = (at + 1) & (size - 1);
	return &slots[at];
}

static int grow(struct lack *lack)
{
	size_t room = lack->packs_room ? 2 * lack->packs_room : 64, size = 4 * room;
	struct lack_pack *packs = reallocarray(lack->packs, room, sizeof(*packs));
	size_t *slots;

	if (!packs)
		return -ENOMEM;
	lack->packs = packs;
	slots = calloc(size, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < lack->packs_count; i++)
		*slot_of(lack, slots, size, &packs[i].id) = i + 1;
	free(lack->slots);
	lack->slots = slots;
	lack->slots_size = size;
	lack->packs_room = room;
	return 0;
}

/* The pack ID, looked for where it is new; NULL where memory is short. */
static struct lack_pack *find_pack(struct lack *lack, const struct pack_id *id)
{
	size_t *slot;

	if (lack->packs_count == lack->packs_room && grow(lack))
		return NULL;
	slot = slot_of(lack, lack->slots, lack->slots_size, id);
	if (!*slot) {
		lack->packs[lack->packs_count] = (struct lack_pack){.id = *id};
		look_for(lack, &lack->packs[lack->packs_count]);
		*slot = ++lack->packs_count;
	}
	return &lack->packs[*slot - 1];
}

/* What lies at AT is lacking: note the pack that it is in now. */
static int want(struct lack *lack, const struct locator *at, bool is_page)
{
	struct locator here = *at;

	if (!lack->fetch || !here.offset)
		return -ENODATA;
	for (unsigned hop = 0; hop <= MOVED_HOPS_MAX; hop++) {
		struct lack_pack *pack = find_pack(lack, &here.pack);
		const struct moved_entry *entry;

		if (!pack)
			return -ENOMEM;
		if (pack->stores) {
			pack->wanted_bytes += RECORD_HEADER_SIZE + (uint64_t)here.stored_len;
			pack->pages |= is_page;
			return 0;
		}
		if (pack->error)
			return pack->error;
		entry = moved_lookup(pack->moved, pack->moved_count, here.offset);
		if (!entry)
			break;
		here = entry->now;
	}
	return -ENODATA;
}

/* --- records --- */

static int is_it(void *arg, const struct locator *at)
{
	(void)arg;
	(void)at;
	return 0;
}

static int take_chunk(struct lack *lack, const struct id *id, const struct locator *at)
{
	int r = key_set_add(&lack->chunks, id);

	if (r <= 0)
		return r;
	r = lack->store ? store_each_copy(lack->store, RECORD_CHUNK, id, is_it, NULL) : -ENOENT;
	return r == -ENOENT ? want(lack, at, false) : r;
}

/* Read a page here; else there, and want it. */
static int read_page(struct lack *lack, const struct id *id, const struct locator *at, struct page **page)
{
	struct record record;
	size_t size;
	int r = lack->store ? store_read(lack->store, RECORD_PAGE, id, at, &record) : -ENOENT;

	if (r == -ENOENT) {
		r = want(lack, at, true);
		if (!r)
			r = fetch_read(lack->fetch, RECORD_PAGE, id, at, &record);
	}
	if (r)
		return r == -ENOENT ? -ENODATA : r;
	r = page_decode(id, &record, page, &size);
	free(record.data);
	return r;
}

static int push(struct lack *lack, const struct id *id, const struct locator *at)
{
	struct lack_todo *todo;

	if (id_set_has(&lack->pages, id))
		return 0;
	todo = malloc(sizeof(*todo));
	if (!todo)
		return -ENOMEM;
	*todo = (struct lack_todo){.next = lack->todo, .id = *id, .at = *at};
	lack->todo = todo;
	return 0;
}

/* What entry or reference I of PAGE names.  What one of a later version names, nobody here can tell. */
static int take_named(struct lack *lack, const struct page *page, unsigned i)
{
	struct page_named named;

	page_named(page, i, &named);
	switch (named.what) {
	case NAMES_PAGE:
		return push(lack, &named.id, &named.locator);
	case NAMES_CHUNK:
		return take_chunk(lack, &named.id, &named.locator);
	case NAMES_UNKNOWN:
		return -ENOTSUP;
	case NAMES_NOTHING:
		break;
	}
	return 0;
}

/* What can't be gone on from. */
static bool ends_all(int error)
{
	return error == -ENOMEM || error == -EINTR;
}

/* All that PAGE names; its pages are to be read. */
static int take_page(struct lack *lack, const struct page *page)
{
	int error = id_set_add(&lack->pages, &page->id) < 0 ? -ENOMEM : 0;

	for (unsigned i = page->count; i > 0 && !ends_all(error); i--)
		error = first_of(error, take_named(lack, page, i - 1));
	return error;
}

/* Read the pages that are to be read, and those that they name. */
static int take_todo(struct lack *lack)
{
	struct lack_todo *todo;
	int error = 0;

	while ((todo = lack->todo)) {
		struct page *page;
		int r = 0;

		lack->todo = todo->next;
		if (interrupt_pending())
			error = -EINTR;
		if (!ends_all(error) && !id_set_has(&lack->pages, &todo->id)) {
			r = read_page(lack, &todo->id, &todo->at, &page);
			if (!r) {
				r = take_page(lack, page);
				free(page);
			}
			error = ends_all(r) ? r : first_of(error, r);
		}
		free(todo);
	}
	return error;
}

/* --- parts --- */

/* The root's page, from its file here, else from a pack here, else from there. */
static int read_root(struct lack *lack, struct lack_part *part)
{
	const struct id *id = &part->pointer.root;
	int r = lack->store ? store_read_root(lack->store, id, &part->record) : -ENOENT;

	part->has_root = !r;
	if ((r == -ENOENT || r == -EBADMSG) && lack->store)
		r = store_read(lack->store, RECORD_PAGE, id, NULL, &part->record);
	if ((r == -ENOENT || r == -EBADMSG) && lack->fetch)
		r = fetch_read_root(lack->fetch, id, &part->record);
	return r == -ENOENT ? -ENODATA : r;
}

/* Go from PAGE, of a directory, down to the entry NAME: *ENTRY is its number in *LEAF, which the caller frees. */
static int find_entry(struct lack *lack, const struct page *page, const char *name, size_t len, struct page **leaf,
                      unsigned *entry)
{
	struct page *held = NULL;
	const char *found;
	size_t found_len;
	int r = 0;

	while (page->level) {
		struct reference reference;
		struct page *next;

		*entry = page_search(page, name, len);
		if (*entry == page->count) {
			r = -ENOENT;
			break;
		}
		page_reference(page, *entry, &reference);
		r = read_page(lack, &reference.id, &reference.locator, &next);
		if (!r && (next->kind != PAGE_DIRECTORY || next->level != page->level - 1)) {
			free(next);
			r = -EBADMSG;
		}
		if (r)
			break;
		free(held);
		held = next;
		page = next;
	}
	if (!r) {
		*entry = page_search(page, name, len);
		found = *entry < page->count ? page_name(page, *entry, &found_len) : NULL;
		if (!found || found_len != len || memcmp(found, name, len) != 0)
			r = -ENOENT;
	}
	if (r) {
		free(held);
		return r;
	}
	*leaf = held;
	return 0;
}

/* What stands at PATH below the directory ROOT. */
static int take_path(struct lack *lack, const struct page *root, const char *path)
{
	struct page *folder = NULL;
	int r = 0;

	while (!r) {
		const struct page *page = folder ? folder : root;
		const size_t len = strcspn(path, "/");
		struct page *leaf = NULL, *below = NULL;
		struct page_named named;
		unsigned entry;

		r = page->kind == PAGE_DIRECTORY ? find_entry(lack, page, path, len, &leaf, &entry) : -ENOENT;
		if (r)
			break;
		page = leaf ? leaf : page;
		if (!path[len]) {
			r = take_named(lack, page, entry);
			free(leaf);
			break;
		}
		path += len + 1;
		page_named(page, entry, &named);
		r = named.what == NAMES_PAGE && named.kind == PAGE_DIRECTORY
		        ? read_page(lack, &named.id, &named.locator, &below)
		        : -ENOENT;
		free(leaf);
		free(folder);
		folder = below;
	}
	free(folder);
	return r;
}

int lack_take(struct lack *lack, struct lack_part *part)
{
	struct page *page;
	size_t size;
	int r = part->record.data ? 0 : read_root(lack, part);

	if (r)
		return r;
	r = page_decode(&part->pointer.root, &part->record, &page, &size);
	if (r)
		return r;
	r = *part->path ? take_path(lack, page, part->path) : take_page(lack, page);
	free(page);
	return first_of(r, take_todo(lack));
}

void lack_part_release(struct lack_part *part)
{
	free(part->record.data);
	part->record.data = NULL;
}

void lack_release(struct lack *lack)
{
	for (size_t i = 0; i < lack->packs_count; i++)
		free(lack->packs[i].moved);
	free(lack->packs);
	free(lack->slots);
	id_set_release(&lack->pages);
	key_set_release(&lack->chunks);
}
