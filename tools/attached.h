/*
 * What commands say of attached datasets.
 *
 * Functions print their own errors and return an exit status.
 */
#ifndef TOOLS_ATTACHED_H
#define TOOLS_ATTACHED_H

#include "fs/attachment.h"

/* Refuse ATTACHMENT where its overlay is not mounted, or died: what was changed is not to be seen. */
int attached_check_mounted(const struct attachment *attachment);

/* ERROR met its upper folder, or what lies beside its record. */
int attached_unreadable(const struct attachment *attachment, int error);

#endif
