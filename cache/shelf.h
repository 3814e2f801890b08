/*
 * The open packs of a store: a bounded number of descriptors, the least recently used closed first.
 *
 * In the place of a pack that is gone stands its moved file, where there is one.  Thread-safe; no lock is held while a
 * file is opened.
 */
#ifndef CACHE_SHELF_H
#define CACHE_SHELF_H

#include "cache/moved.h"
#include "cache/pack.h"

struct shelf;

/* A pinned place: exactly one of the two is not NULL. */
struct shelf_item {
	struct pack *pack;
	struct moved *moved;
};

/* For the store in DIRFD (borrowed).  At most LIMIT files stay open, but for those pinned.  0 or -ENOMEM. */
int shelf_open(const struct io *io, int dirfd, unsigned limit, struct shelf **shelf);

/* Nothing may be pinned.  NULL is ignored. */
void shelf_close(struct shelf *shelf);

/*
 * Pin the pack ID, or its moved file where there is no pack or it cannot be read.
 * Returns 0; -ENOENT where there is neither; -EBADMSG; -errno.
 */
int shelf_pin(struct shelf *shelf, const struct pack_id *id, const struct shelf_item **item);

/* Give back what shelf_pin() gave. */
void shelf_unpin(struct shelf *shelf, const struct shelf_item *item);

/* The pinned item that PACK came with. */
const struct shelf_item *shelf_item_of(struct shelf *shelf, const struct pack *pack);

/* Close what is not pinned; pinned ones are not given to others any more. */
void shelf_clear(struct shelf *shelf);

/* "packs/AA/<id>" and SUFFIX ("" or ".moved"). */
#define SHELF_PATH_SIZE 64

/* The path of the file of pack ID with SUFFIX ("", ".moved"), below the store; returns PATH. */
char *shelf_path(const struct pack_id *id, const char *suffix, char path[SHELF_PATH_SIZE]);

#endif
