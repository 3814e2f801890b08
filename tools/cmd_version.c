/*
 * revfs version: this program, and the format it writes.
 */
#include <stdio.h>

#include "tools/commands.h"
#include "tools/output.h"
#include "tools/version.h"

#define FORMAT "1.0"

static int run(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	int option;

	while ((option = command_option(&command_version, argc, argv, "", options)) != -1) {
		if (option == 'j')
			globals.json = true;
	}
	if (optind < argc)
		return fail_usage("too many arguments");
	if (!globals.json) {
		printf("revfs version %s\n", VERSION);
		if (globals.verbose)
			printf("format %s\n", FORMAT);
		return EXIT_DONE;
	}
	json_t *value = json_object();
	json_object_set_new(value, "version", json_string(VERSION));
	json_object_set_new(value, "format", json_string(FORMAT));
	output_json(stdout, value);
	return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .run = run,
    .usage = "revfs version [--json]",
    .summary = "show the version of the program and of its format",
};
