/*
 * In step: per worktree and dataset, the root that the files in the work tree were last the same as.
 *
 * Git moves pointer files without knowing of the data beside them.  Whoever would record the files, or change them,
 * asks here what they last were.  Small text files in a folder of the worktree's Git directory (revfs-format(5)),
 * replaced durably and all at once.  Writers hold the worktree's lock.
 */
#ifndef FS_INSTEP_H
#define FS_INSTEP_H

#include <stdbool.h>

#include "cache/id.h"
#include "cache/io.h"

#define INSTEP_FOLDER "revfs/worktree" /* below the worktree's Git directory */
#define INSTEP_BEFORE_MAX 8            /* of more, the oldest are forgotten */
#define INSTEP_NAME_SIZE (ID_HEX_SIZE + 8)

struct instep {
	struct id root;
	bool has_root;      /* false: a first checkout has begun, and not ended */
	struct id replaces; /* a pointer that still names this root is just being replaced by one that names ROOT */
	bool has_replaces;
	bool is_first;      /* that pointer is the first one of the dataset: there is none to be replaced */
	struct id checkout; /* a checkout of this root began and did not end */
	bool has_checkout;
	/* Others began before that and did not end either: the last first. */
	struct id before[INSTEP_BEFORE_MAX];
	unsigned before_count; /* 0 without a checkout */
};

/*
 * Open the folder of the worktree whose Git directory is GIT_DIR; CREATE makes it.  Returns a descriptor, -ENOENT, or
 * -errno.
 */
int instep_open_folder(const struct io *io, const char *git_dir, bool create);

/*
 * Read the record of the dataset PATH (from the root of the work tree).  Returns 0; -ENOENT where there is none;
 * -EBADMSG where it is damaged; -errno.
 */
int instep_read(const struct io *io, int folder, const char *path, struct instep *record);

/*
 * Make RECORD say what the files were last in step with by the pointer file, which names the root POINTER: where a
 * snapshot was killed before it replaced that one, this is what it was to replace, or nothing.
 */
void instep_settle(struct instep *record, const struct id *pointer);

/* Whether the files were last in step with a pointer that names the root POINTER, or are just being recorded over it.
 */
bool instep_names(const struct instep *record, const struct id *pointer);

/* A checkout of ROOT begins: from now on RECORD says so, and what it said before of others that did not end. */
void instep_begin_checkout(struct instep *record, const struct id *root);

/* Replace it, durably. */
int instep_write(const struct io *io, int folder, const char *path, const struct instep *record);

/* Remove it and the stat cache beside it.  What is not there is no error. */
int instep_remove(const struct io *io, int folder, const char *path);

/* Call EACH for every record that is not damaged, in no order, until it answers other than 0, which is returned; -errno
 * for one that could not be read. */
int instep_each(const struct io *io, int folder, int (*each)(void *arg, const char *path, const struct instep *record),
                void *arg);

/* The name, in the same folder, of the stat cache of the dataset PATH. */
void instep_stat_name(const char *path, char name[INSTEP_NAME_SIZE]);

#endif
