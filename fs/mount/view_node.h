/*
 * The kinds of nodes of a view, and the texts that some of them carry in the node table.
 *
 * A successor reads what its predecessor wrote: a kind keeps its number and a text its layout, or the table's magic
 * changes.  Strings end with a NUL byte, which is part of the text.
 */
#ifndef FS_VIEW_NODE_H
#define FS_VIEW_NODE_H

#include <stdint.h>

#include "fs/git/repo.h"
#include "fs/mount/node.h"

enum view_kind {
	VIEW_ROOT = 1,
	VIEW_REFS,      /* a folder of refs: text view_refs */
	VIEW_LINK,      /* what moves, at one target: text view_link */
	VIEW_COMMIT,    /* @<commit id>, @TAG: text view_commit */
	VIEW_DIRECTORY, /* below a commit or a side; the value is its rank in its parent, as of the next two */
	VIEW_FILE,
	VIEW_SYMLINK,
	VIEW_RANGE,     /* @A..B: text view_range */
	VIEW_SIDE,      /* added, modified, deleted; the value is the enum range_side */
	VIEW_LIVE,      /* .revfs */
	VIEW_LIVE_FILE, /* a file in it, of one moment: text view_live */
};

struct view_refs {
	uint64_t ino;
	char prefix[]; /* "feature/": without the @ */
};

struct view_link {
	uint64_t ino;
	int64_t time; /* seconds since 1970 */
	char target[];
};

struct view_commit {
	uint64_t ino;
	struct oid commit;
	char name[]; /* without the @ */
};

struct view_range {
	uint64_t ino;
	int64_t time; /* of b */
	struct oid a, b;
	char name[];
};

struct view_live {
	uint64_t ino;
	int64_t seconds;
	uint32_t nanoseconds;
	uint32_t len;
	char name[16];
	char text[]; /* len bytes */
};

#endif
