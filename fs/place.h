/*
 * A place in a revision: what stands at a path of a commit once pointer files have been replaced by data.
 *
 * The one view of a revision that the mount and the commands share: Git's trees and blobs, and datasets, behind one set
 * of questions.  A struct place is plain data and may be copied.  Thread-safe.
 */
#ifndef FS_PLACE_H
#define FS_PLACE_H

#include "fs/content.h"
#include "fs/dataset.h"
#include "fs/git/repo.h"
#include "fs/tree.h"

enum place_kind {
	PLACE_GIT_TREE = 1,
	PLACE_GIT_BLOB,
	PLACE_GIT_LINK,
	PLACE_SUBMODULE, /* an empty directory */
	PLACE_DATA_DIRECTORY,
	PLACE_DATA_FILE,
	PLACE_DATA_LINK,
	PLACE_BROKEN, /* stands there, but what it is cannot be told; error says why */
};

struct place {
	uint8_t kind; /* enum place_kind */
	bool executable;
	uint64_t size; /* files; links: length of the target; directories 0 */
	struct timespec time;
	int64_t commit_time;        /* the time of what carries none of its own */
	struct oid oid;             /* Git's things */
	struct directory directory; /* PLACE_DATA_DIRECTORY */
	struct content content;     /* PLACE_DATA_FILE, PLACE_DATA_LINK */
	bool foreign;               /* PLACE_DATA_FILE of a foreign entry: reading is -EIO */
	bool is_dataset;            /* the root of a dataset */
	int error;                  /* PLACE_BROKEN: -errno */
	bool is_directory;          /* PLACE_BROKEN: the root of a directory that cannot be read */
};

/* What a place is read from; borrowed. */
struct place_world {
	struct repo *repo;
	struct source *source; /* NULL: no store, every dataset is broken */
	struct memory *memory; /* where Git's things are kept; NULL: the source's, and without one nothing is kept */
	struct spool *spool;   /* for Git's blobs above 32 MiB; NULL: reading those is -EFBIG */
};

/* The root directory of COMMIT.  0; -ENOENT where there is no such commit; -EINVAL for another object; -errno. */
int place_root(const struct place_world *w, const struct oid *commit, struct place *place);

/* What an entry of a dataset's page is, in a commit of that time. */
void place_of_entry(const struct entry *entry, int64_t commit_time, struct place *place);

/*
 * A child of the directory PARENT by name.  0; -ENOENT; -ENOTDIR; -errno.  *ORDINAL (may be NULL) is its rank: ranks
 * increase in listing order within one directory but are not dense.  Listing order is that of names as bytes in a
 * dataset; in a Git tree it is Git's, where a directory stands as if its name ended in a slash, with each dataset
 * behind its pointer.
 */
int place_child(const struct place_world *w, const struct place *parent, const char *name, size_t len,
                struct place *child, uint64_t *ordinal);

/* The child of rank ORDINAL, and its name where NAME is not NULL (NAME_SIZE_MAX + 1 bytes).  0; -ENOENT. */
int place_child_at(const struct place_world *w, const struct place *parent, uint64_t ordinal, struct place *child,
                   char *name);

/* Told of one child; borrowed until it returns. */
typedef int (*place_each_fn)(void *arg, const char *name, uint64_t ordinal, const struct place *child);

/*
 * Call EACH for the children of PARENT whose rank is at least FROM, in the order of ranks, until it answers other than
 * 0. Children that cannot be told are PLACE_BROKEN, not left out.
 */
int place_each_child(const struct place_world *w, const struct place *parent, uint64_t from, place_each_fn each,
                     void *arg);

/* Walk PATH (components separated by `/`, "" is PARENT itself) down from PARENT; symlinks are not followed.  -ENOTDIR
 * where what is not the last component is no directory. */
int place_walk(const struct place_world *w, const struct place *parent, const char *path, struct place *place);

/* Read up to LEN bytes at OFFSET of a file or of a link's target.  Returns the count or -errno. */
ssize_t place_read(const struct place_world *w, const struct place *place, void *data, size_t len, uint64_t offset);

/* The whole target of a link: NUL-terminated in TARGET. */
int place_target(const struct place_world *w, const struct place *place, char target[PAGE_SYMLINK_MAX + 1]);

/* Whether the place is a directory of any kind. */
bool place_is_directory(const struct place *place);

/* st_mode as the mount shows it. */
mode_t place_mode(const struct place *place);

/*
 * 128 bits that name what the place is: kind, content, executable bit and time.  With the path they make the key of a
 * node and its st_ino.
 */
void place_identity(const struct place *place, uint8_t identity[16]);

#endif
