#include <assert.h>
#include <errno.h>
#include <string.h>

#include "fs/mount/view_node.h"
#include "fs/mount/view_parts.h"
#include "fs/name.h"

/* A child on its way to become a node. */
struct birth {
	uint64_t parent;
	uint64_t rank;
	const char *name;
	const struct node_key *dir;  /* key of the parent's node */
	const struct node_key *path; /* of the child, within the revision */
	const struct place *place;
};

static uint8_t place_node_kind(const struct place *place)
{
	if (place_is_directory(place))
		return VIEW_DIRECTORY;
	return S_ISLNK(place_mode(place)) ? VIEW_SYMLINK : VIEW_FILE;
}

/*
 * Files are one node wherever the same path of a revision has the same content and times; directories and links are one
 * node for each path of the mount.
 */
static void birth_key(const struct birth *birth, struct node_key *key)
{
	struct {
		struct node_key path;
		uint8_t identity[16];
	} file;
	struct id id;

	if (place_node_kind(birth->place) != VIEW_FILE) {
		view_key(place_is_directory(birth->place) ? "directory" : "symlink", birth->dir, birth->name, key);
		return;
	}
	file.path = *birth->path;
	place_identity(birth->place, file.identity);
	id_of(&file, sizeof(file), &id);
	memcpy(key->bytes, id.bytes, sizeof(key->bytes));
}

static void place_attr(const struct view *view, uint64_t ino, const struct place *place, struct stat *attr)
{
	uint64_t size = place->size;

	/* A file of size 0 would read as empty without a request, and its error would never be told. */
	if (place->kind == PLACE_BROKEN && size == 0)
		size = 1;
	if (place_is_directory(place))
		size = 0;
	view_fill(view, ino, place_mode(place), size, &place->time, attr);
}

static int birth_take(struct view *view, const struct birth *birth, struct view_entry *entry)
{
	struct node_spec spec = {.parent = birth->parent, .value = birth->rank, .kind = place_node_kind(birth->place)};
	int err;

	spec.shared = spec.kind == VIEW_FILE;
	birth_key(birth, &spec.key);
	err = node_take(view->nodes, &spec, &entry->id);
	if (err)
		return err;
	place_attr(view, view_ino(&spec.key), birth->place, &entry->attr);
	/* What is missing now may be there the next time. */
	entry->attr_timeout_s = entry->entry_timeout_s = birth->place->kind == PLACE_BROKEN ? 1 : VIEW_FOREVER;
	return 0;
}

int view_data_lookup(struct view *view, const struct node *parent, const char *name, struct view_entry *entry)
{
	struct birth birth = {.parent = parent->id, .name = name, .dir = &parent->key};
	struct spot dir, child;
	struct place place;
	int err;

	if (strlen(name) > NAME_SIZE_MAX)
		return -ENAMETOOLONG;
	err = spot_of(view->spots, parent->id, &dir);
	if (err)
		return err == -ENOENT ? -ENODATA : err;
	if (!place_is_directory(&dir.place))
		return -ENOTDIR;
	if (spot_is_whole(&dir))
		err = place_child(&view->world, &dir.place, name, strlen(name), &place, &birth.rank);
	else
		err = range_child(view->ranges, &dir, name, &place, &birth.rank);
	if (!err)
		err = spot_child(view->spots, &dir, name, &place, &child);
	if (err)
		return err;
	birth.path = &child.path;
	birth.place = &child.place;
	err = birth_take(view, &birth, entry);
	if (!err)
		spot_keep(view->spots, entry->id, &child);
	return err;
}

int view_data_attr(struct view *view, const struct node *node, struct stat *attr)
{
	struct spot spot;
	int err = spot_of(view->spots, node->id, &spot);

	if (err)
		return err;
	place_attr(view, view_node_ino(view, node), &spot.place, attr);
	return 0;
}

int view_data_readlink(struct view *view, const struct node *node, char target[VIEW_TARGET_MAX])
{
	struct spot spot;
	int err;

	static_assert(VIEW_TARGET_MAX >= PAGE_SYMLINK_MAX + 1, "a target fits");
	err = spot_of(view->spots, node->id, &spot);
	return err ? err : place_target(&view->world, &spot.place, target);
}

/* --- listing --- */

struct listing {
	struct view *view;
	const struct node *node;
	const struct spot *dir;
	view_each each;
	void *arg;
};

static int listing_each(void *arg, const char *name, uint64_t rank, const struct place *place)
{
	struct listing *listing = arg;
	struct node_key path, key;
	struct birth birth = {
	    .parent = listing->node->id, .name = name, .dir = &listing->node->key, .path = &path, .place = place};
	struct view_item item = {.name = name,
	                         .cookie = rank + 3,
	                         .type = place_mode(place) & S_IFMT,
	                         .node = listing->node,
	                         .rank = rank,
	                         .path = &path,
	                         .place = place};

	spot_path(&listing->dir->path, name, &path);
	birth_key(&birth, &key);
	item.ino = view_ino(&key);
	return listing->each(listing->arg, &item);
}

int view_data_list(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg)
{
	struct spot dir;
	struct listing listing = {.view = view, .node = node, .dir = &dir, .each = each, .arg = arg};
	uint64_t from = cookie > 2 ? cookie - 2 : 0;
	int err;

	err = spot_of(view->spots, node->id, &dir);
	if (err)
		return err;
	if (!place_is_directory(&dir.place))
		return -ENOTDIR;
	if (from == 0 && dir.place.kind == PLACE_DATA_DIRECTORY)
		ahead_note_folder(view->ahead, node->parent, node->value);
	if (spot_is_whole(&dir))
		return place_each_child(&view->world, &dir.place, from, listing_each, &listing);
	return range_each_child(view->ranges, &dir, from, listing_each, &listing);
}

int view_data_take(struct view *view, const struct view_item *item, struct view_entry *entry)
{
	struct birth birth = {.parent = item->node->id,
	                      .rank = item->rank,
	                      .name = item->name,
	                      .dir = &item->node->key,
	                      .path = item->path,
	                      .place = item->place};

	return birth_take(view, &birth, entry);
}

/* --- reading --- */

/* One chunk is handed out from where it is held. */
static int read_chunk(struct view *view, const struct content *content, uint64_t offset, size_t len,
                      struct view_bytes *bytes)
{
	int err;

	err =
	    source_pin_chunk(view->world.source, &content->id, (uint32_t)content->size, &content->locator, &bytes->pin);
	if (err)
		return err;
	bytes->data = (const uint8_t *)bytes->pin.data + offset;
	bytes->len = len < content->size - offset ? len : content->size - offset;
	return 0;
}

int view_data_read(struct view *view, const struct node *node, uint64_t offset, void *scratch, size_t len,
                   struct view_bytes *bytes)
{
	const struct content *content;
	struct spot spot;
	ssize_t count;
	int err;

	err = spot_of(view->spots, node->id, &spot);
	if (err)
		return err;
	if (spot.place.kind == PLACE_BROKEN)
		return spot.place.error;
	if (offset >= spot.place.size)
		return 0;
	content = &spot.place.content;
	if (offset == 0 && spot.place.kind == PLACE_DATA_FILE)
		ahead_note(view->ahead, node->parent, node->value);
	if (spot.place.kind == PLACE_DATA_FILE && !spot.place.foreign && content->form == CONTENT_CHUNK &&
	    view->world.source)
		return read_chunk(view, content, offset, len, bytes);
	count = place_read(&view->world, &spot.place, scratch, len, offset);
	if (count < 0)
		return (int)count;
	bytes->len = (size_t)count;
	return 0;
}
