/*
 * Paths in the lines of small text files: every byte that is not printable ASCII, and the percent sign, is %XX, two
 * upper-case hex digits.
 *
 * Stateless.
 */
#ifndef FS_LINE_PATH_H
#define FS_LINE_PATH_H

#include <stdbool.h>

#include "cache/wire.h"

/* Append PATH to TEXT. */
void line_path_put(struct buffer *text, const char *path);

/* Undo it in place.  False for what line_path_put() does not write; TEXT is then undefined. */
bool line_path_take(char *text);

#endif
