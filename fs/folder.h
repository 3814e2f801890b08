/*
 * Folders of this machine into which a tree is written: open descriptors that are shared by what is being written
 * there, and that get their time when the last of it is done.
 *
 * A folder is reached from the one above it by a single name, never through a symlink, so that nobody who can write
 * into the tree can lead a writer out of it.  Thread-safe.
 */
#ifndef FS_FOLDER_H
#define FS_FOLDER_H

#include <stdbool.h>
#include <time.h>

struct folder;

/* A folder from the open directory FD, which is borrowed.  Returns 0 or -errno. */
int folder_open(int fd, struct folder **folder);

/*
 * Make NAME below ABOVE, or take the folder that stands there.  *FOLDER is pinned and pins ABOVE.
 * Returns 0; -ENOTDIR where something else stands there, a symlink included; -errno.
 */
int folder_make(struct folder *above, const char *name, struct folder **folder);

/*
 * The folder PATH (components separated by `/`, "" is ABOVE itself), no component of which may be a symlink or lead out
 * of ABOVE; what is missing is made where MAKE.  Returns 0; -ENOENT; -ENOTDIR; -ELOOP; -errno.
 */
int folder_reach(struct folder *above, const char *path, bool make, struct folder **folder);

/* Its descriptor, valid while the folder is pinned. */
int folder_fd(const struct folder *folder);

/* Set this time when the last pin is given back. */
void folder_set_time(struct folder *folder, const struct timespec *time);

/* Pin once more.  Returns FOLDER. */
struct folder *folder_pin(struct folder *folder);

/* Give a pin back; the last one sets the time, closes, and gives back the folder above.  NULL is ignored. */
void folder_unpin(struct folder *folder);

#endif
