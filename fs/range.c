#include "fs/range.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fs/compare.h"
#include "fs/name.h"

#define KNOWN 1024

/* Which sides have something in a pair of directories. */
struct known {
	struct id a, b;
	uint8_t sides;
	bool complete; /* else there may be more */
};

struct ranges {
	struct place_world world;
	pthread_mutex_t lock; /* guards known */
	struct known known[KNOWN];
};

int ranges_open(const struct place_world *world, struct ranges **ranges)
{
	struct ranges *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->world = *world;
	pthread_mutex_init(&r->lock, NULL);
	*ranges = r;
	return 0;
}

void ranges_close(struct ranges *ranges)
{
	if (!ranges)
		return;
	pthread_mutex_destroy(&ranges->lock);
	free(ranges);
}

static struct known *known_place(struct ranges *ranges, const struct id *a, const struct id *b)
{
	return &ranges->known[((unsigned)(a->bytes[0] ^ b->bytes[1]) << 8 | (a->bytes[1] ^ b->bytes[0])) % KNOWN];
}

/* What is known of the pair, where that answers a question for WANTED. */
static bool known_find(struct ranges *ranges, const struct id *a, const struct id *b, uint8_t wanted, uint8_t *sides)
{
	struct known *known = known_place(ranges, a, b);
	bool found;

	pthread_mutex_lock(&ranges->lock);
	found = id_equal(&known->a, a) && id_equal(&known->b, b) && (known->complete || known->sides & wanted);
	if (found)
		*sides = known->sides;
	pthread_mutex_unlock(&ranges->lock);
	return found;
}

static void known_keep(struct ranges *ranges, const struct known *known)
{
	pthread_mutex_lock(&ranges->lock);
	*known_place(ranges, &known->a, &known->b) = *known;
	pthread_mutex_unlock(&ranges->lock);
}

struct search {
	uint8_t sides;
	uint8_t wanted;
};

static int search_each(void *arg, const char *path, size_t path_len, const struct entry *a, const struct entry *b)
{
	struct search *search = arg;

	(void)path;
	(void)path_len;
	if (a && b)
		search->sides |= SIDE_MODIFIED;
	else
		search->sides |= a ? SIDE_DELETED : SIDE_ADDED;
	return search->sides & search->wanted ? -ECANCELED : 1;
}

/* The sides on which the directories A and B differ, at any depth; at least whether that is WANTED. */
static int directory_sides(struct ranges *ranges, const struct directory *a, const struct directory *b, uint8_t wanted,
                           uint8_t *sides)
{
	struct search search = {.wanted = wanted};
	struct known known = {.a = a->id, .b = b->id};
	int err;

	*sides = 0;
	if (id_equal(&a->id, &b->id) || known_find(ranges, &a->id, &b->id, wanted, sides))
		return 0;
	err = compare_trees(ranges->world.source, a, b, search_each, &search);
	if (err && err != -ECANCELED)
		return err;
	known.sides = search.sides;
	known.complete = err == 0;
	known_keep(ranges, &known);
	*sides = search.sides;
	return 0;
}

/* The sides on which two entries of one name differ; either may be NULL. */
static int entry_sides(struct ranges *ranges, const struct entry *a, const struct entry *b, uint8_t wanted,
                       uint8_t *sides)
{
	struct directory below_a, below_b;

	*sides = 0;
	if (!a || !b) {
		*sides = a ? SIDE_DELETED : b ? SIDE_ADDED : SIDE_NONE;
	} else if (a->kind != b->kind) {
		*sides = SIDE_DELETED | SIDE_ADDED;
	} else if (a->kind == ENTRY_DIRECTORY) {
		directory_of(a, &below_a);
		directory_of(b, &below_b);
		return directory_sides(ranges, &below_a, &below_b, wanted, sides);
	} else if (!compare_entries_equal(a, b)) {
		*sides = SIDE_MODIFIED;
	}
	return 0;
}

/* The same for two datasets of one path. */
static int dataset_sides(struct ranges *ranges, const struct pointer *a, const struct pointer *b, uint8_t wanted,
                         uint8_t *sides)
{
	struct directory below_a, below_b;

	*sides = 0;
	if (!a || !b) {
		*sides = a ? SIDE_DELETED : b ? SIDE_ADDED : SIDE_NONE;
	} else if (a->is_file != b->is_file) {
		*sides = SIDE_DELETED | SIDE_ADDED;
	} else if (!a->is_file) {
		dataset_directory(a, &below_a);
		dataset_directory(b, &below_b);
		return directory_sides(ranges, &below_a, &below_b, wanted, sides);
	} else if (!id_equal(&a->root, &b->root)) {
		*sides = SIDE_MODIFIED;
	}
	return 0;
}

/* What cannot be compared because of what it is is shown, on every side: looking into it says why, and it hides nothing
 * that stands beside it. */
static int show_damage(int err, uint8_t *sides)
{
	if (err != -EBADMSG && err != -ENODATA && err != -ENOTSUP && err != -ENOENT)
		return err;
	*sides = SIDE_ADDED | SIDE_MODIFIED | SIDE_DELETED;
	return 0;
}

/* What stands in the way of telling what changed in DIR; 0 for nothing. */
static int incomparable(const struct spot *dir)
{
	if (dir->place.kind == PLACE_BROKEN)
		return dir->place.error;
	return dir->other.kind == PLACE_BROKEN ? dir->other.error : 0;
}

/* --- Git's directories: what leads to datasets that changed --- */

struct name {
	char *text;
	uint64_t rank;
	struct place place;
};

struct names {
	struct ranges *ranges;
	uint8_t side;
	const char *only; /* NULL: all */
	struct name *list;
	size_t count;
	size_t capacity;
};

static void names_release(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].text);
	free(names->list);
}

static int names_add(struct names *names, const char *text, size_t len)
{
	char *copy;

	if (names->count == names->capacity) {
		size_t capacity = names->capacity ? names->capacity * 2 : 16;
		struct name *list = reallocarray(names->list, capacity, sizeof(*list));

		if (!list)
			return -ENOMEM;
		names->list = list;
		names->capacity = capacity;
	}
	copy = strndup(text, len);
	if (!copy)
		return -ENOMEM;
	names->list[names->count++] = (struct name){.text = copy};
	return 0;
}

/* Told of a dataset that changed: its first component is shown where the dataset has something on this side. */
static int names_each_dataset(void *arg, const char *path, const struct pointer *a, const struct pointer *b, int error)
{
	struct names *names = arg;
	size_t len = strcspn(path, "/");
	uint8_t sides;
	int err;

	if (names->only && (strncmp(names->only, path, len) != 0 || names->only[len]))
		return 0;
	/* Datasets come in path order, so those of one folder behind one another. */
	if (names->count) {
		const char *last = names->list[names->count - 1].text;

		if (strncmp(last, path, len) == 0 && !last[len])
			return 0;
	}
	err = error ? error : dataset_sides(names->ranges, a, b, names->side, &sides);
	err = show_damage(err, &sides);
	if (err)
		return err;
	return sides & names->side ? names_add(names, path, len) : 0;
}

static int names_collect(struct names *names, const struct spot *dir)
{
	const struct oid *shown = &dir->place.oid;
	const struct oid *other = dir->other.kind == PLACE_GIT_TREE ? &dir->other.oid : NULL;
	bool deleted = dir->side == SIDE_DELETED;

	return dataset_each_changed(names->ranges->world.repo, deleted ? shown : other, deleted ? other : shown,
	                            names_each_dataset, names);
}

static int name_order(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int git_each_child(struct ranges *ranges, const struct spot *dir, uint64_t from, place_each_fn each, void *arg)
{
	struct names names = {.ranges = ranges, .side = dir->side};
	int err;

	err = names_collect(&names, dir);
	for (size_t i = 0; !err && i < names.count; i++) {
		struct name *name = &names.list[i];

		err =
		    place_child(&ranges->world, &dir->place, name->text, strlen(name->text), &name->place, &name->rank);
	}
	if (!err && names.count)
		qsort(names.list, names.count, sizeof(names.list[0]), name_order);
	for (size_t i = 0; !err && i < names.count; i++)
		if (names.list[i].rank >= from)
			err = each(arg, names.list[i].text, names.list[i].rank, &names.list[i].place);
	names_release(&names);
	return err;
}

static int git_child(struct ranges *ranges, const struct spot *dir, const char *name, struct place *child,
                     uint64_t *rank)
{
	struct names names = {.ranges = ranges, .side = dir->side, .only = name};
	int err;

	err = names_collect(&names, dir);
	if (!err)
		err = names.count ? place_child(&ranges->world, &dir->place, name, strlen(name), child, rank) : -ENOENT;
	names_release(&names);
	return err;
}

/* --- directories of a dataset that stand on both sides --- */

static void data_sides(const struct spot *dir, const struct directory **a, const struct directory **b)
{
	*a = dir->side == SIDE_DELETED ? &dir->place.directory : &dir->other.directory;
	*b = dir->side == SIDE_DELETED ? &dir->other.directory : &dir->place.directory;
}

struct level {
	struct ranges *ranges;
	const struct spot *dir;
	place_each_fn each;
	void *arg;
};

static int level_each(void *arg, const char *path, size_t path_len, const struct entry *a, const struct entry *b)
{
	struct level *level = arg;
	char name[NAME_SIZE_MAX + 1];
	struct place child;
	uint64_t rank;
	uint8_t sides;
	int err;

	err = show_damage(entry_sides(level->ranges, a, b, level->dir->side, &sides), &sides);
	if (err || !(sides & level->dir->side))
		return err;
	if (path_len > NAME_SIZE_MAX)
		return -EBADMSG;
	memcpy(name, path, path_len);
	name[path_len] = '\0';
	err = place_child(&level->ranges->world, &level->dir->place, name, path_len, &child, &rank);
	return err ? err : level->each(level->arg, name, rank, &child);
}

static int data_each_child(struct ranges *ranges, const struct spot *dir, uint64_t from, place_each_fn each, void *arg)
{
	struct level level = {.ranges = ranges, .dir = dir, .each = each, .arg = arg};
	const struct directory *a, *b;
	char first[NAME_SIZE_MAX + 1];
	struct place place;
	int err;

	data_sides(dir, &a, &b);
	if (from == 0)
		return compare_level(ranges->world.source, a, b, NULL, 0, level_each, &level);
	err = place_child_at(&ranges->world, &dir->place, from, &place, first);
	if (err)
		return err == -ENOENT ? 0 : err;
	return compare_level(ranges->world.source, a, b, first, strlen(first), level_each, &level);
}

static int find_entry(struct ranges *ranges, const struct directory *directory, const char *name, struct entry_pin *pin,
                      const struct entry **entry)
{
	int err = tree_find(ranges->world.source, directory, name, strlen(name), pin);

	if (err && err != -ENOENT)
		return err;
	*entry = err ? NULL : &pin->entry;
	return 0;
}

static int data_child(struct ranges *ranges, const struct spot *dir, const char *name, struct place *child,
                      uint64_t *rank)
{
	struct entry_pin pin_a = {0}, pin_b = {0};
	const struct entry *entry_a, *entry_b;
	const struct directory *a, *b;
	uint8_t sides;
	int err;

	data_sides(dir, &a, &b);
	err = find_entry(ranges, a, name, &pin_a, &entry_a);
	if (err)
		return err;
	err = find_entry(ranges, b, name, &pin_b, &entry_b);
	if (err)
		goto out;
	err = show_damage(entry_sides(ranges, entry_a, entry_b, dir->side, &sides), &sides);
	if (!err)
		err = sides & dir->side ? place_child(&ranges->world, &dir->place, name, strlen(name), child, rank)
		                        : -ENOENT;
	if (entry_b)
		tree_unpin_entry(ranges->world.source, &pin_b);
out:
	if (entry_a)
		tree_unpin_entry(ranges->world.source, &pin_a);
	return err;
}

int range_child(struct ranges *ranges, const struct spot *dir, const char *name, struct place *child, uint64_t *rank)
{
	int err = incomparable(dir);

	if (err)
		return err;
	if (dir->place.kind == PLACE_GIT_TREE)
		return git_child(ranges, dir, name, child, rank);
	return data_child(ranges, dir, name, child, rank);
}

int range_each_child(struct ranges *ranges, const struct spot *dir, uint64_t from, place_each_fn each, void *arg)
{
	int err = incomparable(dir);

	if (err)
		return err;
	if (dir->place.kind == PLACE_GIT_TREE)
		return git_each_child(ranges, dir, from, each, arg);
	return data_each_child(ranges, dir, from, each, arg);
}
