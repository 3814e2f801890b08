/*
 * Overlays of attached datasets that stand in other namespaces of mounts, where this process does not see them: those
 * of `revfs attach --shell` and `revfs run`.
 */
#ifndef TOOLS_ELSEWHERE_H
#define TOOLS_ELSEWHERE_H

#include <sys/types.h>

#include "fs/attachment.h"

/* A process of this user that sees one of KNOWN which this one does not see: in its namespace the others belong, too.
 * 0 where there is none. */
pid_t elsewhere_find(const struct attachments *known);

/*
 * Refuse, where ATTACHMENT, which this process does not see, stands elsewhere: what was written to it is in use.  WHAT
 * was to be done: "detach".  Prints its own errors; returns 0 or EXIT_BUSY.
 */
int elsewhere_refuse(const struct attachment *attachment, const char *what);

#endif
