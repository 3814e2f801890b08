/*
 * Pointers in files that Git made: versions of a pointer file, for its drivers.
 */
#ifndef TOOLS_POINTER_FILE_H
#define TOOLS_POINTER_FILE_H

#include "fs/pointer.h"

/* Read FILE.  0; -ENODATA where it is empty; -EINVAL for what is no pointer, or one that says more than we understand;
 * -errno. */
int pointer_file_read(const char *file, struct pointer *pointer);

/* Write POINTER over FILE, which is there.  0 or -errno. */
int pointer_file_write(const char *file, const struct pointer *pointer);

/* The dataset of the pointer file PATH: the path without its suffix, malloc'ed, or NULL. */
char *pointer_file_dataset(const char *path);

#endif
