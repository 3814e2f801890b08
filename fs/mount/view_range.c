#include <errno.h>
#include <string.h>

#include "fs/mount/view_node.h"
#include "fs/mount/view_parts.h"

/* The sides of a range; their cookies are their places here and 3. */
static const struct side {
	const char *name;
	enum range_side side;
} sides[] = {{"added", SIDE_ADDED}, {"modified", SIDE_MODIFIED}, {"deleted", SIDE_DELETED}};
#define SIDES (sizeof(sides) / sizeof(sides[0]))

int view_range_lookup(struct view *view, const struct node *parent, const char *name, struct view_entry *entry)
{
	struct node_spec spec = {.parent = parent->id, .kind = VIEW_SIDE};
	struct node node;
	size_t i;
	int err;

	for (i = 0; i < SIDES && strcmp(sides[i].name, name) != 0; i++)
		;
	if (i == SIDES)
		return -ENOENT;
	spec.value = sides[i].side;
	view_key("side", &parent->key, name, &spec.key);
	err = node_take(view->nodes, &spec, &entry->id);
	if (err)
		return err;
	err = node_get(view->nodes, entry->id, &node);
	if (!err)
		err = view_data_attr(view, &node, &entry->attr);
	if (err) {
		node_forget(view->nodes, entry->id, 1);
		return err == -ENOENT ? -ENODATA : err;
	}
	entry->attr_timeout_s = entry->entry_timeout_s = VIEW_FOREVER;
	return 0;
}

int view_range_attr(struct view *view, const struct node *node, struct stat *attr)
{
	struct timespec time = {0};
	size_t len;
	const struct view_range *range = node_text(view->nodes, node->id, &len);

	if (!range)
		return -ESTALE;
	time.tv_sec = range->time;
	view_fill(view, range->ino, S_IFDIR | 0755, 0, &time, attr);
	return 0;
}

int view_range_list(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg)
{
	int answer = 0;

	for (size_t i = cookie > 2 ? cookie - 2 : 0; !answer && i < SIDES; i++) {
		struct view_item item = {.name = sides[i].name, .cookie = i + 3, .type = S_IFDIR};
		struct node_key key;

		view_key("side", &node->key, sides[i].name, &key);
		item.ino = view_ino(&key);
		answer = each(arg, &item);
	}
	(void)view;
	return answer;
}
