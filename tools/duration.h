/*
 * Lengths of time as people type them: a number and one of s, m, h and d ("14d"); a number alone is seconds.
 */
#ifndef TOOLS_DURATION_H
#define TOOLS_DURATION_H

#include <stdint.h>

#define DURATION_MAX_S (INT64_C(36500) * 86400)

/* Parse TEXT.  Returns 0, or -EINVAL for anything else and for more than a hundred years. */
int duration_parse(const char *text, int64_t *seconds);

/* "14 days", "90 seconds": in the largest unit that it is a whole number of. */
char *duration_format(int64_t seconds, char text[32]);

#endif
