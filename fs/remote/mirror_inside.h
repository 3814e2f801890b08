/*
 * What the files of mirroring share: the state, and the work on one object.
 */
#ifndef FS_MIRROR_INSIDE_H
#define FS_MIRROR_INSIDE_H

#include <pthread.h>

#include "fs/remote/mirror.h"
#include "fs/remote/mirror_list.h"

/* What is to be done about one pack. */
struct mirror_item {
	struct pack_id id;
	uint64_t size;             /* of the pack at FROM */
	bool copy;                 /* the pack is to go */
	bool replace;              /* over what stands at TO and is not it */
	bool say;                  /* its moved file is to go */
	bool pending;              /* something of it is still to be put */
	bool fetched;              /* the pack lies in the folder for unfinished files */
	char name[40];             /* there */
	struct moved_entry *moved; /* what the moved file at TO is to be */
	size_t moved_count;
	struct id_set needs; /* packs that must be at TO before */
};

struct mirror {
	const struct mirror_request *request;
	const struct io *io;
	struct remote *from, *to;
	struct mirror_list have, there; /* what FROM and TO list */
	struct mirror_item *items;      /* sorted by id */
	size_t items_count;
	struct id *roots;
	size_t roots_count;
	size_t *ready; /* numbers of items that are put at once */
	size_t ready_count;
	pthread_mutex_t lock; /* of what stands below */
	int error;            /* the first */
	struct mirror_result *result;
};

/* Note that the work on PATH failed with ERROR; AT_FROM says whose failure it is.  ERROR is returned. */
int mirror_failed(struct mirror *m, const char *path, int error, bool at_from);

/* Bring the pack of ITEM here and check it; put it, where no page is in it.  Read what its moved file says.  The first
 * step of each item.  0 or an error that is noted. */
int mirror_bring(struct mirror *m, struct mirror_item *item);

/* Put what is still to be put of ITEM, once all that it needs is at TO.  The same. */
int mirror_put_item(struct mirror *m, struct mirror_item *item);

/* Bring the root of ID to TO.  The same. */
int mirror_put_root(struct mirror *m, const struct id *id);

/* Free what ITEM holds, its file here included. */
void mirror_item_release(struct mirror *m, struct mirror_item *item);

#endif
