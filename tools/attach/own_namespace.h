/*
 * Datasets attached for one command alone, in a namespace of mounts of its own (and, where it is not root's, of users):
 * no rights are needed there to mount the kernel's overlays.
 *
 * What is written stays in the upper folder, as always.  A dataset that has no changes but those in a snapshot is
 * detached in the end; others are attached and not mounted then, and come back with the next command.
 */
#ifndef TOOLS_OWN_NAMESPACE_H
#define TOOLS_OWN_NAMESPACE_H

#include "tools/attach/attach_all.h"

/*
 * Attach what REQUEST names and run COMMAND (NULL-terminated, found in PATH) until it ends.  Before any thread exists.
 * Prints its own errors; returns the exit status of the command, 128 + N where signal N ended it, or one of ours.
 */
int own_namespace_run(const struct attach_request *request, char **command);

/* The same for the user's shell. */
int own_namespace_shell(const struct attach_request *request);

#endif
