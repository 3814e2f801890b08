/*
 * Writing one place of a revision to this machine, as a name in an open directory.
 *
 * Files keep their holes and get their executable bit; other bits are the umask's, as with git.  Nothing is written
 * through a symlink.  Thread-safe.
 */
#ifndef FS_DEPOSIT_H
#define FS_DEPOSIT_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "fs/place.h"

/* Whether NAME is what an unfinished file or link of DEPOSIT_REPLACE is called; a killed writer leaves them. */
bool deposit_is_unfinished(const char *name);

enum deposit_way {
	/*
	 * The folder is nobody's but the writer's: files are written where they belong, and the recorded time, set
	 * last, tells a whole one from one in part, so that what stands there whole, by an earlier run, is kept.
	 */
	DEPOSIT_PRIVATE,
	/* A file or link appears all at once, in the place of the file or link that stood there; it has the time of
	   writing. */
	DEPOSIT_REPLACE,
};

struct deposit {
	const struct place_world *world;
	enum deposit_way way;
	const atomic_bool *stop; /* may be NULL; once true, writing ends with -EINTR and leaves nothing */
};

/* What came of it. */
struct deposited {
	struct stat st;    /* of the file or link as it stands */
	bool kept;         /* it stood there already */
	bool cannot_write; /* the error is one of the disk, not of the store */
};

/*
 * Write PLACE, a file or a link, as NAME below DIRFD.
 * Returns 0; -EISDIR where a directory stands there, or PLACE is one; -EIO for a name that is `.git` to some file
 * system; -ENOTSUP for a foreign file; a broken place's own error; errors of content_read() and of the file system. On
 * failure nothing of it is left.
 */
int deposit_write(const struct deposit *d, int dirfd, const char *name, const struct place *place,
                  struct deposited *result);

#endif
