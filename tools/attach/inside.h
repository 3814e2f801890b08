/*
 * Commands that are run inside an attached dataset.
 */
#ifndef TOOLS_INSIDE_H
#define TOOLS_INSIDE_H

#include <stdbool.h>

/*
 * Where the current directory lies in an attached dataset: have git look for the repository beyond the file system
 * that is mounted there, which it does not do by itself.  It is said in the environment, once, before there are
 * threads.  Returns whether that is new, so that another attempt may succeed.
 */
bool inside_cross(void);

#endif
