/*
 * revfs mount: all revisions as folders.
 */
#include <stddef.h>

#include "tools/commands.h"
#include "tools/server.h"

static int run(int argc, char **argv)
{
	enum { METRICS_FILE = COMMAND_LONG };
	static const struct option options[] = {
	    {"foreground", no_argument, NULL, 'f'}, {"metrics-file", required_argument, NULL, METRICS_FILE}, {0}};
	struct server server = {0};
	int option, status;

	mount_options_init(&server.options);
	while ((option = command_option(&command_mount, argc, argv, "fo:", options)) != -1) {
		if (option == 'f') {
			server.foreground = true;
			continue;
		}
		status = option == METRICS_FILE ? mount_options_set_metrics_file(&server.options, optarg)
		                                : mount_options_parse(&server.options, optarg);
		if (status)
			return status;
	}
	if (argc - optind < 1)
		return fail_usage("where to mount is missing");
	if (argc - optind > 2)
		return fail_usage("too many arguments");
	server.mountpoint = argv[argc - 1];
	server.repository = argc - optind == 2 ? argv[optind] : NULL;
	return server_start(&server);
}

const struct command command_mount = {
    .name = "mount",
    .run = run,
    .usage = "revfs mount [-f] [--metrics-file PATH] [-o OPT,...] [REPOSITORY] MOUNTPOINT",
    .summary = "show all revisions as folders",
};
