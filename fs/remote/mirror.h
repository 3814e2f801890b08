/*
 * Mirroring: bringing one remote everything that another has.
 *
 * The roots of FROM are listed first, then what it has condemned, then its packs and moved files: whatever a root that
 * was listed needs stands in the lists behind it.  Packs of data go first, then each pack of pages and each moved file
 * behind the packs that it names, the roots last, so that also a mirror that was killed leaves at TO no page without
 * what it names.  (Where moved files lead in a circle that cannot be; those of the circle then go together.)  Each pack
 * is checked here before TO gets it, and looked at there once it is put.  Packs never change: one that TO has with the
 * same size is left alone, which is how the next mirror goes on where one ended; a whole one of another size, too, and
 * what FROM has counts as damaged.
 *
 * What FROM has condemned counts as absent.  What TO has condemned is about to go: nothing is built on it.
 */
#ifndef FS_MIRROR_H
#define FS_MIRROR_H

#include <stdatomic.h>

#include "cache/remote_store.h"

struct mirror_request {
	const struct io *io;
	struct remote_store *from, *to; /* borrowed */
	bool to_nothing;                /* there is no store at TO yet */
	int tmp;                        /* a folder for unfinished files; borrowed.  A dry run needs none */
	bool dry;                       /* only count */
	const atomic_bool *cancelled;   /* looked at between objects; may be NULL */
	/* Told, by several threads, how much there is to do, once, and what was done; may be NULL. */
	void (*total)(void *arg, uint64_t packs, uint64_t bytes);
	void (*progress)(void *arg, uint64_t packs, uint64_t bytes);
	void *arg;
};

struct mirror_result {
	uint64_t packs; /* that went, or would */
	uint64_t moved;
	uint64_t roots;
	uint64_t bytes;                /* of all these; in a dry run of packs and roots */
	uint64_t condemned;            /* packs and roots that FROM is about to remove, left out */
	char failed[REMOTE_PATH_SIZE]; /* what was at work when it failed */
	bool at_from;                  /* the failure is one of FROM */
};

/*
 * Do it.  Returns 0; -EBUSY where TO has condemned what FROM has; -ESTALE where FROM lost something since it was
 * listed; -EBADMSG where what FROM has is damaged, or TO does not have what it was given; -EINTR; errors of the
 * remotes; -ENOMEM, -errno.
 */
int mirror_run(const struct mirror_request *request, struct mirror_result *result);

#endif
