#include "fs/mount/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "cache/io.h"
#include "fs/mount/view_node.h"
#include "fs/mount/view_parts.h"

int view_open(const struct view_setup *setup, struct view **view)
{
	struct view *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->world = setup->world;
	v->uid = setup->uid;
	v->gid = setup->gid;
	v->version = setup->version ? setup->version : "unknown";
	v->since = io_now(io_system());
	v->mountpoint = strdup(setup->mountpoint);
	err = v->mountpoint ? 0 : -ENOMEM;
	if (!err)
		err = setup->nodes ? node_table_adopt(setup->nodes, &v->nodes) : node_table_new(VIEW_ROOT, &v->nodes);
	if (!err)
		err = spots_open(&v->world, v->nodes, &v->spots);
	if (!err)
		err = ahead_open(&v->world, v->spots, &v->ahead);
	if (!err)
		err = ranges_open(&v->world, &v->ranges);
	if (!err)
		err = refs_open(v->world.repo, &v->refs);
	if (!err)
		err = failures_open(&v->failures);
	if (!err)
		err = shown_open(v->world.source ? source_store(v->world.source) : NULL, &v->shown);
	if (err) {
		view_close(v);
		return err;
	}
	*view = v;
	return 0;
}

void view_close(struct view *view)
{
	if (!view)
		return;
	ahead_close(view->ahead);
	shown_close(view->shown);
	failures_close(view->failures);
	refs_close(view->refs);
	ranges_close(view->ranges);
	spots_close(view->spots);
	node_table_free(view->nodes);
	free(view->mountpoint);
	free(view);
}

struct counters *view_counters(struct view *view)
{
	return &view->counters;
}

struct node_table *view_nodes(struct view *view)
{
	return view->nodes;
}

uint64_t view_ino(const struct node_key *key)
{
	uint64_t ino;

	memcpy(&ino, key->bytes, sizeof(ino));
	return ino <= NODE_ROOT ? ino + 2 : ino;
}

void view_key(const char *kind, const struct node_key *parent, const char *name, struct node_key *key)
{
	struct id_hasher hasher;
	struct id id;

	id_hasher_init(&hasher);
	id_hasher_update(&hasher, kind, strlen(kind) + 1);
	id_hasher_update(&hasher, parent->bytes, sizeof(parent->bytes));
	id_hasher_update(&hasher, name, strlen(name));
	id_hasher_final(&hasher, &id);
	memcpy(key->bytes, id.bytes, sizeof(key->bytes));
}

void view_fill(const struct view *view, uint64_t ino, mode_t mode, uint64_t size, const struct timespec *time,
               struct stat *attr)
{
	*attr = (struct stat){
	    .st_ino = ino,
	    .st_mode = mode,
	    .st_nlink = 1,
	    .st_uid = view->uid,
	    .st_gid = view->gid,
	    .st_size = (off_t)size,
	    .st_blksize = VIEW_BLOCK_SIZE,
	    .st_blocks = (blkcnt_t)(size / 512 + (size % 512 != 0)),
	    .st_atim = *time,
	    .st_mtim = *time,
	    .st_ctim = *time,
	};
}

int view_fail(struct view *view, uint64_t id, const char *name, const char *what, int error)
{
	struct fetch *fetch = view->world.source ? source_fetch(view->world.source) : NULL;
	char *path, why[FETCH_WHY_SIZE] = "";

	/* In any case: what was answered to a request that went well says nothing about the next. */
	if (fetch)
		fetch_why(fetch, error, why);
	/* These say nothing about the data.  -ENOENT does: whoever takes it for an answer does so before. */
	if (error >= 0 || is_unanswered(error) || error == -ESTALE || error == -ENAMETOOLONG)
		return error;
	path = view_path(view, id, name);
	failures_add(view->failures, id, path ? path : "?", what, error, why);
	atomic_fetch_add(&view->counters.failures, 1);
	free(path);
	return -EIO;
}

uint64_t view_node_ino(struct view *view, const struct node *node)
{
	const uint64_t *text;
	size_t len;

	if (node->kind == VIEW_ROOT)
		return NODE_ROOT;
	/* Every text begins with it. */
	text = node->has_text ? node_text(view->nodes, node->id, &len) : NULL;
	return text ? *text : view_ino(&node->key);
}

int view_list_dots(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg)
{
	struct view_item item = {.name = ".", .cookie = 1, .type = S_IFDIR};
	struct node parent;
	int answer;

	if (cookie < 1) {
		item.ino = view_node_ino(view, node);
		answer = each(arg, &item);
		if (answer)
			return answer;
	}
	if (cookie < 2) {
		item.name = "..";
		item.cookie = 2;
		item.ino = node_get(view->nodes, node->parent, &parent) ? NODE_ROOT : view_node_ino(view, &parent);
		return each(arg, &item);
	}
	return 0;
}

static int absent_for(double seconds, struct view_entry *entry)
{
	*entry = (struct view_entry){.entry_timeout_s = seconds};
	return 0;
}

static int root_lookup(struct view *view, const struct node *root, const char *name, struct view_entry *entry)
{
	if (strcmp(name, VIEW_LIVE_NAME) == 0)
		return view_live_root(view, entry);
	if (name[0] != '@')
		return -ENOENT;
	return view_refs_lookup(view, root, name + 1, entry);
}

int view_lookup(struct view *view, uint64_t parent, const char *name, struct view_entry *entry)
{
	struct node node;
	int err;

	err = node_get(view->nodes, parent, &node);
	if (err)
		return err;
	switch (node.kind) {
	case VIEW_ROOT:
		err = root_lookup(view, &node, name, entry);
		break;
	case VIEW_REFS:
		err = view_refs_lookup(view, &node, name, entry);
		break;
	case VIEW_COMMIT:
	case VIEW_DIRECTORY:
	case VIEW_SIDE:
		err = view_data_lookup(view, &node, name, entry);
		break;
	case VIEW_RANGE:
		err = view_range_lookup(view, &node, name, entry);
		break;
	case VIEW_LIVE:
		err = view_live_lookup(view, &node, name, entry);
		break;
	default:
		return -ENOTDIR;
	}
	if (err != -ENOENT)
		return view_fail(view, parent, name, "look it up", err);
	/* What a ref may come to be tomorrow is asked for again; the rest never changes. */
	return absent_for(node.kind == VIEW_REFS || (node.kind == VIEW_ROOT && name[0] == '@') ? 1 : VIEW_FOREVER,
	                  entry);
}

void view_forget(struct view *view, uint64_t id, uint64_t count)
{
	node_forget(view->nodes, id, count);
}

int view_attr(struct view *view, uint64_t id, struct stat *attr, double *timeout_s)
{
	struct node node;
	int err;

	err = node_get(view->nodes, id, &node);
	if (err)
		return err;
	*timeout_s = VIEW_FOREVER;
	switch (node.kind) {
	case VIEW_ROOT:
	case VIEW_REFS:
	case VIEW_LINK:
		err = view_refs_attr(view, &node, attr, timeout_s);
		break;
	case VIEW_RANGE:
		err = view_range_attr(view, &node, attr);
		break;
	case VIEW_LIVE:
	case VIEW_LIVE_FILE:
		err = view_live_attr(view, &node, attr);
		break;
	default:
		err = view_data_attr(view, &node, attr);
		break;
	}
	return view_fail(view, id, NULL, "tell what it is", err);
}

int view_readlink(struct view *view, uint64_t id, char target[VIEW_TARGET_MAX])
{
	struct node node;
	int err;

	err = node_get(view->nodes, id, &node);
	if (err)
		return err;
	if (node.kind == VIEW_LINK)
		return view_refs_readlink(view, &node, target);
	if (node.kind != VIEW_SYMLINK)
		return -EINVAL;
	return view_fail(view, id, NULL, "read the link", view_data_readlink(view, &node, target));
}

int view_read(struct view *view, uint64_t id, uint64_t offset, void *scratch, size_t len, struct view_bytes *bytes)
{
	struct node node;
	int err;

	*bytes = (struct view_bytes){.data = scratch};
	err = node_get(view->nodes, id, &node);
	if (err)
		return err;
	if (node.kind == VIEW_LIVE_FILE)
		err = view_live_read(view, &node, offset, len, bytes);
	else if (node.kind == VIEW_FILE)
		err = view_data_read(view, &node, offset, scratch, len, bytes);
	else
		return node.kind == VIEW_SYMLINK || node.kind == VIEW_LINK ? -EINVAL : -EISDIR;
	if (!err)
		atomic_fetch_add_explicit(&view->counters.bytes, bytes->len, memory_order_relaxed);
	return view_fail(view, id, NULL, "read", err);
}

void view_unpin_bytes(struct view *view, struct view_bytes *bytes)
{
	if (bytes->pin.data)
		source_unpin_chunk(view->world.source, &bytes->pin,
		                   (const uint8_t *)bytes->data + bytes->len ==
		                       (const uint8_t *)bytes->pin.data + bytes->pin.len);
}

typedef int (*list_function)(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg);

/* Who lists nodes of KIND; NULL for what is no directory. */
static list_function lister(uint8_t kind)
{
	switch (kind) {
	case VIEW_ROOT:
	case VIEW_REFS:
		return view_refs_list;
	case VIEW_RANGE:
		return view_range_list;
	case VIEW_LIVE:
		return view_live_list;
	case VIEW_COMMIT:
	case VIEW_DIRECTORY:
	case VIEW_SIDE:
		return view_data_list;
	default:
		return NULL;
	}
}

int view_list(struct view *view, uint64_t id, uint64_t cookie, view_each each, void *arg)
{
	list_function list;
	struct node node;
	int answer;

	answer = node_get(view->nodes, id, &node);
	if (answer)
		return answer;
	list = lister(node.kind);
	if (!list)
		return -ENOTDIR;
	answer = view_list_dots(view, &node, cookie, each, arg);
	if (!answer)
		answer = list(view, &node, cookie, each, arg);
	return answer > 0 ? 0 : view_fail(view, id, NULL, "list", answer);
}

int view_take_item(struct view *view, const struct view_item *item, struct view_entry *entry)
{
	if (item->place)
		return view_data_take(view, item, entry);
	*entry = (struct view_entry){.attr = {.st_ino = item->ino, .st_mode = item->type}};
	return 0;
}
