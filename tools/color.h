/*
 * Colour on stdout: where it is a terminal, as NO_COLOR and CLICOLOR_FORCE say, or as an option does.
 */
#ifndef TOOLS_COLOR_H
#define TOOLS_COLOR_H

enum color {
	COLOR_RED,
	COLOR_GREEN,
	COLOR_YELLOW,
	COLOR_CYAN,
	COLOR_OFF,
};

/* The value of --color (NULL: given without one).  Prints its own error: returns 0 or EXIT_USAGE. */
int color_option(const char *when);

/* The sequence to be printed, "" where colour is not wanted. */
const char *color(enum color which);

#endif
