/*
 * The metrics of a mount in a file, for collectors that read files: the text of .revfs/metrics, replaced at once, so
 * that nobody sees a half of it.
 *
 * A thread of its own writes it, when it is opened, every METRICS_FILE_S seconds, and when it is closed.  Logs: once
 * that it cannot be written, until it could be again; it is tried again each time.
 */
#ifndef TOOLS_METRICS_FILE_H
#define TOOLS_METRICS_FILE_H

#include "fs/mount/view.h"

#define METRICS_FILE_S 15

/* How long the last writing is waited for: the disk may hang. */
#define METRICS_FILE_END_S 5

struct metrics_file;

/* Write those of VIEW (borrowed) to PATH (copied, absolute).  0; -ENOMEM; -EAGAIN where no thread can be made. */
int metrics_file_open(struct view *view, const char *path, struct metrics_file **file);

/* Write it once more, and free.  NULL is ignored. */
void metrics_file_close(struct metrics_file *file);

#endif
