/*
 * A screen that is drawn again and again: a terminal's second one, without a cursor, given back at the end.
 *
 * Reports are written line by line; a line that is too long for the terminal is cut, and so are lines too many.  Where
 * standard output is no terminal, or one that cannot do this, reports follow one another as they are.
 */
#ifndef TOOLS_TOP_SCREEN_H
#define TOOLS_TOP_SCREEN_H

#include <stdbool.h>

/* Begin to use it. */
void top_screen_begin(void);

/* Whether it is a terminal's. */
bool top_screen_is_taken(void);

/* Give the terminal back as it was.  Harmless where it was not taken. */
void top_screen_end(void);

/* Begin a report. */
void top_screen_clear(void);

/* A line of it, of printable ASCII. */
__attribute__((format(printf, 1, 2))) void top_screen_line(const char *format, ...);

/* The report is whole.  Returns 0 or -errno of writing. */
int top_screen_show(void);

/* Whether the terminal was resized since the last report. */
bool top_screen_resized(void);

#endif
