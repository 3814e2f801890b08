#include "fs/dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/wire.h"
#include "fs/git/oid_set.h"
#include "fs/name.h"

#define MODE_TREE 0040000

static bool is_regular(uint32_t mode)
{
	return (mode & 0170000) == 0100000;
}

int dataset_pointer(struct repo *repo, const struct oid *oid, uint32_t mode, struct pointer *pointer)
{
	size_t len;
	void *text;
	int r;

	if (!is_regular(mode))
		return -EINVAL;
	r = repo_blob(repo, oid, POINTER_SIZE_MAX, &text, &len);
	if (r == -EFBIG)
		return -EINVAL;
	/* A tree that calls something else a file is damaged, as is one whose blob is gone. */
	if (r)
		return r == -EINVAL || r == -ENOENT ? -EBADMSG : r;
	r = pointer_parse(text, len, pointer, NULL, NULL);
	free(text);
	return r;
}

/*
 * What of a Git tree matters here: subtrees, and files that may be pointers, by the names under which they appear.  In
 * path order, which is not Git's: `a.revfs` appears as `a`, and a tree `b` is not `b/`.
 */
struct item {
	const char *name; /* borrowed from the tree */
	uint16_t len;
	bool is_tree;
	const struct repo_entry *entry;
};

struct items {
	struct repo_tree *tree;
	struct item *list;
	size_t count;
};

static void items_release(struct items *items)
{
	free(items->list);
	free(items->tree);
	memset(items, 0, sizeof(*items));
}

static int compare_items(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = name_cmp(x->name, x->len, y->name, y->len);

	/* Where both appear under one name, Git's own entry stands first; of two of one name, the first. */
	if (!order)
		order = (x->entry->name_len > y->entry->name_len) - (x->entry->name_len < y->entry->name_len);
	return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

/* Under which name ENTRY appears.  All entries but pointers appear under their own, and may hide a dataset. */
static void item_of(const struct repo_entry *entry, bool as_pointer, struct item *item)
{
	size_t base_len = entry->name_len;

	if (as_pointer)
		pointer_name(entry->name, entry->name_len, &base_len);
	*item = (struct item){entry->name, (uint16_t)base_len, entry->mode == MODE_TREE, entry};
}

static bool may_be_pointer(const struct repo_entry *entry)
{
	size_t base_len;

	return is_regular(entry->mode) && pointer_name(entry->name, entry->name_len, &base_len);
}

/* Keep the first of each name, where it is a tree or a pointer, and its name may be shown. */
static size_t thin_out(struct item *list, size_t count)
{
	const struct item *last = NULL;
	struct item previous;
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct item item = list[i];
		bool hidden = last && !name_cmp(last->name, last->len, item.name, item.len);

		previous = item;
		last = &previous;
		if (hidden || !name_is_valid(item.name, item.len))
			continue;
		if (item.is_tree || item.len < item.entry->name_len)
			list[kept++] = item;
	}
	return kept;
}

/* The items of the tree OID; of none where OID is NULL. */
static int items_read(struct repo *repo, const struct oid *oid, struct items *items)
{
	size_t count = 0;
	int r;

	memset(items, 0, sizeof(*items));
	if (!oid)
		return 0;
	r = repo_tree(repo, oid, &items->tree);
	if (r)
		return r == -ENOENT || r == -ENOTDIR ? -EBADMSG : r;
	items->list = calloc(2 * items->tree->count + 1, sizeof(*items->list));
	if (!items->list) {
		items_release(items);
		return -ENOMEM;
	}
	for (size_t i = 0; i < items->tree->count; i++) {
		item_of(&items->tree->entries[i], false, &items->list[count++]);
		if (may_be_pointer(&items->tree->entries[i]))
			item_of(&items->tree->entries[i], true, &items->list[count++]);
	}
	qsort(items->list, count, sizeof(*items->list), compare_items);
	items->count = thin_out(items->list, count);
	return 0;
}

/* Put NAME behind the first LEN bytes of PATH, which are the path of a directory. */
static int set_path(struct buffer *path, size_t len, const struct item *item)
{
	path->len = len;
	if (len)
		buffer_put8(path, '/');
	buffer_append(path, item->name, item->len);
	buffer_put8(path, '\0');
	if (path->failed)
		return -ENOMEM;
	path->len--;
	return 0;
}

struct walk {
	struct repo *repo;
	dataset_each_fn each;
	void *arg;
	struct buffer path;
	struct oid_set barren; /* trees known to hold no dataset at any depth */
	unsigned depth;
};

static int walk_tree(struct walk *w, const struct oid *oid, bool *found);

static int walk_item(struct walk *w, const struct item *item, bool *found)
{
	struct pointer pointer;
	int r;

	if (item->is_tree)
		return walk_tree(w, &item->entry->oid, found);
	r = dataset_pointer(w->repo, &item->entry->oid, item->entry->mode, &pointer);
	if (r == -EINVAL)
		return 0;
	if (is_unanswered(r))
		return r;
	*found = true;
	return w->each(w->arg, (const char *)w->path.data, r ? NULL : &pointer, r);
}

/* Tell the datasets below the tree OID, whose path is in w->path; *FOUND where there are any. */
static int walk_tree(struct walk *w, const struct oid *oid, bool *found)
{
	size_t path_len = w->path.len;
	bool found_here = false;
	struct items items;
	int r;

	/* Equal subtrees at many paths are a cheap way to make a tree with more paths than anyone can walk. */
	if (oid_set_has(&w->barren, oid))
		return 0;
	r = w->depth < PAGE_DEPTH_MAX ? items_read(w->repo, oid, &items) : -EBADMSG;
	if (is_unanswered(r))
		return r;
	if (r) {
		*found = true;
		return w->each(w->arg, path_len ? (const char *)w->path.data : "", NULL, r);
	}
	w->depth++;
	for (size_t i = 0; !r && i < items.count; i++) {
		r = set_path(&w->path, path_len, &items.list[i]);
		if (!r)
			r = walk_item(w, &items.list[i], &found_here);
	}
	w->depth--;
	w->path.len = path_len;
	items_release(&items);
	*found |= found_here;
	return r || found_here || oid_set_add(&w->barren, oid) >= 0 ? r : -ENOMEM;
}

int dataset_each(struct repo *repo, const struct oid *tree, dataset_each_fn each, void *arg)
{
	struct walk w = {.repo = repo, .each = each, .arg = arg};
	bool found = false;
	int r;

	r = walk_tree(&w, tree, &found);
	buffer_release(&w.path);
	oid_set_release(&w.barren);
	return r;
}

int dataset_find(struct repo *repo, const struct oid *tree, const char *path, struct pointer *pointer)
{
	char *pointer_path;
	struct oid oid;
	uint32_t mode;
	int r;

	r = repo_tree_walk(repo, tree, path, &oid, &mode);
	if (!r)
		return -ENOENT; /* Git's own entry wins */
	if (r != -ENOENT && r != -ENOTDIR)
		return r;
	pointer_path = malloc(strlen(path) + POINTER_SUFFIX_LEN + 1);
	if (!pointer_path)
		return -ENOMEM;
	stpcpy(stpcpy(pointer_path, path), POINTER_SUFFIX);
	r = repo_tree_walk(repo, tree, pointer_path, &oid, &mode);
	free(pointer_path);
	if (r)
		return r == -ENOTDIR ? -ENOENT : r;
	return dataset_pointer(repo, &oid, mode, pointer);
}

struct changes {
	struct repo *repo;
	dataset_changed_fn each;
	void *arg;
	struct buffer path;
	struct oid_set barren; /* pairs of trees known to differ in no dataset, as pair_key() names them */
	unsigned depth;
};

static void pair_key(const struct oid *a, const struct oid *b, struct oid *key)
{
	const struct oid none = {.len = 0};
	struct oid pair[2] = {a ? *a : none, b ? *b : none};
	struct id id;

	id_of(pair, sizeof(pair), &id);
	oid_set(key, id.bytes, ID_SIZE);
}

/* The pointer that ITEM is; *PRESENT false where it is none. */
static int read_side(struct changes *c, const struct item *item, struct pointer *pointer, bool *present)
{
	int r;

	*present = false;
	if (!item || item->is_tree)
		return 0;
	r = dataset_pointer(c->repo, &item->entry->oid, item->entry->mode, pointer);
	*present = !r;
	/* What no version that we know of can read is no dataset that we could tell of. */
	return r == -EINVAL || r == -ENOTSUP ? 0 : r;
}

static bool same_dataset(const struct pointer *a, const struct pointer *b)
{
	return a->is_file == b->is_file && id_equal(&a->root, &b->root) && a->files == b->files && a->bytes == b->bytes;
}

static int change_tree(struct changes *c, const struct oid *a, const struct oid *b, bool *found);

/* What could not be read at the path is told there, and the rest goes on; unless it is this process that failed. */
static int tell_unreadable(struct changes *c, int error, bool *found)
{
	if (error >= 0 || is_unanswered(error))
		return error;
	*found = true;
	return c->each(c->arg, (const char *)c->path.data, NULL, NULL, error);
}

/* A and B appear under one name; one may be NULL. */
static int change_item(struct changes *c, const struct item *a, const struct item *b, bool *found)
{
	bool a_present, b_present;
	struct pointer pa, pb;
	int r;

	if (a && b && a->is_tree == b->is_tree && oid_equal(&a->entry->oid, &b->entry->oid))
		return 0;
	r = read_side(c, a, &pa, &a_present);
	if (!r)
		r = read_side(c, b, &pb, &b_present);
	if (r)
		return tell_unreadable(c, r, found);
	if ((a_present || b_present) && !(a_present && b_present && same_dataset(&pa, &pb))) {
		*found = true;
		r = c->each(c->arg, (const char *)c->path.data, a_present ? &pa : NULL, b_present ? &pb : NULL, 0);
	}
	if (!r && ((a && a->is_tree) || (b && b->is_tree)))
		r = change_tree(c, a && a->is_tree ? &a->entry->oid : NULL, b && b->is_tree ? &b->entry->oid : NULL,
		                found);
	return r;
}

/* Go through both lists at once, by name. */
static int change_items(struct changes *c, const struct items *a, const struct items *b, bool *found)
{
	size_t path_len = c->path.len, i = 0, j = 0;
	int r = 0, order;

	while (!r && (i < a->count || j < b->count)) {
		if (i == a->count)
			order = 1;
		else if (j == b->count)
			order = -1;
		else
			order = name_cmp(a->list[i].name, a->list[i].len, b->list[j].name, b->list[j].len);
		r = set_path(&c->path, path_len, order <= 0 ? &a->list[i] : &b->list[j]);
		if (!r)
			r = change_item(c, order <= 0 ? &a->list[i] : NULL, order >= 0 ? &b->list[j] : NULL, found);
		i += order <= 0;
		j += order >= 0;
	}
	c->path.len = path_len;
	return r;
}

static int change_tree(struct changes *c, const struct oid *a, const struct oid *b, bool *found)
{
	struct items in_a, in_b;
	bool found_here = false;
	struct oid key;
	int r;

	if (a && b && oid_equal(a, b))
		return 0;
	pair_key(a, b, &key);
	if (oid_set_has(&c->barren, &key))
		return 0;
	r = c->depth == PAGE_DEPTH_MAX ? -EBADMSG : items_read(c->repo, a, &in_a);
	if (r)
		return c->depth ? tell_unreadable(c, r, found) : r;
	r = items_read(c->repo, b, &in_b);
	if (!r) {
		c->depth++;
		r = change_items(c, &in_a, &in_b, &found_here);
		c->depth--;
		items_release(&in_b);
	} else if (c->depth) {
		r = tell_unreadable(c, r, &found_here);
	}
	items_release(&in_a);
	*found |= found_here;
	return r || found_here || oid_set_add(&c->barren, &key) >= 0 ? r : -ENOMEM;
}

int dataset_each_changed(struct repo *repo, const struct oid *a, const struct oid *b, dataset_changed_fn each,
                         void *arg)
{
	struct changes c = {.repo = repo, .each = each, .arg = arg};
	bool found = false;
	int r = 0;

	if (a || b)
		r = change_tree(&c, a, b, &found);
	buffer_release(&c.path);
	oid_set_release(&c.barren);
	return r;
}

void dataset_directory(const struct pointer *pointer, struct directory *directory)
{
	memset(directory, 0, sizeof(*directory));
	directory->id = pointer->root;
	directory->is_root = true;
}

int dataset_open(struct source *s, const struct pointer *pointer, struct page_pin *root)
{
	int r = source_pin_root(s, pointer->is_file ? PAGE_FILE : PAGE_DIRECTORY, &pointer->root, root);

	if (r)
		return r;
	if (root->page->totals.files == pointer->files && root->page->totals.bytes == pointer->bytes)
		return 0;
	source_unpin_page(s, root);
	return -EBADMSG;
}
