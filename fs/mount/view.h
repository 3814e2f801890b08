/*
 * What a mount shows: directories, files and links of every revision behind node ids, without FUSE.
 *
 *     /               @NAME for each ref and @HEAD; anything else that resolves when it is looked up; .revfs, not
 * listed
 *     /@REV/          a commit's tree, datasets in place of their pointers (fs/place.h)
 *     /@A..B/         added, modified, deleted: what changed in the datasets between two commits
 *     /.revfs/        status, counters, metrics, errors: texts of the moment of their look-up
 *
 * What moves is a link to what does not.  Below a commit nothing ever changes.  Every function answers for one request
 * of the kernel, with 0, a count, or the -errno that the kernel is to be told: -EIO stands for whatever is damaged or
 * missing, whose reason is kept (`user.revfs.error`, .revfs/errors).
 *
 * Thread-safe.  The parts: view_refs.c, view_data.c, view_range.c, view_live.c, view_metrics.c, view_xattr.c;
 * they share fs/mount/view_parts.h.
 */
#ifndef FS_VIEW_H
#define FS_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "cache/memory.h"
#include "cache/wire.h"
#include "fs/mount/counters.h"
#include "fs/mount/node.h"
#include "fs/place.h"

#define VIEW_FOREVER 1e9     /* seconds that the kernel may keep what never changes */
#define VIEW_TARGET_MAX 4096 /* of a link, with the NUL byte */

struct view;

struct view_setup {
	struct place_world world; /* borrowed; the source may be NULL: no dataset can be read */
	const char *mountpoint;   /* for the status; copied */
	const char *version;      /* of the program, for the metrics; static, or NULL */
	const int *nodes;         /* NULL: begin anew; else the two descriptors of a node table to go on with */
	uid_t uid;                /* owner of everything */
	gid_t gid;
};

/* Show WORLD.  0 or -errno. */
int view_open(const struct view_setup *setup, struct view **view);

/* Free.  NULL is ignored. */
void view_close(struct view *view);

/* What requests and bytes are counted in. */
struct counters *view_counters(struct view *view);

/*
 * Append what the mount did and does to TEXT, in numbers: OpenMetrics 1.0.0.  Of remotes, the first as many are told as
 * fit into LIMIT bytes.
 */
void view_metrics(struct view *view, size_t limit, struct buffer *text);

/* The node table, for whoever follows this process. */
struct node_table *view_nodes(struct view *view);

struct view_entry {
	uint64_t id; /* 0: there is no such name, which may be remembered for entry_timeout_s */
	struct stat attr;
	double attr_timeout_s;
	double entry_timeout_s;
};

/* Look NAME up below the directory PARENT.  An id in *ENTRY is counted once: give it back where the answer did not
 * arrive. */
int view_lookup(struct view *view, uint64_t parent, const char *name, struct view_entry *entry);

/* Un-count COUNT look-ups of ID. */
void view_forget(struct view *view, uint64_t id, uint64_t count);

/* The attributes of ID, and how long the kernel may keep them. */
int view_attr(struct view *view, uint64_t id, struct stat *attr, double *timeout_s);

/* The target of a link. */
int view_readlink(struct view *view, uint64_t id, char target[VIEW_TARGET_MAX]);

/* Bytes of a file, pinned where they could be had without a copy. */
struct view_bytes {
	const void *data;
	size_t len;
	struct memory_value pin; /* private */
};

/*
 * Up to LEN bytes at OFFSET, fewer only at the end.  They lie in SCRATCH (of LEN bytes, the caller's) or in memory that
 * stays until view_unpin_bytes().
 */
int view_read(struct view *view, uint64_t id, uint64_t offset, void *scratch, size_t len, struct view_bytes *bytes);

/* Give back what view_read() gave. */
void view_unpin_bytes(struct view *view, struct view_bytes *bytes);

/* One name of a directory, while it is told. */
struct view_item {
	const char *name;
	uint64_t cookie; /* listing goes on behind it from here */
	uint64_t ino;
	mode_t type; /* S_IFDIR, S_IFREG, S_IFLNK */
	/* private, all but for what lies below a commit NULL: */
	const struct node *node; /* the directory */
	uint64_t rank;
	const struct node_key *path;
	const struct place *place;
};

typedef int (*view_each)(void *arg, const struct view_item *item);

/*
 * Call EACH for the names of the directory ID behind COOKIE (0: from the first, "." and ".." included) until it answers
 * other than 0.  Returns 0 or -errno; an error after names were told is returned by the next call instead.
 */
int view_list(struct view *view, uint64_t id, uint64_t cookie, view_each each, void *arg);

/*
 * The entry of an item, counted once like a look-up; only from within EACH.  Its id is 0 where names move: the kernel
 * then asks for each name that is used.
 */
int view_take_item(struct view *view, const struct view_item *item, struct view_entry *entry);

/*
 * The extended attribute NAME into VALUE of SIZE bytes; 0 asks for the length.  Returns the length; -ERANGE; -ENODATA
 * (no such attribute); -EOPNOTSUPP for names outside `user.revfs.`.
 */
ssize_t view_getxattr(struct view *view, uint64_t id, const char *name, void *value, size_t size);

/* The names of all, each with its NUL byte, into LIST of SIZE bytes; 0 asks for the length.  Returns the length;
 * -ERANGE. */
ssize_t view_listxattr(struct view *view, uint64_t id, void *list, size_t size);

/* Sizes of the dataset or commit that ID is in, at the root of the store. */
int view_statfs(struct view *view, uint64_t id, struct statvfs *st);

#endif
