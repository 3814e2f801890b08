/*
 * Attached datasets: what is told of each, so that every command and every later process finds it.
 *
 * An attachment is an overlay at the path of a dataset in a work tree: below, the dataset as a revision has it, served
 * by revfs; above, a folder that takes what is written.  Its record is a file `record` in a folder of its own below
 * `revfs/attached/` of the common Git directory, written whole and synced before anything is mounted, removed after
 * all else is gone.  The folders `upper` and `work` lie beside it, or, where `revfs.attachDir` is set, in a folder of
 * the same name there.  revfs-format(5) has the lines of a record.
 *
 * Stateless; whoever changes records holds the lock (attachments_lock()).
 */
#ifndef FS_ATTACHMENT_H
#define FS_ATTACHMENT_H

#include "fs/git/oid.h"
#include "fs/layer.h"
#include "fs/pointer.h"

#include <stdbool.h>
#include <stddef.h>

#define ATTACHMENTS_FOLDER "revfs/attached" /* below the common Git directory */
#define ATTACHMENT_NAME_SIZE 33

struct attachment {
	char *name;     /* of its folder below revfs/attached: attachment_name() */
	char *worktree; /* the root of the work tree, absolute, without links */
	char *path;     /* of the dataset from there */
	char *folder;   /* absolute, ends in /NAME; has `upper` and `work` */
	enum layer_dialect dialect;
	struct oid commit;   /* the revision that is served below; its dataset at PATH is the base */
	struct pointer base; /* its pointer: of a directory */
};

struct attachments {
	struct attachment *items; /* by worktree, then path */
	size_t count;
	size_t damaged; /* records that could not be read, or mean nothing: left as they are */
};

/*
 * Read all records below GIT_DIR, the common Git directory.  Returns 0 (attachments_release() frees), also where there
 * are none; -ENOMEM; -errno of reading the folder.
 */
int attachments_read(const char *git_dir, struct attachments *attachments);
void attachments_release(struct attachments *attachments); /* allowed on a zeroed one */

/* The one at PATH of WORKTREE, or NULL. */
const struct attachment *attachments_find(const struct attachments *attachments, const char *worktree,
                                          const char *path);

/*
 * Take the lock below GIT_DIR, where the folder is made, that whoever attaches or detaches holds; it ends with the
 * descriptor.  Waits at most TIMEOUT_MS.  Returns the descriptor, -EBUSY, or -errno.
 */
int attachments_lock(const char *git_dir, unsigned timeout_ms);

/* The name of the one folder below revfs/attached that the dataset PATH of WORKTREE can have. */
void attachment_name(const char *worktree, const char *path, char name[ATTACHMENT_NAME_SIZE]);

/* Write the record of ATTACHMENT, new or changed: whole, or not at all, even if the power fails.  Its folder below
 * GIT_DIR is made.  0; -EINVAL for one that would not be read; -errno. */
int attachment_write(const char *git_dir, const struct attachment *attachment);

/* Remove what lies beside its record and tells of the upper folder as it is now (fs/attached.h).  0 or -errno. */
int attachment_forget(const char *git_dir, const struct attachment *attachment);

/* Remove this and its record, then its folder below GIT_DIR, where nothing else lies there.  UPPER and WORK must be
 * gone.  0 or -errno. */
int attachment_remove(const char *git_dir, const struct attachment *attachment);

/*
 * Whether an overlay that takes what is written to ATTACHMENT's folder is the uppermost mount at its path, as this
 * process sees mounts: 1, 0 or -errno; -ENOTCONN where fuse-overlayfs stood there and died.
 */
int attachment_is_mounted(const struct attachment *attachment);

/* Free what it holds; allowed on a zeroed one. */
void attachment_release(struct attachment *attachment);

/* "WORKTREE/PATH", malloc'ed. */
char *attachment_place(const struct attachment *attachment);

#endif
