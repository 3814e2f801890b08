/*
 * Attached datasets for a shell or a command alone, in a namespace of mounts of its own: what `revfs attach --shell`
 * and `revfs run` are about.
 *
 * A repository has one such namespace at a time, which all its shells share, so that no two overlays ever have the same
 * upper folder.  It ends with the last process in it, and so does the mount below, where it was started in there; what
 * was written, and the records, stay.
 */
#ifndef TOOLS_PRIVATE_H
#define TOOLS_PRIVATE_H

#include <stdbool.h>

/*
 * Enter the namespace of the current directory's repository, which is made where nobody is in it.  From here on
 * datasets can be attached; others that enter wait until private_exec().  There may
 * be no other thread.  Prints its own errors; returns 0 or an exit status.
 */
int private_enter(void);

/* Whether this process was started in such a namespace, or entered one. */
bool private_is_here(void);

/* Whether others were in the namespace that this process entered. */
bool private_is_shared(void);

/* Become the command ARGV, or the user's shell where it is NULL.  Returns only where that fails: the exit status, 127
 * where there is no such program, 126 where it cannot be run.  Prints its own errors. */
int private_exec(char **argv);

#endif
