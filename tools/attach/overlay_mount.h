/*
 * Overlays: mounting them, taking them away, and whether one that stands is above the mount of today.
 *
 * The kernel's overlayfs is told by its source, `revfs:MINOR`, or in a namespace for shells (tools/attach/private.h)
 * `revfs-shell:MINOR`, which mount it was put above: MINOR is that of the mount's st_dev, which nothing else gets while
 * the overlay stands.  fuse-overlayfs takes no such name: the number
 * stands in a file `below` beside the record.
 */
#ifndef TOOLS_OVERLAY_MOUNT_H
#define TOOLS_OVERLAY_MOUNT_H

#include "fs/attachment.h"

struct overlay_mount {
	const char *git_dir;                 /* the common one */
	const struct attachment *attachment; /* its dialect says which; its place and folders are there */
	const char *lower;                   /* absolute */
	unsigned minor;                      /* of the mount that LOWER is in */
};

/*
 * Mount.  Returns 0; -ENOPKG where there is no fuse-overlayfs; -EPERM where this user may not; -EINVAL where the file
 * system of the upper folder does not do, or the kernel has it refused for another reason; -ENODEV where the kernel has
 * no overlays; -ENAMETOOLONG; -EINTR; -errno.  *SAID (malloc'ed, or NULL) is what fuse-overlayfs said, in one line.
 */
int overlay_mount(const struct overlay_mount *request, char **said);

/* Whether an overlay of the kernel stands on the upper folder of ATTACHMENT, wherever that one is seen.  For those who
 * may mount; for others the answer is no. */
bool overlay_is_used(const struct attachment *attachment);

enum overlay_state {
	OVERLAY_NONE,    /* nothing of this attachment is mounted there */
	OVERLAY_CURRENT, /* it is mounted, above the mount with that minor number */
	OVERLAY_STALE,   /* it is mounted, above one that is gone */
};

/* How the overlay of ATTACHMENT, whose record is below GIT_DIR, stands to the mount with MINOR (0: there is none).  0
 * or -errno. */
int overlay_state(const char *git_dir, const struct attachment *attachment, unsigned minor, enum overlay_state *state);

/* Whether SOURCE is that of an overlay of ours, whichever it stands above. */
bool overlay_is_ours(const char *source);

/* Whether an overlay of the kernel's stands above the mount with MINOR: 1, 0 or -errno.  Those of fuse-overlayfs make
 * it busy. */
int overlay_is_above(unsigned minor);

/* Take away the uppermost mount at PLACE, not lazily; one that is in use is tried for a second.  0; -EBUSY; -EINTR;
 * -errno. */
int overlay_unmount(const char *place);

#endif
