/*
 * Lines of small text files, a key and a value each, and paths in them: every byte that is not printable ASCII, and the
 * percent sign, is %XX, two upper-case hex digits.
 *
 * Stateless.
 */
#ifndef FS_LINE_PATH_H
#define FS_LINE_PATH_H

#include <stdbool.h>

#include "cache/wire.h"

/* The rest of the line at *TEXT behind KEY and a blank, NUL-terminated in place; *TEXT goes to the next line.  NULL
 * where the line has another key, or no end. */
char *line_take(char **text, const char *key);

/* Append PATH to TEXT. */
void line_path_put(struct buffer *text, const char *path);

/* Undo it in place.  False for what line_path_put() does not write; TEXT is then undefined. */
bool line_path_take(char *text);

#endif
