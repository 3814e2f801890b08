/*
 * Upper folders as overlay file systems leave them, and operations on trees: what the tests of attached datasets begin
 * with.
 *
 * Everything but change_apply() and change_prepare() asserts that it works, and is to be called on the test's own
 * thread.
 */
#ifndef TESTS_SUPPORT_UPPER_H
#define TESTS_SUPPORT_UPPER_H

#include <stdbool.h>
#include <stdint.h>

#include "fs/layer.h"

/* One random operation on a tree; plain data. */
struct change {
	unsigned kind;
	char path[64], to[64];
	unsigned seed;
};

/* The next one. */
struct change change_random(uint64_t *random);

/* Do it in the folder DIRFD.  Returns 0 or -errno; the same in equal trees. */
int change_apply(int dirfd, const struct change *change);

/* Only make the folders that it needs. */
int change_prepare(int dirfd, const struct change *change);

/* Do COUNT of them in the folder NAME below DIRFD. */
void change_folder(int dirfd, const char *name, uint64_t *random, unsigned count);

/* Whether the file system of FD takes the attributes of DIALECT. */
bool upper_marks_work(enum layer_dialect dialect, int fd);

/* Write into the empty folder UPPER what in DIALECT leads from the tree BASE to the tree MERGED, in any of the ways
 * that it allows. */
void upper_write(enum layer_dialect dialect, const char *base, const char *merged, const char *upper, uint64_t *random);

/* The marks, one by one, as the dialect's first way has them. */
void upper_hide(enum layer_dialect dialect, const char *folder, const char *name);
void upper_set_opaque(enum layer_dialect dialect, const char *folder);

#endif
