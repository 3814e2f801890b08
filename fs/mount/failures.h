/*
 * What could not be answered, and why: the last failures of a mount, by node and in words.
 *
 * Logs (syslog): each failure, but a repeated one of the same node once a minute, and 100 lines a minute in all.
 * Thread-safe.
 */
#ifndef FS_FAILURES_H
#define FS_FAILURES_H

#include <stddef.h>
#include <stdint.h>

#include "cache/wire.h"

#define FAILURES_KEPT 256
#define FAILURES_REASON_MAX 512 /* with the NUL byte */

struct failures;

/* Make an empty memory of failures.  0 or -ENOMEM. */
int failures_open(struct failures **failures);

/* Free.  NULL is ignored. */
void failures_close(struct failures *failures);

/* Remember that NODE, at PATH, failed with ERROR (-errno) while it was doing WHAT ("read", "list"), and WHY in words
 * that stand behind those of the error, with '?' for control characters; "" for nothing. */
void failures_add(struct failures *failures, uint64_t node, const char *path, const char *what, int error,
                  const char *why);

/* The reason of the last failure of NODE, as text without a newline.  Returns 0 or -ENOENT. */
int failures_find(struct failures *failures, uint64_t node, char reason[FAILURES_REASON_MAX]);

/* Append all that is kept to TEXT, the newest first, a line each: time, path, reason. */
void failures_format(struct failures *failures, struct buffer *text);

#endif
