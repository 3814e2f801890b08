#include "fs/place.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/id.h"
#include "cache/interrupt.h"
#include "fs/name.h"
#include "fs/place_git.h"

/*
 * Ranks in a Git tree: twice the number of the entry, and one more for the dataset that appears beside a pointer.  In a
 * dataset: the entry's own rank.
 */
static uint64_t rank_of(size_t number, bool is_dataset)
{
	return 2 * (uint64_t)number + is_dataset;
}

/* A name that stands there, and of which nothing else can be told. */
static void set_broken(struct place *place, int error)
{
	assert(error < 0);
	place->kind = PLACE_BROKEN;
	place->error = error;
}

/* Errors that are of the moment, and no property of what was looked at: whoever looks must ask again. */
static bool is_passing(int error)
{
	return is_unanswered(error) || error == -EMFILE || error == -ENFILE || error == -EIO;
}

static void place_init(struct place *place, int64_t commit_time)
{
	memset(place, 0, sizeof(*place));
	place->commit_time = commit_time;
	place->time.tv_sec = commit_time;
}

/* --- datasets --- */

static int content_place(const struct entry *entry, uint8_t kind, struct place *place)
{
	int r = content_of(entry, &place->content);

	if (r)
		return r;
	place->kind = kind;
	place->size = place->content.size;
	return 0;
}

void place_of_entry(const struct entry *entry, int64_t commit_time, struct place *place)
{
	int r = 0;

	place_init(place, commit_time);
	if (entry->time.known)
		place->time = (struct timespec){entry->time.seconds, entry->time.nanoseconds};
	place->size = entry->size;
	if (entry->broken) {
		set_broken(place, -EBADMSG);
		return;
	}
	switch (entry->kind) {
	case ENTRY_DIRECTORY:
		place->kind = PLACE_DATA_DIRECTORY;
		place->size = 0;
		directory_of(entry, &place->directory);
		break;
	case ENTRY_FILE:
		place->executable = entry->executable;
		r = content_place(entry, PLACE_DATA_FILE, place);
		break;
	case ENTRY_SYMLINK:
		r = content_place(entry, PLACE_DATA_LINK, place);
		break;
	case ENTRY_FOREIGN:
		place->kind = PLACE_DATA_FILE;
		place->executable = entry->executable;
		place->foreign = true;
		break;
	default:
		r = -EBADMSG;
		break;
	}
	if (r)
		set_broken(place, r);
}

/* The dataset that POINTER names; a root that is not there or is another than the pointer says makes it broken. */
static int dataset_place(const struct place_world *w, const struct pointer *pointer, int64_t commit_time,
                         struct place *place)
{
	struct page_pin root;
	struct entry entry;
	int r = -ENODATA;

	place_init(place, commit_time);
	if (w->source)
		r = dataset_open(w->source, pointer, &root);
	if (r) {
		place->is_dataset = true;
		place->is_directory = !pointer->is_file;
		place->size = pointer->is_file ? pointer->bytes : 0;
		set_broken(place, r == -ENOENT ? -ENODATA : r);
		return is_passing(r) ? r : 0;
	}
	if (pointer->is_file) {
		page_entry(root.page, 0, &entry);
		place_of_entry(&entry, commit_time, place);
	} else {
		place->kind = PLACE_DATA_DIRECTORY;
		dataset_directory(pointer, &place->directory);
		place->directory.totals = root.page->totals;
		place->directory.totals_known = true;
	}
	place->is_dataset = true;
	source_unpin_page(w->source, &root);
	return 0;
}

/* --- Git --- */

/* What an entry of a Git tree is. */
static int listed_place(const struct place_world *w, const struct listed *entry, int64_t commit_time,
                        struct place *place)
{
	int r;

	place_init(place, commit_time);
	place->oid = entry->oid;
	if (entry->state == LISTED_BROKEN) {
		set_broken(place, -EBADMSG);
		return 0;
	}
	if (entry->mode == 0040000 || entry->mode == 0160000) {
		place->kind = entry->mode == 0040000 ? PLACE_GIT_TREE : PLACE_SUBMODULE;
		return 0;
	}
	place->kind = entry->mode == 0120000 ? PLACE_GIT_LINK : PLACE_GIT_BLOB;
	place->executable = entry->mode == 0100755;
	r = place_blob_size(w, &entry->oid, &place->size);
	if (!r && place->kind == PLACE_GIT_LINK && (!place->size || place->size > PAGE_SYMLINK_MAX))
		r = -EBADMSG;
	if (r)
		set_broken(place, r);
	return is_passing(r) ? r : 0;
}

/* The dataset that appears beside the entry NUMBER, LEN bytes of whose name are the dataset's.  -ENOENT where there is
 * none: what looks like a pointer is none, or Git has an entry of that name. */
static int beside(const struct place_world *w, const struct listed_tree *tree, size_t number, size_t len,
                  int64_t commit_time, struct place *place)
{
	const struct listed *entry = &tree->entries[number];
	struct pointer pointer;
	int r;

	if (listed_find(tree, entry->name, len) >= 0)
		return -ENOENT;
	r = place_pointer(w, entry, &pointer);
	if (r == -EINVAL)
		return -ENOENT;
	if (!r && name_is_valid(entry->name, len))
		return dataset_place(w, &pointer, commit_time, place);
	place_init(place, commit_time);
	place->is_dataset = true;
	set_broken(place, r ? r : -EBADMSG);
	return is_passing(r) ? r : 0;
}

/* Whether the entry may have a dataset beside it. */
static bool may_be_pointer(const struct listed *entry, size_t *base_len)
{
	return entry->state == LISTED_SHOWN && (entry->mode & 0170000) == 0100000 &&
	       pointer_name(entry->name, entry->name_len, base_len);
}

static int tree_child(const struct place_world *w, const struct place *parent, const struct listed_tree *tree,
                      const char *name, size_t len, struct place *child, uint64_t *ordinal)
{
	char pointer[NAME_SIZE_MAX + 1];
	ssize_t at = listed_find(tree, name, len);
	size_t base_len;
	int r;

	if (at >= 0) {
		r = listed_place(w, &tree->entries[at], parent->commit_time, child);
		*ordinal = rank_of((size_t)at, false);
		return r;
	}
	if (!len || len > NAME_SIZE_MAX - POINTER_SUFFIX_LEN)
		return -ENOENT;
	memcpy(pointer, name, len);
	memcpy(pointer + len, POINTER_SUFFIX, POINTER_SUFFIX_LEN);
	at = listed_find(tree, pointer, len + POINTER_SUFFIX_LEN);
	if (at < 0 || !may_be_pointer(&tree->entries[at], &base_len))
		return -ENOENT;
	*ordinal = rank_of((size_t)at, true);
	return beside(w, tree, (size_t)at, len, parent->commit_time, child);
}

static void copy_name(char *name, const char *from, size_t len)
{
	assert(len <= NAME_SIZE_MAX);
	memcpy(name, from, len);
	name[len] = '\0';
}

/* The child of exactly that rank. */
static int tree_child_at(const struct place_world *w, const struct place *parent, const struct listed_tree *tree,
                         uint64_t ordinal, struct place *child, char *name)
{
	const uint64_t number = ordinal / 2;
	const struct listed *entry;
	size_t len;

	if (number >= tree->count)
		return -ENOENT;
	entry = &tree->entries[number];
	len = entry->name_len;
	if (entry->state == LISTED_DROPPED || (ordinal % 2 && !may_be_pointer(entry, &len)))
		return -ENOENT;
	copy_name(name, entry->name, len);
	if (ordinal % 2)
		return beside(w, tree, number, len, parent->commit_time, child);
	return listed_place(w, entry, parent->commit_time, child);
}

static int tree_each(const struct place_world *w, const struct place *parent, const struct listed_tree *tree,
                     uint64_t from, place_each_fn each, void *arg)
{
	char name[NAME_SIZE_MAX + 1];
	struct place child;
	int r = 0;

	for (uint64_t rank = from; !r && rank / 2 < tree->count; rank++) {
		r = tree_child_at(w, parent, tree, rank, &child, name);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		/* What can't be had now must not hide its siblings. */
		if (!r || r == -EIO)
			r = each(arg, name, rank, &child);
	}
	return r;
}

/* --- any place --- */

int place_root(const struct place_world *w, const struct oid *commit, struct place *place)
{
	struct oid tree;
	int64_t time;
	int r = place_commit(w, commit, &tree, &time);

	if (r)
		return r;
	place_init(place, time);
	place->kind = PLACE_GIT_TREE;
	place->oid = tree;
	return 0;
}

/* What stands in the way of looking into PARENT; 0 for nothing. */
static int not_a_directory(const struct place *parent)
{
	if (!place_is_directory(parent))
		return parent->kind == PLACE_BROKEN ? parent->error : -ENOTDIR;
	return parent->kind == PLACE_BROKEN ? parent->error : 0;
}

int place_child(const struct place_world *w, const struct place *parent, const char *name, size_t len,
                struct place *child, uint64_t *ordinal)
{
	const struct listed_tree *tree;
	struct entry_pin entry;
	struct place_pin pin;
	uint64_t rank = 0;
	int r = not_a_directory(parent);

	if (r)
		return r;
	if (parent->kind == PLACE_SUBMODULE)
		return -ENOENT;
	if (parent->kind == PLACE_GIT_TREE) {
		r = place_pin_tree(w, &parent->oid, &tree, &pin);
		if (r)
			return r;
		r = tree_child(w, parent, tree, name, len, child, &rank);
		place_unpin(w, &pin);
	} else {
		r = tree_find(w->source, &parent->directory, name, len, &entry);
		if (r)
			return r;
		place_of_entry(&entry.entry, parent->commit_time, child);
		rank = entry.ordinal;
		tree_unpin_entry(w->source, &entry);
	}
	if (!r && ordinal)
		*ordinal = rank;
	return r;
}

int place_child_at(const struct place_world *w, const struct place *parent, uint64_t ordinal, struct place *child,
                   char *name)
{
	char name_buffer[NAME_SIZE_MAX + 1];
	const struct listed_tree *tree;
	struct entry_pin entry;
	struct place_pin pin;
	int r = not_a_directory(parent);

	if (r)
		return r;
	if (parent->kind == PLACE_SUBMODULE)
		return -ENOENT;
	if (!name)
		name = name_buffer;
	if (parent->kind == PLACE_GIT_TREE) {
		r = place_pin_tree(w, &parent->oid, &tree, &pin);
		if (r)
			return r;
		r = tree_child_at(w, parent, tree, ordinal, child, name);
		place_unpin(w, &pin);
		return r;
	}
	r = tree_at(w->source, &parent->directory, ordinal, &entry);
	if (r)
		return r;
	copy_name(name, entry.entry.name, entry.entry.name_len);
	place_of_entry(&entry.entry, parent->commit_time, child);
	tree_unpin_entry(w->source, &entry);
	return 0;
}

static int directory_each(const struct place_world *w, const struct place *parent, uint64_t from, place_each_fn each,
                          void *arg)
{
	char name[NAME_SIZE_MAX + 1];
	struct tree_cursor cursor;
	struct entry entry;
	struct place child;
	uint64_t rank;
	int r, next = 0;

	r = tree_cursor_open(w->source, &parent->directory, from, &cursor);
	if (r)
		return r;
	while (!r) {
		rank = cursor.ordinal;
		next = tree_cursor_next(&cursor, &entry);
		if (next)
			break;
		copy_name(name, entry.name, entry.name_len);
		place_of_entry(&entry, parent->commit_time, &child);
		r = each(arg, name, rank, &child);
	}
	tree_cursor_close(&cursor);
	return r ? r : next == -ENOENT ? 0 : next;
}

int place_each_child(const struct place_world *w, const struct place *parent, uint64_t from, place_each_fn each,
                     void *arg)
{
	const struct listed_tree *tree;
	struct place_pin pin;
	int r = not_a_directory(parent);

	if (r || parent->kind == PLACE_SUBMODULE)
		return r;
	if (parent->kind != PLACE_GIT_TREE)
		return directory_each(w, parent, from, each, arg);
	r = place_pin_tree(w, &parent->oid, &tree, &pin);
	if (r)
		return r;
	r = tree_each(w, parent, tree, from, each, arg);
	place_unpin(w, &pin);
	return r;
}

int place_walk(const struct place_world *w, const struct place *parent, const char *path, struct place *place)
{
	struct place now = *parent, next;
	int r;

	while (*path) {
		size_t len = strcspn(path, "/");

		r = place_child(w, &now, path, len, &next, NULL);
		if (r)
			return r;
		now = next;
		path += len;
		path += *path == '/';
	}
	*place = now;
	return 0;
}

ssize_t place_read(const struct place_world *w, const struct place *place, void *data, size_t len, uint64_t offset)
{
	switch (place->kind) {
	case PLACE_GIT_BLOB:
	case PLACE_GIT_LINK:
		return place_read_blob(w, &place->oid, place->size, data, len, offset);
	case PLACE_DATA_FILE:
		if (place->foreign)
			return -EIO;
		/* fall through */
	case PLACE_DATA_LINK:
		return content_read(w->source, &place->content, data, len, offset);
	case PLACE_BROKEN:
		return place->error;
	default:
		return -EISDIR;
	}
}

int place_target(const struct place_world *w, const struct place *place, char target[PAGE_SYMLINK_MAX + 1])
{
	ssize_t n;

	if (place->kind == PLACE_BROKEN)
		return place->error;
	if (place->kind != PLACE_GIT_LINK && place->kind != PLACE_DATA_LINK)
		return -EINVAL;
	n = place_read(w, place, target, PAGE_SYMLINK_MAX, 0);
	if (n < 0)
		return (int)n;
	if ((uint64_t)n != place->size || memchr(target, '\0', (size_t)n))
		return -EBADMSG;
	target[n] = '\0';
	return 0;
}

bool place_is_directory(const struct place *place)
{
	switch (place->kind) {
	case PLACE_GIT_TREE:
	case PLACE_SUBMODULE:
	case PLACE_DATA_DIRECTORY:
		return true;
	default:
		return place->kind == PLACE_BROKEN && place->is_directory;
	}
}

mode_t place_mode(const struct place *place)
{
	if (place_is_directory(place))
		return S_IFDIR | 0755;
	if (place->kind == PLACE_GIT_LINK || place->kind == PLACE_DATA_LINK)
		return S_IFLNK | 0777;
	return S_IFREG | (place->executable ? 0755 : 0644);
}

void place_identity(const struct place *place, uint8_t identity[16])
{
	struct {
		int64_t seconds;
		int64_t nanoseconds;
		uint64_t size;
		int64_t error;
		uint8_t content[ID_SIZE];
		uint8_t kind;
		uint8_t flags;
	} key;
	struct id id;

	memset(&key, 0, sizeof(key));
	key.seconds = place->time.tv_sec;
	key.nanoseconds = place->time.tv_nsec;
	key.size = place->size;
	key.error = place->error;
	key.kind = place->kind;
	key.flags =
	    (uint8_t)(place->executable | place->foreign << 1 | place->is_dataset << 2 | place->is_directory << 3);
	if ((place->kind == PLACE_DATA_FILE && !place->foreign) || place->kind == PLACE_DATA_LINK)
		content_id(&place->content, &id);
	else if (place->kind == PLACE_DATA_DIRECTORY)
		id = place->directory.id;
	else
		memcpy(id.bytes, place->oid.bytes, sizeof(id.bytes));
	memcpy(key.content, id.bytes, sizeof(key.content));
	id_of(&key, sizeof(key), &id);
	memcpy(identity, id.bytes, 16);
}
