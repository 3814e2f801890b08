/*
 * The stamps of files that were just written or compared: so that who writes the next stat cache knows that a file
 * still is what it was then.
 *
 * 24 bytes a file.  stamp_set_add() may be called by several threads.
 */
#ifndef FS_STAMP_SET_H
#define FS_STAMP_SET_H

#include <stdbool.h>
#include <sys/stat.h>

struct stamp_set;

/* An empty set.  0 or -ENOMEM. */
int stamp_set_new(struct stamp_set **set);

/* Free.  NULL is ignored. */
void stamp_set_free(struct stamp_set *set);

/* PATH is as it should be, and looks like ST.  A lack of memory is forgiven: the file is read again some day. */
void stamp_set_add(struct stamp_set *set, const char *path, const struct stat *st);

/* Nothing more is added. */
void stamp_set_seal(struct stamp_set *set);

/* Whether PATH was added and looked like ST. */
bool stamp_set_has(const struct stamp_set *set, const char *path, const struct stat *st);

#endif
