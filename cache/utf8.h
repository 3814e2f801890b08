/*
 * UTF-8, as RFC 3629 has it: no longer form than needed, no surrogates, nothing above U+10FFFF.
 */
#ifndef CACHE_UTF8_H
#define CACHE_UTF8_H

#include <stddef.h>

/* Length of the character at TEXT (1 to 4), or 0 where there is none: at its end, or of bytes that are not UTF-8. */
size_t utf8_length(const char *text);

#endif
