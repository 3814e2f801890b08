/*
 * The shape of a page: what those that name it can hold against it, kept when the page itself is not.
 *
 * The same checks as fs/descent.h makes on the way down, for whoever goes through all pages once.
 */
#ifndef FS_SHAPE_H
#define FS_SHAPE_H

#include "fs/page.h"

struct shape {
	struct id id;
	uint8_t kind;
	uint8_t level;
	uint16_t count;
	bool inner;  /* it was gone through as one that others follow, not only as the last of its level */
	bool single; /* a list of one chunk that is not repeated */
	struct totals totals;
	uint16_t first_len, last_len;
	char keys[]; /* the first and the last */
};

/* What whoever names a page says of it. */
struct shape_wanted {
	uint8_t kind; /* 0: a directory or a file, as the page says */
	bool is_tree; /* the root of a tree; else the child of a page: LEVEL, LAST, BOUND count */
	bool inner;   /* others of its level follow */
	uint8_t level;
	uint8_t totals_known; /* SHAPE_ENTRIES | SHAPE_FILES | SHAPE_BYTES */
	struct totals totals;
	const char *last;
	size_t last_len;
	const char *bound; /* what it must begin behind, or NULL */
	size_t bound_len;
};

#define SHAPE_ENTRIES 1
#define SHAPE_FILES 2
#define SHAPE_BYTES 4

/* The shape of PAGE, malloc'ed, or NULL. */
struct shape *shape_of(const struct page *page);

/* What does not fit, for people, or NULL. */
const char *shape_misfit(const struct shape *shape, const struct shape_wanted *wanted);

/* Shapes by their ids; owns them.  Zeroed, it is empty. */
struct shape_map {
	struct shape **slots;
	size_t size; /* a power of two, or 0 */
	size_t count;
};

/* The shape of the page ID, or NULL. */
struct shape *shape_find(const struct shape_map *map, const struct id *id);

/* Takes over SHAPE, also on failure.  Its id must be new.  0 or -ENOMEM. */
int shape_add(struct shape_map *map, struct shape *shape);

/* Free the shapes and the map. */
void shape_map_release(struct shape_map *map);

#endif
