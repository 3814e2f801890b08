/*
 * An attached dataset, opened: its upper folder, and what was recorded of it last.
 *
 * While a dataset is attached, its files are what the overlay shows.  What those were last in step with, and the stat
 * cache of the upper folder, lie beside the record of the attachment, in the form that they have for a worktree
 * (fs/instep.h); what the worktree has of that kind still tells of the files that the overlay covers.  Writers hold the
 * worktree's lock.
 */
#ifndef FS_ATTACHED_H
#define FS_ATTACHED_H

#include "fs/attachment.h"
#include "fs/instep.h"
#include "fs/upper.h"

struct attached {
	const struct attachment *attachment; /* borrowed */
	int holder;                          /* descriptor of the folder that has `upper` */
	int records;                         /* of the one with the in-step record and the stat cache */
	struct instep record;                /* of the base, where nothing was recorded since */
	char stat_name[INSTEP_NAME_SIZE];
};

/*
 * Open ATTACHMENT, whose record is below GIT_DIR, the common Git directory.  A record of what was last in step that is
 * damaged has no root.  Returns 0; -ENOENT where a folder is gone; -errno.  attached_close() frees.
 */
int attached_open(const struct io *io, const char *git_dir, const struct attachment *attachment,
                  struct attached *attached);
void attached_close(const struct io *io, struct attached *attached); /* allowed on one that is closed */

/* The pointer of what ATTACHED was last in step with, read from its root page.  0; -ENODATA where that is not known;
 * errors of source_pin_page(). */
int attached_recorded(struct source *source, const struct attached *attached, struct pointer *pointer);

/* What upper_snapshot() is to be given; OLD is that of the struct upper.  Borrows from ATTACHED. */
void attached_upper(const struct attached *attached, const struct pointer *old, struct upper *upper);

#endif
