#include "fs/spot.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/id.h"
#include "cache/interrupt.h"
#include "fs/mount/view_node.h"
#include "fs/name.h"

/*
 * A set-associative cache: the place of a spot follows from its id, and one of WAYS is overwritten in turn.  Copies go
 * in and out, so nothing is ever pinned.
 */
#define SETS 512
#define WAYS 4

struct kept {
	uint64_t id; /* 0: empty */
	struct spot spot;
};

struct spots {
	struct place_world world;
	struct node_table *nodes;
	pthread_mutex_t lock; /* guards all below */
	struct kept kept[SETS][WAYS];
	uint8_t turn[SETS];
};

int spots_open(const struct place_world *world, struct node_table *nodes, struct spots **spots)
{
	struct spots *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->world = *world;
	s->nodes = nodes;
	pthread_mutex_init(&s->lock, NULL);
	*spots = s;
	return 0;
}

void spots_close(struct spots *spots)
{
	if (!spots)
		return;
	pthread_mutex_destroy(&spots->lock);
	free(spots);
}

static unsigned kept_set(uint64_t id)
{
	return (unsigned)((id * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % SETS;
}

static bool kept_find(struct spots *spots, uint64_t id, struct spot *spot)
{
	struct kept *set = spots->kept[kept_set(id)];
	bool found = false;

	pthread_mutex_lock(&spots->lock);
	for (unsigned i = 0; i < WAYS && !found; i++) {
		if (set[i].id != id)
			continue;
		*spot = set[i].spot;
		found = true;
	}
	pthread_mutex_unlock(&spots->lock);
	return found;
}

void spot_keep(struct spots *spots, uint64_t id, const struct spot *spot)
{
	unsigned number = kept_set(id), i;
	struct kept *set = spots->kept[number];

	/* What is missing now may be there the next time. */
	if (spot->place.kind == PLACE_BROKEN || spot->other.kind == PLACE_BROKEN)
		return;
	pthread_mutex_lock(&spots->lock);
	for (i = 0; i < WAYS && set[i].id != id; i++)
		;
	if (i == WAYS)
		i = spots->turn[number]++ % WAYS;
	set[i].id = id;
	set[i].spot = *spot;
	pthread_mutex_unlock(&spots->lock);
}

bool spot_is_whole(const struct spot *dir)
{
	if (dir->side == SIDE_NONE)
		return true;
	/* Whether that was a directory cannot be told, or not what was in it. */
	if (dir->other.kind == PLACE_BROKEN)
		return false;
	/* Of Git's directories only the datasets in them are shown. */
	return dir->place.kind != PLACE_GIT_TREE && dir->other.kind != dir->place.kind;
}

void spot_path(const struct node_key *dir, const char *name, struct node_key *path)
{
	struct id_hasher hasher;
	struct id id;

	id_hasher_init(&hasher);
	id_hasher_update(&hasher, dir->bytes, sizeof(dir->bytes));
	id_hasher_update(&hasher, name, strlen(name));
	id_hasher_final(&hasher, &id);
	memcpy(path->bytes, id.bytes, sizeof(path->bytes));
}

int spot_child(struct spots *spots, const struct spot *dir, const char *name, const struct place *place,
               struct spot *child)
{
	struct place other = {0};
	int err;

	if (!spot_is_whole(dir) && place_is_directory(&dir->other)) {
		err = place_child(&spots->world, &dir->other, name, strlen(name), &other, NULL);
		if (err == -ENOENT)
			other.kind = 0;
		else if (err)
			return err;
	}
	/* PLACE may lie in *CHILD. */
	child->place = *place;
	child->other = other;
	child->commit = dir->commit;
	child->side = dir->side;
	spot_path(&dir->path, name, &child->path);
	return 0;
}

int spot_child_at(struct spots *spots, const struct spot *dir, uint64_t rank, struct spot *child, char *name)
{
	char buffer[NAME_SIZE_MAX + 1];
	struct place place;
	int err;

	err = place_child_at(&spots->world, &dir->place, rank, &place, buffer);
	if (!err)
		err = spot_child(spots, dir, buffer, &place, child);
	if (!err && name)
		strcpy(name, buffer);
	return err;
}

/* The root of a commit, or of a side of a range. */
static int spot_top(struct spots *spots, const struct node *node, struct spot *spot)
{
	const struct view_commit *commit;
	const struct view_range *range;
	const struct oid *shown, *other;
	size_t len;
	int err;

	*spot = (struct spot){0};
	if (node->kind == VIEW_COMMIT) {
		commit = node_text(spots->nodes, node->id, &len);
		if (!commit)
			return -ESTALE;
		spot->commit = commit->commit;
		return place_root(&spots->world, &spot->commit, &spot->place);
	}
	range = node_text(spots->nodes, node->parent, &len);
	if (!range)
		return -ESTALE;
	shown = node->value == SIDE_DELETED ? &range->a : &range->b;
	other = node->value == SIDE_DELETED ? &range->b : &range->a;
	spot->commit = *shown;
	spot->side = (uint8_t)node->value;
	err = place_root(&spots->world, shown, &spot->place);
	if (!err)
		err = place_root(&spots->world, other, &spot->other);
	return err;
}

/* The nodes from ID upwards whose spots are not kept; the one above the last is kept, or a top. */
struct climb {
	struct node *nodes;
	size_t count;
	size_t capacity;
};

static int climb_add(struct climb *climb, const struct node *node)
{
	struct node *nodes;
	size_t capacity;

	if (climb->count == climb->capacity) {
		capacity = climb->capacity ? climb->capacity * 2 : 16;
		nodes = reallocarray(climb->nodes, capacity, sizeof(*nodes));
		if (!nodes)
			return -ENOMEM;
		climb->nodes = nodes;
		climb->capacity = capacity;
	}
	climb->nodes[climb->count++] = *node;
	return 0;
}

static int climb_up(struct spots *spots, uint64_t id, struct climb *climb, struct spot *spot)
{
	struct node node;
	int err;

	while (!kept_find(spots, id, spot)) {
		err = node_get(spots->nodes, id, &node);
		if (err)
			return err;
		switch (node.kind) {
		case VIEW_COMMIT:
		case VIEW_SIDE:
			err = spot_top(spots, &node, spot);
			if (!err)
				spot_keep(spots, id, spot);
			return err;
		case VIEW_DIRECTORY:
		case VIEW_FILE:
		case VIEW_SYMLINK:
			break;
		default:
			return -ENOTDIR;
		}
		err = climb_add(climb, &node);
		if (err)
			return err;
		id = node.parent;
	}
	return 0;
}

/* By the first parents. */
static int spot_by_parent(struct spots *spots, uint64_t id, struct spot *spot)
{
	struct climb climb = {0};
	struct spot above;
	int err;

	err = climb_up(spots, id, &climb, &above);
	while (!err && climb.count) {
		const struct node *node = &climb.nodes[--climb.count];
		struct spot child;

		err = spot_child_at(spots, &above, node->value, &child, NULL);
		if (err)
			break;
		spot_keep(spots, node->id, &child);
		above = child;
	}
	free(climb.nodes);
	if (!err)
		*spot = above;
	return err;
}

int spot_of(struct spots *spots, uint64_t id, struct spot *spot)
{
	int err = spot_by_parent(spots, id, spot);
	struct spot above, other;
	struct node node;

	/* What several revisions share must not go with the commit that showed it first, which Git may have removed. */
	if (!err || is_unanswered(err) || err == -ESTALE || node_get(spots->nodes, id, &node) || !node.other_parent)
		return err;
	if (spot_by_parent(spots, node.other_parent, &above) ||
	    spot_child_at(spots, &above, node.other_value, &other, NULL))
		return err;
	spot_keep(spots, id, &other);
	*spot = other;
	return 0;
}
