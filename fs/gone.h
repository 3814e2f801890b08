/*
 * Whether a folder of the parent revision is seen no more: in the plain folder of a dataset, or through the upper
 * folder that an overlay file system keeps above it (fs/layer.h), of which alone something is read.
 *
 * Thread-safe.  No symlink is followed.
 */
#ifndef FS_GONE_H
#define FS_GONE_H

#include <stdbool.h>

#include "fs/layer.h"

struct gone;

/* Of the folder NAME below DIRFD: an upper folder of DIALECT, or for LAYER_NONE the dataset itself.  0 or -errno. */
int gone_open(int dirfd, const char *name, enum layer_dialect dialect, struct gone **gone);
void gone_close(struct gone *gone); /* NULL is ignored */

/* Whether the folder PATH below the dataset is certainly not there.  PATH's own parent is seen. */
bool gone_folder(const struct gone *gone, const char *path);

#endif
