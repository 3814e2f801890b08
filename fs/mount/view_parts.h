/*
 * What the parts of the view share, and nobody else: kinds of nodes, their texts, and how each part is asked.
 */
#ifndef FS_VIEW_PARTS_H
#define FS_VIEW_PARTS_H

#include <pthread.h>
#include <time.h>

#include "cache/wire.h"
#include "fs/ahead.h"
#include "fs/git/refs.h"
#include "fs/mount/failures.h"
#include "fs/mount/view.h"
#include "fs/range.h"
#include "fs/shown.h"
#include "fs/spot.h"

struct view {
	struct place_world world;
	struct node_table *nodes;
	struct spots *spots;
	struct ahead *ahead;
	struct ranges *ranges;
	struct refs *refs;
	struct failures *failures;
	struct shown *shown;
	struct counters counters;
	char *mountpoint;
	const char *version;
	struct timespec since;
	uid_t uid;
	gid_t gid;
};

/* --- attributes (view.c) --- */

/* A number for st_ino out of a key: never 0, and never the root's. */
uint64_t view_ino(const struct node_key *key);

/* The key of what is called NAME in the directory whose key is PARENT; KIND keeps different things of one name apart.
 */
void view_key(const char *kind, const struct node_key *parent, const char *name, struct node_key *key);

/* The st_ino of a node. */
uint64_t view_node_ino(struct view *view, const struct node *node);

/* What st_blksize says: how much is best read at once. */
#define VIEW_BLOCK_SIZE 65536

/* Fill ATTR for something of MODE with SIZE bytes and TIME. */
void view_fill(const struct view *view, uint64_t ino, mode_t mode, uint64_t size, const struct timespec *time,
               struct stat *attr);

/*
 * Keep the reason of an ERROR that is not an ordinary answer, of node ID or, where NAME is not NULL, of a name below
 * it. Returns what the kernel is to be told: ordinary answers as they are, else -EIO.
 */
int view_fail(struct view *view, uint64_t id, const char *name, const char *what, int error);

/* The path of the node ID in the mount, or of NAME (may be NULL) below it; for messages.  malloc'ed, NULL without
 * memory; what cannot be told is "?". */
char *view_path(struct view *view, uint64_t id, const char *name);

/* Tell "." and ".." of the directory NODE where COOKIE is before them.  Returns what EACH answered. */
int view_list_dots(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg);

/* --- names at the root (view_refs.c) --- */

/* NAME below the root or a folder of refs, without the `@` of the root. */
int view_refs_lookup(struct view *view, const struct node *parent, const char *name, struct view_entry *entry);

/* Of the root, a folder of refs, or a link. */
int view_refs_attr(struct view *view, const struct node *node, struct stat *attr, double *timeout_s);

/* Where a VIEW_LINK leads. */
int view_refs_readlink(struct view *view, const struct node *node, char target[VIEW_TARGET_MAX]);

/* The root or a folder of refs. */
int view_refs_list(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg);

/* --- below a commit or a side (view_data.c) --- */

/* NAME in a directory. */
int view_data_lookup(struct view *view, const struct node *parent, const char *name, struct view_entry *entry);

/* Of anything there. */
int view_data_attr(struct view *view, const struct node *node, struct stat *attr);

/* Where a VIEW_SYMLINK leads. */
int view_data_readlink(struct view *view, const struct node *node, char target[VIEW_TARGET_MAX]);

/* A directory. */
int view_data_list(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg);

/* The entry of an item that has a place. */
int view_data_take(struct view *view, const struct view_item *item, struct view_entry *entry);

/* Bytes of a file. */
int view_data_read(struct view *view, const struct node *node, uint64_t offset, void *scratch, size_t len,
                   struct view_bytes *bytes);

/* --- @A..B (view_range.c) --- */

/* The side NAME. */
int view_range_lookup(struct view *view, const struct node *parent, const char *name, struct view_entry *entry);

/* Of @A..B itself. */
int view_range_attr(struct view *view, const struct node *node, struct stat *attr);

/* The sides. */
int view_range_list(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg);

/* --- .revfs (view_live.c) --- */

#define VIEW_LIVE_NAME ".revfs"

/* The folder itself. */
int view_live_root(struct view *view, struct view_entry *entry);

/* The file NAME, as it is now. */
int view_live_lookup(struct view *view, const struct node *parent, const char *name, struct view_entry *entry);

/* Of the folder or a file. */
int view_live_attr(struct view *view, const struct node *node, struct stat *attr);

/* The folder. */
int view_live_list(struct view *view, const struct node *node, uint64_t cookie, view_each each, void *arg);

/* Bytes of a file. */
int view_live_read(struct view *view, const struct node *node, uint64_t offset, size_t len, struct view_bytes *bytes);

#endif
