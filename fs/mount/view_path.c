#include <stdlib.h>
#include <string.h>

#include "fs/mount/view_node.h"
#include "fs/mount/view_parts.h"
#include "fs/name.h"

/* Put NAME and, where there is something behind it, a slash in front of *PATH.  False without memory. */
static bool path_prepend(char **path, const char *prefix, const char *name)
{
	size_t len = strlen(prefix) + strlen(name), rest = *path ? strlen(*path) : 0;
	char *longer = malloc(len + rest + 2);

	if (!longer)
		return false;
	strcpy(longer, prefix);
	strcat(longer, name);
	if (*path) {
		longer[len++] = '/';
		memcpy(longer + len, *path, rest);
	}
	longer[len + rest] = '\0';
	free(*path);
	*path = longer;
	return true;
}

/* The name of NODE, a node below a commit, in its directory. */
static const char *data_name(struct view *view, const struct node *node, char name[NAME_SIZE_MAX + 1])
{
	struct spot above;
	struct place place;

	if (spot_of(view->spots, node->parent, &above) ||
	    place_child_at(&view->world, &above.place, node->value, &place, name))
		return "?";
	return name;
}

static const char *side_name(uint64_t side)
{
	return side == SIDE_ADDED ? "added" : side == SIDE_MODIFIED ? "modified" : "deleted";
}

/* What NODE is called from the folder above that is a node; *PREFIX is what stands before it. */
static const char *node_name(struct view *view, const struct node *node, char buffer[NAME_SIZE_MAX + 1],
                             const char **prefix)
{
	const void *text;
	size_t len;

	*prefix = "";
	switch (node->kind) {
	case VIEW_DIRECTORY:
	case VIEW_FILE:
	case VIEW_SYMLINK:
		return data_name(view, node, buffer);
	case VIEW_SIDE:
		return side_name(node->value);
	case VIEW_LIVE:
		return VIEW_LIVE_NAME;
	default:
		break;
	}
	text = node->has_text ? node_text(view->nodes, node->id, &len) : NULL;
	if (!text)
		return "?";
	if (node->kind == VIEW_LIVE_FILE)
		return ((const struct view_live *)text)->name;
	*prefix = "@";
	if (node->kind == VIEW_COMMIT)
		return ((const struct view_commit *)text)->name;
	if (node->kind == VIEW_RANGE)
		return ((const struct view_range *)text)->name;
	if (node->kind == VIEW_REFS)
		return ((const struct view_refs *)text)->prefix;
	return "?";
}

char *view_path(struct view *view, uint64_t id, const char *name)
{
	char buffer[NAME_SIZE_MAX + 1];
	const char *prefix;
	struct node node;
	char *path = NULL;

	if (name && !path_prepend(&path, "", name))
		return NULL;
	while (id != NODE_ROOT) {
		if (node_get(view->nodes, id, &node)) {
			free(path);
			return strdup("?");
		}
		name = node_name(view, &node, buffer, &prefix);
		if (!path_prepend(&path, prefix, name)) {
			free(path);
			return NULL;
		}
		/* Names with the @ are whole from the root. */
		id = *prefix ? NODE_ROOT : node.parent;
	}
	return path ? path : strdup("/");
}
