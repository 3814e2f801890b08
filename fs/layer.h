/*
 * What an upper folder says of what lies below it: the marks of overlay file systems.
 *
 * The kernel's overlayfs (its Documentation/filesystems/overlayfs.rst): a whiteout, which hides a name, is a character
 * device 0/0, or an empty file with the extended attribute `overlay.whiteout` in a directory whose `overlay.opaque` is
 * "x".  A directory whose `overlay.opaque` is "y" hides all that the one below has.  A directory with
 * `overlay.redirect`, a file with `overlay.metacopy` or `overlay.redirect` have their content at another place.  The
 * attributes are in the namespace `trusted.`, or, for a mount with `userxattr`, in `user.`, where the other one's mean
 * nothing: whoever may write to a file may set them.  Of its other attributes none bears on names or content.
 *
 * fuse-overlayfs (its README and manual page): a whiteout of NAME is a character device 0/0 or, where that may not be
 * made, anything named `.wh.NAME`; it hides a NAME beside it, too.  An opaque directory has one of the attributes
 * `trusted.overlay.opaque`, `user.overlay.opaque` and `user.fuseoverlayfs.opaque`, or a file `.wh..wh..opq`, the one
 * mark that everybody can set and read.
 *
 * Stateless; nothing is followed, opened for writing or waited for.
 */
#ifndef FS_LAYER_H
#define FS_LAYER_H

#include <stdbool.h>
#include <sys/stat.h>

enum layer_dialect {
	LAYER_NONE = 0,    /* a plain folder: nothing is a mark */
	LAYER_KERNEL,      /* overlayfs, attributes in `trusted.` */
	LAYER_KERNEL_USER, /* overlayfs with `userxattr` */
	LAYER_FUSE,        /* fuse-overlayfs */
};

enum layer_mark {
	LAYER_PLAIN = 0, /* as it looks; a directory shows what is below it */
	LAYER_WHITEOUT,
	LAYER_OPAQUE,
	LAYER_ELSEWHERE, /* its content is at another place */
};

/* What names of whiteouts begin with; NULL in a dialect that has no such names. */
const char *layer_prefix(enum layer_dialect dialect);

/* Whether REST is what layer_prefix() leaves of a name that is no whiteout: the mark of an opaque directory. */
bool layer_is_opaque_name(const char *rest);

/*
 * Whether the marks can be read in the directory FD: attributes in `trusted.` are shown to the privileged only, and to
 * others look as if they were not there.  Returns 0; -EPERM where they cannot; -errno.  Changes nothing.
 */
int layer_check(enum layer_dialect dialect, int fd);

/* What NAME in the directory DIRFD is, where it is no directory and ST is its lstat(2): *MARK is plain or a whiteout.
 * Returns 0 or -errno. */
int layer_of_entry(enum layer_dialect dialect, int dirfd, const char *name, const struct stat *st,
                   enum layer_mark *mark);

/* What the open directory FD is: anything but a whiteout.  Returns 0 or -errno. */
int layer_of_directory(enum layer_dialect dialect, int fd, enum layer_mark *mark);

/* Whether the content of the open file FD is in it.  Returns 0; -EREMOTE where it is at another place; -errno. */
int layer_check_file(enum layer_dialect dialect, int fd);

#endif
