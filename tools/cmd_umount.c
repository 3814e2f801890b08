/*
 * revfs umount: end mounts, and wait until those who served them are gone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/mountpoint.h"
#include "tools/attach/overlay_mount.h"
#include "tools/commands.h"
#include "tools/path.h"
#include "tools/registry.h"

/* A server drains what is open before it ends; nothing is open behind an unmount that was not lazy. */
#define WAIT_MS 10000

struct search {
	const char *path;
	struct registered found;
};

static int search_each(void *arg, const struct registered *mount)
{
	struct search *search = arg;

	if (mount->alive && strcmp(mount->mountpoint, search->path) == 0)
		search->found = *mount;
	return 0;
}

/* PATH is absolute and without links. */
static int unmount(const char *path)
{
	struct search search = {.path = path};
	unsigned minor = 0;
	int err;

	err = mountpoint_is_ours(path, &minor);
	if (err < 0)
		return fail(EXIT_SYSTEM, "cannot read the table of mounts: %s", error_text(err));
	if (!err)
		return fail(EXIT_NOT_FOUND, "nothing of revfs is mounted on '%s': 'revfs mounts' lists what is", path);
	if (overlay_is_above(minor) == 1)
		return fail(EXIT_BUSY, "cannot unmount '%s': datasets are attached above it; 'revfs detach' ends both",
		            path);
	registry_each(search_each, &search);
	err = overlay_unmount(path);
	if (err == -EBUSY)
		return fail(EXIT_BUSY, "cannot unmount '%s': it is in use; 'fuser -vm' there tells by whom", path);
	if (err)
		return fail(exit_code_of(err), "cannot unmount '%s': %s", path, error_text(err));
	if (search.found.pid && registry_wait(&search.found, WAIT_MS))
		warn("'%s' is unmounted, but process %d has not ended yet", path, (int)search.found.pid);
	return EXIT_DONE;
}

static int unmount_typed(const char *typed)
{
	char *path = path_mountpoint(typed);
	int status;

	if (!path)
		return fail(errno == ENOENT ? EXIT_NOT_FOUND : exit_code_of(-errno), "cannot unmount '%s': %s", typed,
		            strerror(errno));
	status = unmount(path);
	free(path);
	return status;
}

static int unmount_each(void *arg, const struct registered *mount)
{
	outcome_add(arg, unmount(mount->mountpoint));
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{"all", no_argument, NULL, 'a'}, {0}};
	struct outcome outcome = {0};
	bool all = false;
	int err;

	while (command_option(&command_umount, argc, argv, "a", options) != -1)
		all = true;
	if (all == (optind < argc))
		return fail_usage(all ? "either --all or mountpoints" : "what to unmount is missing");
	for (int i = optind; i < argc; i++)
		outcome_add(&outcome, unmount_typed(argv[i]));
	if (all) {
		err = registry_each(unmount_each, &outcome);
		if (err)
			return fail(EXIT_SYSTEM, "cannot read the list of mounts: %s", error_text(err));
	}
	return outcome_status(&outcome);
}

const struct command command_umount = {
    .name = "umount",
    .run = run,
    .usage = "revfs umount MOUNTPOINT...\nrevfs umount --all",
    .summary = "end mounts",
};
