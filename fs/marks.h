/*
 * The marks of an upper folder, met on a walk through it: fs/scan.h's, opened with the prefix of the dialect.
 *
 * Belongs to the thread of the walk.
 */
#ifndef FS_MARKS_H
#define FS_MARKS_H

#include "cache/wire.h"
#include "fs/layer.h"
#include "fs/scan.h"

struct marks {
	enum layer_dialect dialect; /* set by the caller; LAYER_NONE: there are none */
	struct buffer hidden;       /* private: the name that was hidden last in this directory, with a NUL byte */
};

enum marks_say {
	MARKS_SHOWN = 0, /* what was met is as it looks */
	MARKS_HIDES,     /* it is no more than a mark: its name is not to be seen, nor what is below it */
	MARKS_NOTHING,   /* it is no more than a mark, which says nothing new of names */
};

/* What MET, of SCAN_ENTRY or SCAN_ENTER, says; a directory that is no more than a mark is to be skipped.  Returns 0 or
 * -errno. */
int marks_say(struct marks *marks, const struct scan_step *met, enum marks_say *say);

/*
 * Into the directory that SCAN stands before: *BARE where nothing shows through it.  Returns 0; -EREMOTE where what is
 * in it is at another place; -ENAMETOOLONG where folders are nested too deep; -ENOMEM; -errno.
 */
int marks_enter(struct marks *marks, struct scan *scan, bool *bare);

/* Out of it. */
void marks_leave(struct marks *marks);

/* Free what it holds. */
void marks_release(struct marks *marks);

#endif
