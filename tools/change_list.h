/*
 * Changes collected, so that what was deleted at one path and added at another can be told as a rename.
 *
 * In the order in which they were added, which is that of paths.  Belongs to one thread.
 */
#ifndef TOOLS_CHANGE_LIST_H
#define TOOLS_CHANGE_LIST_H

#include <sys/stat.h>

#include "fs/changes.h"

/* What stood, or stands, at the path. */
struct change_side {
	uint8_t kind; /* enum entry_kind; 0: nothing */
	bool executable;
	bool has_id; /* false: a directory, foreign, or a file of the work tree that was not read */
	uint64_t size;
	struct id id;          /* of the content */
	struct content *large; /* of a list of chunks; NULL else */
};

struct listed_change {
	char *path;
	const char *dataset;
	struct change_side a;
	struct change_side b;
	size_t from;    /* of a rename: the number of its deletion */
	bool is_rename; /* an addition that is one */
	bool is_gone;   /* a deletion that is told as part of one */
};

struct change_list {
	struct listed_change *items;
	size_t count;
	size_t capacity;
	char **datasets;
	size_t datasets_count;
};

void change_list_release(struct change_list *list); /* allowed on a zeroed one */

/* Begin with the changes of a dataset.  0 or -ENOMEM. */
int change_list_begin(struct change_list *list, const char *dataset);

/* Add one at PATH; either side may be NULL.  0 or -ENOMEM. */
int change_list_add(struct change_list *list, const char *path, const struct entry *a, const struct entry *b);

/* The same where side B is of the work tree: KIND (0: nothing) and ST. */
int change_list_add_work(struct change_list *list, const char *path, const struct entry *a, uint8_t kind,
                         const struct stat *st);

/* Find renames: the same kind and content, not empty; first of the same name, then in the order of paths.  0 or
 * -ENOMEM. */
int change_list_find_renames(struct change_list *list);

/* 'A', 'M', 'D', 'R'; 0 for what is told as part of a rename. */
char change_letter(const struct listed_change *change);

/* Numbers of what was told for a dataset, or for all. */
struct change_counts {
	uint64_t added;
	uint64_t modified;
	uint64_t deleted;
	uint64_t renamed;
	uint64_t directories;   /* empty ones that came or went; in no other number */
	uint64_t bytes_added;   /* of what was added, and of what is there now of the modified */
	uint64_t bytes_deleted; /* of what was deleted, and of what was there of the modified */
};

/* Add CHANGE to COUNTS. */
void change_count(const struct listed_change *change, struct change_counts *counts);

/* "2 added, 1 modified, +1.2 MiB, -3 bytes", or "directories changed"; malloc'ed, or NULL. */
char *change_counts_text(const struct change_counts *counts);

#endif
