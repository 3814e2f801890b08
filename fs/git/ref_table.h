/*
 * All refs of a moment, sorted by name.
 *
 * Built by one thread, then immutable and shared: each user holds a reference.
 */
#ifndef FS_REF_TABLE_H
#define FS_REF_TABLE_H

#include "fs/git/repo.h"

struct ref_table;

/* An empty table with one reference, or NULL. */
struct ref_table *ref_table_new(void);
struct ref_table *ref_table_get(struct ref_table *table); /* one reference more; NULL is passed on */
void ref_table_put(struct ref_table *table);              /* one less; the last frees.  NULL is ignored */

/* Building: add refs in any order (ARG is the table), then sort.  0 or -ENOMEM. */
int ref_table_add(void *arg, const struct repo_ref *ref);

/* Sort what was added; before this nothing is found. */
void ref_table_sort(struct ref_table *table);

/* The ref of exactly that name, or NULL. */
const struct repo_ref *ref_table_find(const struct ref_table *table, const char *name);

/* Call EACH for every ref in the order of names until it answers other than 0, which is returned. */
int ref_table_each(const struct ref_table *table, int (*each)(void *arg, const struct repo_ref *ref), void *arg);

#endif
