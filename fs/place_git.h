/*
 * Git's side of places: trees, pointers, sizes and contents of blobs, commits, parsed once and kept in the memory.
 *
 * Private to fs/place*.c.  Objects never change, so what is kept never goes stale.  Thread-safe.
 */
#ifndef FS_PLACE_GIT_H
#define FS_PLACE_GIT_H

#include "fs/place.h"

/* A value of the memory's, or, where the world has no memory, of its own. */
struct place_pin {
	struct memory_value value; /* slot NULL: ours */
};

/* Give a value back. */
void place_unpin(const struct place_world *w, struct place_pin *pin);

/* What may be shown of an entry. */
enum listed_state {
	LISTED_SHOWN,
	LISTED_BROKEN,  /* `.git` in some spelling, or a mode that Git does not know: -EIO for who asks */
	LISTED_DROPPED, /* a name that can't be shown, or one that stands there twice */
};

struct listed {
	uint32_t mode;
	struct oid oid;
	uint8_t state;
	uint16_t name_len;
	const char *name; /* NUL-terminated */
};

/* A Git tree: its entries in Git's order, found by name by halving. */
struct listed_tree {
	size_t count;
	const struct listed *entries;
	const uint32_t *by_name; /* numbers of entries */
};

/* Pin the tree OID.  -ENODATA where it is missing, -EBADMSG, -errno. */
int place_pin_tree(const struct place_world *w, const struct oid *oid, const struct listed_tree **tree,
                   struct place_pin *pin);

/* The number of the entry of that name, or -1.  What was dropped is not found. */
ssize_t listed_find(const struct listed_tree *tree, const char *name, size_t len);

/* The blob of ENTRY as a pointer.  0; -EINVAL for what is none, -ENOTSUP; -EBADMSG, -errno. */
int place_pointer(const struct place_world *w, const struct listed *entry, struct pointer *pointer);

/* The size of a blob.  -ENODATA where it is missing, -EBADMSG, -errno. */
int place_blob_size(const struct place_world *w, const struct oid *oid, uint64_t *size);

/* Tree and time of a commit.  -ENOENT where it is missing. */
int place_commit(const struct place_world *w, const struct oid *commit, struct oid *tree, int64_t *time);

/* Read from a blob of SIZE bytes. */
ssize_t place_read_blob(const struct place_world *w, const struct oid *oid, uint64_t size, void *data, size_t len,
                        uint64_t offset);

#endif
