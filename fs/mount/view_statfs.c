#include <errno.h>

#include "fs/mount/view_node.h"
#include "fs/mount/view_parts.h"
#include "fs/name.h"

#define BLOCK_SIZE 4096

static void fill(struct statvfs *st, uint64_t files, uint64_t bytes)
{
	*st = (struct statvfs){
	    .f_bsize = BLOCK_SIZE,
	    .f_frsize = BLOCK_SIZE,
	    .f_blocks = bytes / BLOCK_SIZE + (bytes % BLOCK_SIZE != 0),
	    .f_files = files,
	    .f_flag = ST_RDONLY,
	    .f_namemax = NAME_SIZE_MAX,
	};
}

static int add_dataset(void *arg, const char *path, const struct pointer *pointer, int error)
{
	struct totals *totals = arg;

	(void)path;
	/* What cannot be read has no size; reading it tells why. */
	if (error)
		return 0;
	if (__builtin_add_overflow(totals->files, pointer->files, &totals->files) ||
	    __builtin_add_overflow(totals->bytes, pointer->bytes, &totals->bytes))
		return -EOVERFLOW;
	return 0;
}

/* What all datasets of a commit hold. */
static int commit_totals(struct view *view, const struct oid *oid, struct totals *totals)
{
	struct repo_commit commit;
	int err;

	*totals = (struct totals){0};
	err = repo_commit(view->world.repo, oid, &commit);
	if (err)
		return err;
	err = dataset_each(view->world.repo, &commit.tree, add_dataset, totals);
	repo_commit_release(&commit);
	return err;
}

/* The totals of the dataset that NODE lies in, else those of its commit. */
static int data_totals(struct view *view, const struct node *node, struct totals *totals)
{
	struct node above = *node;
	struct spot spot;
	int err;

	for (;;) {
		err = spot_of(view->spots, above.id, &spot);
		if (err)
			return err;
		if (spot.place.is_dataset && spot.place.kind == PLACE_DATA_DIRECTORY)
			return directory_totals(view->world.source, &spot.place.directory, totals);
		if (spot.place.is_dataset || above.kind == VIEW_COMMIT || above.kind == VIEW_SIDE)
			break;
		err = node_get(view->nodes, above.parent, &above);
		if (err)
			return err;
	}
	if (!spot.place.is_dataset)
		return commit_totals(view, &spot.commit, totals);
	*totals = (struct totals){.files = 1, .bytes = spot.place.size};
	return 0;
}

int view_statfs(struct view *view, uint64_t id, struct statvfs *st)
{
	struct store_size size = {0};
	struct totals totals;
	struct node node;
	int err;

	err = node_get(view->nodes, id, &node);
	if (err)
		return err;
	switch (node.kind) {
	case VIEW_COMMIT:
	case VIEW_DIRECTORY:
	case VIEW_SIDE:
	case VIEW_FILE:
	case VIEW_SYMLINK:
		err = data_totals(view, &node, &totals);
		break;
	default:
		if (view->world.source && source_store(view->world.source))
			err = store_measure(source_store(view->world.source), &size);
		totals = (struct totals){.files = size.packs + size.roots, .bytes = size.bytes};
		break;
	}
	if (!err)
		fill(st, totals.files, totals.bytes);
	return view_fail(view, id, NULL, "measure it", err);
}
