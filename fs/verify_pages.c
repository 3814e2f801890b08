#include "fs/verify_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int damaged_page(struct verify *v, const struct verify_page *todo, const struct locator *at, int error,
                        const char *why)
{
	struct verify_damage damage = {.kind = VERIFY_PAGE, .id = todo->id, .error = error, .why = why};

	/* At a remote the page of a root is read from its file. */
	if (v->options->remote && todo->is_root)
		damage.kind = VERIFY_ROOT;
	if (error == -ENOMEM)
		return error;
	if (at)
		damage.at = *at;
	return verify_note(v, &damage);
}

/* Put a page on the list, or hold what was kept of it against what is wanted. */
static int push_page(struct verify *v, const struct verify_page *page)
{
	struct shape *shape = shape_find(&v->shapes, &page->id);
	const struct shape_wanted *w = &page->wanted;
	size_t bound_len = w->bound ? w->bound_len : 0;
	struct verify_page *todo;
	const char *misfit;

	if (shape && (shape->inner || !w->inner)) {
		misfit = shape_misfit(shape, w);
		return misfit ? damaged_page(v, page, NULL, -EBADMSG, misfit) : 0;
	}
	todo = malloc(sizeof(*todo) + w->last_len + bound_len);
	if (!todo)
		return -ENOMEM;
	*todo = *page;
	if (w->last_len)
		todo->wanted.last = memcpy(todo->keys, w->last, w->last_len);
	if (w->bound)
		todo->wanted.bound = memcpy(todo->keys + w->last_len, w->bound, bound_len);
	todo->next = v->todo;
	v->todo = todo;
	return 0;
}

/* The root of the tree that an entry names. */
static int push_tree(struct verify *v, const struct verify_page *above, const struct entry *entry)
{
	struct verify_page todo = {
	    .id = entry->id, .hint = entry->locator, .depth = above->depth, .wanted = {.is_tree = true}};

	if (entry->kind == ENTRY_DIRECTORY) {
		todo.depth++;
		todo.wanted.kind = PAGE_DIRECTORY;
		todo.wanted.totals_known = SHAPE_ENTRIES | SHAPE_FILES | SHAPE_BYTES;
		todo.wanted.totals = entry->totals;
		if (todo.depth > PAGE_DEPTH_MAX)
			return damaged_page(v, &todo, NULL, -EBADMSG, "it lies deeper than folders may");
	} else {
		todo.wanted.kind = PAGE_LIST;
		todo.wanted.totals_known = SHAPE_BYTES;
		todo.wanted.totals.bytes = entry->size;
	}
	return push_page(v, &todo);
}

static int take_entry(struct verify *v, const struct verify_page *todo, const struct entry *entry)
{
	if (entry->kind == ENTRY_DIRECTORY)
		return push_tree(v, todo, entry);
	if (entry->kind != ENTRY_FILE && entry->kind != ENTRY_SYMLINK)
		return 0;
	if (entry->form == CONTENT_LIST)
		return push_tree(v, todo, entry);
	if (entry->form == CONTENT_CHUNK)
		return verify_take_chunk(v, &entry->id, (uint32_t)entry->size, &entry->locator, CHUNK_ENDS);
	return 0;
}

static int take_reference(struct verify *v, const struct verify_page *todo, const struct page *page, unsigned i)
{
	struct reference reference;
	struct verify_page child = {.depth = todo->depth};
	struct shape_wanted *w = &child.wanted;

	page_reference(page, i, &reference);
	child.id = reference.id;
	child.hint = reference.locator;
	w->kind = page->kind;
	w->level = (uint8_t)(page->level - 1u);
	w->inner = todo->wanted.inner || i + 1u < page->count;
	w->totals_known = SHAPE_ENTRIES | SHAPE_BYTES | (page->kind == PAGE_LIST ? 0 : SHAPE_FILES);
	w->totals = reference.totals;
	w->last = reference.last;
	w->last_len = reference.last_len;
	if (i > 0) {
		w->bound = page_name(page, i - 1, &w->bound_len);
	} else if (!todo->wanted.is_tree && todo->wanted.bound) {
		w->bound = todo->wanted.bound;
		w->bound_len = todo->wanted.bound_len;
	}
	return push_page(v, &child);
}

static int take_listed(struct verify *v, const struct verify_page *todo, const struct page *page, unsigned i)
{
	struct list_entry chunk;
	bool is_last = !todo->wanted.inner && i + 1u == page->count;

	page_list_entry(page, i, &chunk);
	return verify_take_chunk(v, &chunk.id, chunk.len, &chunk.locator,
	                         (is_last ? CHUNK_ENDS : 0) | (!is_last || chunk.count > 1 ? CHUNK_CUTS : 0));
}

static int take_named(struct verify *v, const struct verify_page *todo, const struct page *page)
{
	struct entry entry;
	int r = 0;

	for (unsigned i = 0; i < page->count && !r; i++) {
		if (page->level > 0) {
			r = take_reference(v, todo, page, i);
		} else if (page->kind == PAGE_LIST) {
			r = take_listed(v, todo, page, i);
		} else {
			page_entry(page, i, &entry);
			r = take_entry(v, todo, &entry);
		}
	}
	return r;
}

/* A page is a record of a pack; the root file is beside that, so that it is read on its own. */
static int check_root_file(struct verify *v, const struct id *root, bool saved)
{
	struct verify_damage damage = {.kind = VERIFY_ROOT, .id = *root, .saved = saved};
	struct record record;
	int r = verify_read_root(v, root, &record);

	if (!r) {
		free(record.data);
		return 0;
	}
	if (r == -ENOMEM)
		return r;
	damage.error = r == -ENOENT ? -ENODATA : r;
	return verify_is_elsewhere(v, damage.error) ? 0 : verify_note(v, &damage);
}

/* Count a page that is not here, once. */
static int note_absent(struct verify *v, const struct id *id)
{
	int is_new = key_set_add(&v->absent, id);

	if (is_new > 0)
		verify_count(v, &v->report->elsewhere, 0);
	return is_new < 0 ? is_new : 0;
}

/* AGAIN: it was read and counted before. */
static int read_page(struct verify *v, const struct verify_page *todo, bool again, struct page **page,
                     struct audit *audit)
{
	struct record record;
	size_t size;
	int r;

	if (v->options->remote && todo->is_root) {
		*audit = (struct audit){0};
		r = verify_read_root(v, &todo->id, &record);
	} else {
		r = todo->hint.offset ? verify_meet_pack(v, &todo->hint.pack) : 0;
		if (!r)
			r = verify_read_record(v, RECORD_PAGE, &todo->id, &todo->hint, &record, audit);
	}
	if (r)
		return r == -ENOENT ? -ENODATA : r;
	if (!again)
		verify_count(v, &v->report->pages, record.len);
	r = page_decode(&todo->id, &record, page, &size);
	free(record.data);
	return r;
}

/* The page of a root as the root file has it, where the packs have none that is good. */
static int read_root_page(struct verify *v, const struct verify_page *todo, struct page **page)
{
	struct record record;
	size_t size;
	int r = verify_read_root(v, &todo->id, &record);

	if (r)
		return r;
	r = page_decode(&todo->id, &record, page, &size);
	free(record.data);
	return r;
}

/* Remember that PAGE was gone through, and in what place. */
static int remember(struct verify *v, const struct verify_page *todo, const struct page *page, struct shape **shape)
{
	int r = 0;

	*shape = shape_find(&v->shapes, &page->id);
	if (!*shape) {
		*shape = shape_of(page);
		r = *shape ? shape_add(&v->shapes, *shape) : -ENOMEM;
	}
	if (!r)
		(*shape)->inner = (*shape)->inner || todo->wanted.inner;
	return r;
}

static int visit(struct verify *v, const struct verify_page *todo)
{
	struct verify_damage copy = {.kind = VERIFY_PAGE, .id = todo->id, .saved = true};
	struct shape *shape = shape_find(&v->shapes, &todo->id);
	const bool again = shape;
	struct page *page = NULL;
	struct audit audit;
	const char *misfit;
	int r;

	/* It may have been gone through since it was put on the list. */
	if (shape && (shape->inner || !todo->wanted.inner)) {
		misfit = shape_misfit(shape, &todo->wanted);
		return misfit ? damaged_page(v, todo, NULL, -EBADMSG, misfit) : 0;
	}
	r = read_page(v, todo, again, &page, &audit);
	if (r && !(todo->is_root && !v->options->remote && read_root_page(v, todo, &page) == 0))
		return verify_is_elsewhere(v, r) ? note_absent(v, &todo->id)
		                                 : damaged_page(v, todo, &audit.at, r, NULL);
	if (again)
		r = 0;
	else if (r || audit.bad_copy) {
		copy.error = r ? r : -EBADMSG;
		copy.at = audit.at;
		r = verify_note(v, &copy);
	}
	if (!r)
		r = remember(v, todo, page, &shape);
	if (!r) {
		misfit = shape_misfit(shape, &todo->wanted);
		/* What is in it is checked all the same: the page may stand elsewhere, rightly. */
		if (misfit)
			r = damaged_page(v, todo, &audit.at, -EBADMSG, misfit);
	}
	if (!r)
		r = take_named(v, todo, page);
	free(page);
	return r;
}

static int go_through(struct verify *v)
{
	struct verify_page *todo;
	int r = 0;

	while ((todo = v->todo)) {
		v->todo = todo->next;
		if (!r)
			r = visit(v, todo);
		free(todo);
	}
	return r;
}

int verify_root(struct verify *v, const struct id *root)
{
	struct verify_page page = {.id = *root, .is_root = true, .wanted = {.is_tree = true}};
	bool first;
	int r;

	if (!v->store && !v->options->remote)
		return verify_is_elsewhere(v, -ENODATA) ? note_absent(v, root)
		                                        : damaged_page(v, &page, NULL, -ENODATA, NULL);
	first = !shape_find(&v->shapes, root);
	r = push_page(v, &page);
	if (!r)
		r = go_through(v);
	/* Where the page reads, from a pack or from here, the root does. */
	if (!r && first && !v->options->remote)
		r = check_root_file(v, root, shape_find(&v->shapes, root));
	return r;
}
