/*
 * The folder that takes what is written to an attached dataset: `upper`, and `work`, in which an overlay file system
 * prepares what goes there.
 *
 * `upper` goes as a whole or stays as a whole: it is renamed to `dropped` before anything in it is removed, so that
 * nobody meets a half of what was changed.
 */
#ifndef TOOLS_UPPER_FOLDER_H
#define TOOLS_UPPER_FOLDER_H

#include <stdbool.h>

/* Make FOLDER, for this user alone to write to, with `upper` and `work`, where they are missing, and remove what was
 * dropped before.  0; -ENOTDIR where something else stands there, -EPERM where it is another user's; -errno. */
int upper_folder_make(const char *folder);

/* Whether `upper` is there and has nothing in it: 1; 0; -ENOENT where there is none; -errno. */
int upper_folder_is_empty(const char *folder);

/* Whether `upper` is missing because upper_folder_drop() took it: 1; 0; -errno. */
int upper_folder_is_dropped(const char *folder);

/* Let go of all that is in `upper`, and of it and `work`.  Nothing may be mounted on them.  What is not there is no
 * error.  An empty `dropped` stays until upper_folder_make() or upper_folder_remove().  0; -errno, where what was to go
 * is at least no `upper` any more, or `upper` is as it was. */
int upper_folder_drop(const char *folder);

/* The same, and `dropped` goes, and FOLDER itself where it is empty then. */
int upper_folder_remove(const char *folder);

#endif
