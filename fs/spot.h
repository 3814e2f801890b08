/*
 * Spots: what the nodes of revisions stand for.
 *
 * A node below a commit is only (parent, rank); its spot is derived from that of its parent, up to the commit, and kept
 * for a while.  A process that adopts a node table derives the same spots again.
 *
 * Thread-safe; a struct spot is plain data.
 */
#ifndef FS_SPOT_H
#define FS_SPOT_H

#include "fs/mount/node.h"
#include "fs/place.h"

/* A side of @A..B. */
enum range_side {
	SIDE_NONE = 0, /* a commit, not a range */
	SIDE_ADDED = 1,
	SIDE_MODIFIED = 2,
	SIDE_DELETED = 4,
};

struct spot {
	struct place place;   /* what is shown */
	struct place other;   /* in a range: what stands at the same path on the other side; kind 0: nothing */
	struct node_key path; /* stands for the path from the root of the commit */
	struct oid commit;    /* that the place belongs to */
	uint8_t side;         /* enum range_side */
};

struct spots;

/* WORLD is copied, what it names and NODES are borrowed.  0 or -ENOMEM. */
int spots_open(const struct place_world *world, struct node_table *nodes, struct spots **spots);

/* Free.  NULL is ignored. */
void spots_close(struct spots *spots);

/* The spot of the node ID: a commit, a side, or anything below.  Returns 0; -ESTALE where the id is unknown; -ENOTDIR
 * for a node that is no such thing; errors of place_root() and place_child_at(). */
int spot_of(struct spots *spots, uint64_t id, struct spot *spot);

/* Remember SPOT as that of the node ID. */
void spot_keep(struct spots *spots, uint64_t id, const struct spot *spot);

/* The spot of what is called NAME below the directory DIR, where PLACE stands. */
int spot_child(struct spots *spots, const struct spot *dir, const char *name, const struct place *place,
               struct spot *child);

/* The child of rank RANK, and its name where NAME is not NULL (NAME_SIZE_MAX + 1 bytes). */
int spot_child_at(struct spots *spots, const struct spot *dir, uint64_t rank, struct spot *child, char *name);

/* The key of the path NAME below the one of DIR. */
void spot_path(const struct node_key *dir, const char *name, struct node_key *path);

/* Whether all that the place of DIR holds is shown: not in a directory of a range that stands on both sides. */
bool spot_is_whole(const struct spot *dir);

#endif
