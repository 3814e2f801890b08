/*
 * Changes as lines for people, on stdout.
 */
#ifndef TOOLS_CHANGE_PRINT_H
#define TOOLS_CHANGE_PRINT_H

#include "tools/change_list.h"

/* The colour of the letter of a change; "" where colour is not wanted. */
const char *change_letter_color(char letter);

/* Whether CHANGE is that of a directory: an empty one. */
bool change_is_directory(const struct listed_change *change);

/* The path, quoted as git does; an empty directory has a slash behind its name, so that it is not taken for a file. */
void change_print_path(const struct listed_change *change);

/* "M data/a.txt (3 bytes -> 1.2 MiB)" and a newline, for one of LIST that has a letter. */
void change_print_line(const struct change_list *list, const struct listed_change *change);

#endif
