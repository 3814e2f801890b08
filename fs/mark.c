#include "fs/mark.h"

#include <errno.h>
#include <stdlib.h>

/* A page to be read. */
struct mark_todo {
	struct mark_todo *next;
	struct id id;
	struct locator hint;
	bool is_root;
};

static int push(struct mark *m, const struct id *id, const struct locator *hint, bool is_root)
{
	struct mark_todo *todo;

	if (id_set_has(&m->pages, id))
		return 0;
	todo = malloc(sizeof(*todo));
	if (!todo)
		return -ENOMEM;
	*todo = (struct mark_todo){.next = m->todo, .id = *id, .is_root = is_root};
	if (hint)
		todo->hint = *hint;
	m->todo = todo;
	return 0;
}

/* The page of any kind. */
static int read_page(struct mark *m, const struct mark_todo *todo, struct page **page)
{
	struct record record;
	size_t size;
	int error = -ENOENT, root_error = -ENOENT;

	if (todo->is_root)
		error = root_error = store_read_root(m->store, &todo->id, &record);
	if (error)
		error = store_read(m->store, RECORD_PAGE, &todo->id, &todo->hint, &record);
	/* What a clone did not bring: it may name what is here. */
	if (error == -ENOENT && m->fetch)
		error = todo->is_root ? fetch_read_root(m->fetch, &todo->id, &record)
		                      : fetch_read(m->fetch, RECORD_PAGE, &todo->id, &todo->hint, &record);
	if (error == -ENOENT)
		error = root_error == -ENOENT ? -ENODATA : root_error;
	if (error)
		return error;
	error = page_decode(&todo->id, &record, page, &size);
	free(record.data);
	return error;
}

static int take_chunk(struct mark *m, const struct id *id)
{
	int error = key_set_add(&m->chunks, id);

	return error < 0 ? error : 0;
}

/* What entry or reference I of PAGE names.  What one of a later version names, nobody here can tell. */
static int take_named(struct mark *m, const struct page *page, unsigned i)
{
	struct page_named named;

	page_named(page, i, &named);
	switch (named.what) {
	case NAMES_PAGE:
		return push(m, &named.id, &named.locator, false);
	case NAMES_CHUNK:
		return take_chunk(m, &named.id);
	case NAMES_UNKNOWN:
		if (m->lenient)
			return 0;
		m->failed = page->id;
		return -ENOTSUP;
	case NAMES_NOTHING:
		break;
	}
	return 0;
}

static int visit(struct mark *m, const struct mark_todo *todo)
{
	struct page *page;
	int error;

	if (id_set_has(&m->pages, &todo->id))
		return 0;
	error = read_page(m, todo, &page);
	if (error) {
		m->failed = todo->id;
		return m->lenient && error != -ENOMEM ? 0 : error;
	}
	/* Only what was read counts as met: who is strict must fail where who was lenient passed over it. */
	error = id_set_add(&m->pages, &todo->id);
	for (unsigned i = 0; i < page->count && error >= 0; i++)
		error = take_named(m, page, i);
	free(page);
	return error < 0 ? error : 0;
}

int mark_page(struct mark *m, const struct id *id, const struct locator *hint, bool is_root)
{
	struct mark_todo *todo;
	int error;

	error = push(m, id, hint, is_root);
	while ((todo = m->todo)) {
		m->todo = todo->next;
		if (!error)
			error = visit(m, todo);
		free(todo);
	}
	return error;
}

bool mark_has(const struct mark *m, unsigned kind, const struct id *id)
{
	return kind == RECORD_PAGE ? id_set_has(&m->pages, id) : key_set_has(&m->chunks, id);
}

void mark_release(struct mark *m)
{
	id_set_release(&m->pages);
	key_set_release(&m->chunks);
}
