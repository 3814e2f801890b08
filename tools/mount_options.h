/*
 * What stands behind -o of `revfs mount` and mount.revfs.
 */
#ifndef TOOLS_MOUNT_OPTIONS_H
#define TOOLS_MOUNT_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mount_options {
	bool allow_other;
	uid_t uid; /* owner of everything shown */
	gid_t gid;
	size_t memory_bytes;
	int64_t io_timeout_s; /* how long reads wait for remotes that fail; 0: for ever; -1: as the setting says */
	bool offline;         /* no remote is asked */
	char metrics_file[PATH_MAX]; /* where the metrics are written to, absolute; "": nowhere */
	bool sloppy;                 /* set before: unknown options are passed over */
	bool rw;                     /* set before: `rw` is passed over, as mount(8) puts it everywhere */
};

/* The defaults: the calling user's, SESSION_MEMORY_BYTES. */
void mount_options_init(struct mount_options *options);

/* Take TEXT, options separated by commas.  Prints its own errors.  Returns 0 or EXIT_USAGE. */
int mount_options_parse(struct mount_options *options, const char *text);

/* The same of the option metrics-file, whose PATH may hold commas; one that is relative is of the current directory. */
int mount_options_set_metrics_file(struct mount_options *options, const char *path);

#endif
