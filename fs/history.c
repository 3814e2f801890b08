#include "fs/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dataset.h"

#define MODE_FILE 0100644
#define MODE_TREE 040000
#define MODE_TYPE 0170000
#define PATH_LEN_MAX 65536

/* A tree to be gone through; a list instead of calls of calls, because trees may be as deep as they like. */
struct todo {
	struct todo *next;
	struct oid tree;
	size_t path_len;
	char path[]; /* "" or ending in a slash */
};

struct walk {
	struct history *history;
	struct todo *todo;
	history_each each;
	void *arg;
};

static int push(struct walk *w, const struct oid *tree, const char *path, const char *name, size_t name_len)
{
	size_t len = strlen(path);
	struct todo *todo;

	if (len + name_len + 2 > PATH_LEN_MAX)
		return w->each(w->arg, path, tree, NULL, -ENAMETOOLONG);
	todo = malloc(sizeof(*todo) + len + name_len + 2);
	if (!todo)
		return -ENOMEM;
	todo->tree = *tree;
	memcpy(todo->path, path, len);
	memcpy(todo->path + len, name, name_len);
	len += name_len;
	if (name_len > 0)
		todo->path[len++] = '/';
	todo->path[len] = '\0';
	todo->path_len = len;
	todo->next = w->todo;
	w->todo = todo;
	return 0;
}

/* Tell of the file at PATH (without the suffix) unless it was met before or is no pointer. */
static int tell_file(struct history *h, const char *path, const struct oid *oid, uint32_t mode, history_each each,
                     void *arg)
{
	struct pointer pointer;
	int r;

	r = oid_set_add(&h->blobs, oid);
	if (r <= 0)
		return r;
	r = dataset_pointer(h->repo, oid, mode, &pointer);
	if (r == -EINVAL)
		return 0;
	if (r == -ENOMEM)
		return r;
	return each(arg, path, oid, r ? NULL : &pointer, r);
}

static int visit_entry(struct walk *w, const struct todo *todo, const struct repo_entry *entry)
{
	size_t base_len;
	char *path;
	int r;

	if ((entry->mode & MODE_TYPE) == MODE_TREE) {
		r = oid_set_add(&w->history->trees, &entry->oid);
		return r <= 0 ? r : push(w, &entry->oid, todo->path, entry->name, entry->name_len);
	}
	if ((entry->mode & MODE_TYPE) != (MODE_FILE & MODE_TYPE) ||
	    !pointer_name(entry->name, entry->name_len, &base_len))
		return 0;
	if (asprintf(&path, "%s%.*s", todo->path, (int)base_len, entry->name) < 0)
		return -ENOMEM;
	r = tell_file(w->history, path, &entry->oid, entry->mode, w->each, w->arg);
	free(path);
	return r;
}

static int visit(struct walk *w, struct todo *todo)
{
	struct repo_tree *tree;
	int r;

	r = repo_tree(w->history->repo, &todo->tree, &tree);
	if (r == -ENOMEM)
		return r;
	if (r) {
		/* It is told without the slash. */
		todo->path[todo->path_len - (todo->path_len > 0)] = '\0';
		return w->each(w->arg, todo->path, &todo->tree, NULL, r);
	}
	for (size_t i = 0; i < tree->count && !r; i++)
		r = visit_entry(w, todo, &tree->entries[i]);
	free(tree);
	return r;
}

int history_walk(struct history *h, const struct oid *tree, history_each each, void *arg)
{
	struct walk w = {.history = h, .each = each, .arg = arg};
	struct todo *todo;
	int r;

	r = oid_set_add(&h->trees, tree);
	if (r <= 0)
		return r;
	r = push(&w, tree, "", "", 0);
	while ((todo = w.todo)) {
		w.todo = todo->next;
		if (!r)
			r = visit(&w, todo);
		free(todo);
	}
	return r;
}

int history_file(struct history *h, const char *path, const struct oid *oid, history_each each, void *arg)
{
	return tell_file(h, path, oid, MODE_FILE, each, arg);
}

void history_release(struct history *h)
{
	oid_set_release(&h->trees);
	oid_set_release(&h->blobs);
}
