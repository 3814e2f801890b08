#include "fs/remote/remote_mark.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/remote_pack.h"
#include "fs/page.h"

/* A page to be read. */
struct remote_mark_todo {
	struct remote_mark_todo *next;
	struct id id;
	struct locator at;
};

/* What the moved file of a pack that is not there says; no entries where there is none. */
struct remote_mark_moved {
	struct remote_mark_moved *next;
	struct pack_id pack;
	struct moved_entry *entries;
	size_t count;
};

static int compare_packs(const void *a, const void *b)
{
	const struct remote_mark_pack *x = a, *y = b;

	return pack_id_cmp(&x->id, &y->id);
}

struct remote_mark_pack *remote_mark_find(const struct remote_mark *m, const struct pack_id *id)
{
	const struct remote_mark_pack key = {.id = *id};

	return m->count ? bsearch(&key, m->packs, m->count, sizeof(key), compare_packs) : NULL;
}

void remote_mark_release(struct remote_mark *m)
{
	struct remote_mark_moved *moved;
	struct remote_mark_todo *todo;

	while ((todo = m->todo)) {
		m->todo = todo->next;
		free(todo);
	}
	while ((moved = m->moved)) {
		m->moved = moved->next;
		free(moved->entries);
		free(moved);
	}
	id_set_release(&m->seen);
	id_set_release(&m->known);
	id_set_release(&m->roots);
	free(m->packs);
	free(m->blamed);
	m->packs = NULL;
	m->blamed = NULL;
	m->count = 0;
}

/* --- listing --- */

static int note_pack(void *arg, const char *path, const struct remote_stat *st)
{
	struct remote_mark_pack pack = {.size = st->size, .time = st->time.tv_sec};
	const char *name = strrchr(path, '/');
	struct buffer *packs = arg;

	name = name ? name + 1 : path;
	if (pack_id_parse(name, strlen(name), &pack.id) < 0)
		return 0;
	buffer_append(packs, &pack, sizeof(pack));
	return packs->failed ? -ENOMEM : 0;
}

int remote_mark_list(struct remote_mark *m)
{
	struct buffer packs = {0};
	int error = remote_list(remote_store_remote(m->store), "packs", note_pack, &packs);

	if (error) {
		buffer_release(&packs);
		return error;
	}
	m->packs = (struct remote_mark_pack *)(void *)packs.data;
	m->count = packs.len / sizeof(*m->packs);
	if (m->count)
		qsort(m->packs, m->count, sizeof(*m->packs), compare_packs);
	return 0;
}

/* --- blame --- */

static int blame_page(struct remote_mark *m, const struct id *id, int error)
{
	char hex[ID_HEX_SIZE], root[ID_HEX_SIZE];

	if (error == -ENOMEM || m->blamed)
		return error;
	id_format(id, hex);
	if (m->root && id_equal(m->root, id) ? asprintf(&m->blamed, "the root %s", hex) < 0
	    : m->root ? asprintf(&m->blamed, "the page %s of the root %s", hex, id_format(m->root, root)) < 0
	              : asprintf(&m->blamed, "the page %s", hex) < 0)
		m->blamed = NULL;
	return error;
}

static int blame_pack(struct remote_mark *m, const struct pack_id *id, int error)
{
	char hex[PACK_ID_HEX_SIZE], root[ID_HEX_SIZE];

	if (error == -ENOMEM || m->blamed)
		return error;
	pack_id_format(id, hex);
	if (m->root ? asprintf(&m->blamed, "the pack %s, which the root %s needs,", hex, id_format(m->root, root)) < 0
	            : asprintf(&m->blamed, "the pack %s", hex) < 0)
		m->blamed = NULL;
	return error;
}

/* What no root needs may be damaged or gone; what may be of a later version, or cannot be asked for, may not. */
static bool is_passed_over(const struct remote_mark *m, int error)
{
	return !m->root && (error == -ENODATA || error == -ENOENT || error == -EBADMSG);
}

/* --- where records lie --- */

static int find_moved(struct remote_mark *m, const struct pack_id *pack, const struct remote_mark_moved **moved)
{
	struct remote_mark_moved *new;
	int error;

	for (*moved = m->moved; *moved; *moved = (*moved)->next) {
		if (pack_id_equal(&(*moved)->pack, pack))
			return 0;
	}
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->pack = *pack;
	error = remote_store_read_moved(m->store, pack, &new->entries, &new->count);
	if (error && error != -ENOENT) {
		free(new);
		return error == -EFBIG ? -EBADMSG : error;
	}
	new->next = m->moved;
	m->moved = new;
	*moved = new;
	return 0;
}

/* Follow *AT to where the record lies, in a pack that is alive from now on. */
static int settle(struct remote_mark *m, struct locator *at)
{
	for (unsigned hop = 0; hop <= MOVED_HOPS_MAX && at->offset; hop++) {
		struct remote_mark_pack *pack = remote_mark_find(m, &at->pack);
		const struct remote_mark_moved *moved;
		const struct moved_entry *entry;
		int error;

		if (pack) {
			pack->alive = true;
			return 0;
		}
		error = find_moved(m, &at->pack, &moved);
		if (error)
			return error;
		entry = moved_lookup(moved->entries, moved->count, at->offset);
		if (!entry)
			break;
		*at = entry->now;
	}
	return -ENODATA;
}

/* --- pages --- */

static int push_page(struct remote_mark *m, const struct id *id, const struct locator *at)
{
	struct remote_mark_todo *todo;
	struct id place = {0};
	int error;

	/* Two copies of a page may say differently where its parts are. */
	memcpy(place.bytes, at->pack.bytes, PACK_ID_SIZE);
	memcpy(place.bytes + PACK_ID_SIZE, &at->offset, sizeof(at->offset));
	error = id_set_add(&m->seen, &place);
	if (error <= 0)
		return error;
	todo = malloc(sizeof(*todo));
	if (!todo)
		return -ENOMEM;
	*todo = (struct remote_mark_todo){.next = m->todo, .id = *id, .at = *at};
	m->todo = todo;
	return 0;
}

static int take_named(struct remote_mark *m, const struct page *page, unsigned i)
{
	struct page_named named;
	struct locator at;
	int error;

	page_named(page, i, &named);
	if (named.what == NAMES_NOTHING)
		return 0;
	if (named.what == NAMES_UNKNOWN)
		return blame_page(m, &page->id, -ENOTSUP);
	at = named.locator;
	error = settle(m, &at);
	if (!error)
		return named.what == NAMES_PAGE ? push_page(m, &named.id, &at) : 0;
	if (is_passed_over(m, error))
		return 0;
	return named.locator.offset ? blame_pack(m, &at.pack, error) : blame_page(m, &named.id, error);
}

static int take_page(struct remote_mark *m, const struct id *id, const struct record *record)
{
	struct page *page;
	size_t size;
	int error = page_decode(id, record, &page, &size);

	if (error)
		return is_passed_over(m, error) ? 0 : blame_page(m, id, error);
	error = id_set_add(&m->known, id);
	m->pages += error > 0;
	error = error < 0 ? error : 0;
	if (m->progress)
		m->progress(m->arg, m->pages);
	for (unsigned i = 0; i < page->count && !error; i++)
		error = take_named(m, page, i);
	free(page);
	return error;
}

static int visit(struct remote_mark *m, const struct remote_mark_todo *todo)
{
	struct record record;
	int error = remote_store_read(m->store, RECORD_PAGE, &todo->id, &todo->at, &record);

	if (error == -ENOENT)
		error = -ENODATA;
	if (error)
		return is_passed_over(m, error) ? 0 : blame_page(m, &todo->id, error);
	error = take_page(m, &todo->id, &record);
	free(record.data);
	return error;
}

static int visit_all(struct remote_mark *m)
{
	struct remote_mark_todo *todo;
	int error = 0;

	while ((todo = m->todo)) {
		m->todo = todo->next;
		if (!error)
			error = visit(m, todo);
		free(todo);
	}
	return error;
}

int remote_mark_root(struct remote_mark *m, const struct id *id)
{
	struct record record;
	int error = id_set_add(&m->roots, id);

	if (error <= 0)
		return error;
	m->root = id;
	error = remote_store_read_root(m->store, id, &record);
	if (!error) {
		error = take_page(m, id, &record);
		free(record.data);
		if (!error)
			error = visit_all(m);
	} else {
		/* Gone since it was listed: a collection at the same time. */
		error = error == -ENOENT ? 0 : blame_page(m, id, error);
	}
	m->root = NULL;
	return error;
}

/* --- packs --- */

/* Read the index of PACK, once more where need be.  -EBADMSG: it is damaged, which is noted. */
static int read_index(struct remote_mark *m, struct remote_mark_pack *pack, struct pack_entry **entries, size_t *count)
{
	int error = remote_pack_read_index(remote_store_remote(m->store), &pack->id, pack->size, entries, count);

	pack->looked_at = true;
	if (error == -EBADMSG || error == -ENOENT) {
		pack->unreadable = error == -EBADMSG;
		pack->has_pages = true;
		return error == -ENOENT ? -ENODATA : error;
	}
	for (size_t i = 0; i < *count && !error && !pack->has_pages; i++)
		pack->has_pages = (*entries)[i].kind != RECORD_CHUNK;
	return error;
}

/* Take in all pages of a pack that stays. */
static int close_pack(struct remote_mark *m, struct remote_mark_pack *pack)
{
	struct pack_entry *entries;
	size_t count = 0;
	int error = read_index(m, pack, &entries, &count);

	pack->closed = true;
	if (error)
		return !pack->alive && is_passed_over(m, error) ? 0 : blame_pack(m, &pack->id, error);
	for (size_t i = 0; i < count && !error; i++) {
		const struct locator at = {
		    .pack = pack->id, .offset = entries[i].offset, .stored_len = entries[i].stored_len};

		if (entries[i].kind == RECORD_PAGE)
			error = push_page(m, &entries[i].id, &at);
		else if (entries[i].kind != RECORD_CHUNK)
			error = blame_pack(m, &pack->id, -ENOTSUP);
	}
	free(entries);
	return error ? error : visit_all(m);
}

/* A pack that nothing names, but a root's page lies in it: whoever pushes looks for it there. */
static int look_for_roots(struct remote_mark *m, struct remote_mark_pack *pack)
{
	struct pack_entry *entries;
	size_t count = 0;
	int error = read_index(m, pack, &entries, &count);

	if (error)
		return is_passed_over(m, error) ? 0 : blame_pack(m, &pack->id, error);
	for (size_t i = 0; i < count && !pack->alive; i++)
		pack->alive = entries[i].kind == RECORD_PAGE && id_set_has(&m->roots, &entries[i].id);
	free(entries);
	return 0;
}

int remote_mark_close(struct remote_mark *m)
{
	bool changed = true;
	int error = 0;

	while (changed && !error) {
		changed = false;
		for (size_t i = 0; i < m->count && !error; i++) {
			struct remote_mark_pack *pack = &m->packs[i];

			if ((pack->alive || pack->young) && !pack->closed) {
				error = close_pack(m, pack);
				changed = true;
			} else if (!pack->alive && !pack->young && !pack->looked_at) {
				error = look_for_roots(m, pack);
				changed = changed || pack->alive;
			}
		}
	}
	return error;
}
