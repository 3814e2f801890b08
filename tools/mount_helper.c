/*
 * mount.revfs: what mount(8) runs for the type revfs, with its arguments and exit codes.
 */
#include <stddef.h>

#include "tools/commands.h"
#include "tools/server.h"

/* mount(8), EXIT STATUS. */
enum mount_code {
	MOUNT_DONE = 0,
	MOUNT_USAGE = 1, /* or no permission */
	MOUNT_SYSTEM = 2,
	MOUNT_FAILED = 32,
};

static int mount_code(int status)
{
	switch (status) {
	case EXIT_DONE:
		return MOUNT_DONE;
	case EXIT_USAGE:
	case EXIT_NOT_AUTHORISED:
		return MOUNT_USAGE;
	case EXIT_SYSTEM:
		return MOUNT_SYSTEM;
	default:
		return MOUNT_FAILED;
	}
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{0}};
	struct server server = {0};
	int option, status = EXIT_DONE;
	const char *text = NULL;

	mount_options_init(&server.options);
	server.options.rw = true;
	while ((option = command_option(&command_mount_helper, argc, argv, "sfnvo:t:", options)) != -1) {
		if (option == 's')
			server.options.sloppy = true;
		else if (option == 'f')
			server.check_only = true;
		else if (option == 'v')
			globals.verbose++;
		else if (option == 'o')
			text = optarg;
	}
	/* Behind the loop: -s may stand behind -o. */
	if (text)
		status = mount_options_parse(&server.options, text);
	if (!status && argc - optind != 2)
		status = fail_usage("a repository and a mountpoint are needed");
	if (status)
		return mount_code(status);
	server.repository = argv[optind];
	server.mountpoint = argv[optind + 1];
	return mount_code(server_start(&server));
}

const struct command command_mount_helper = {
    .name = "mount.revfs",
    .run = run,
    .usage = "mount.revfs REPOSITORY MOUNTPOINT [-sfnv] [-o OPT,...]",
    .summary = "mount for mount(8)",
};
