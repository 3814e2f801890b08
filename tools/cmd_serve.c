/*
 * revfs serve: answer the other side of ssh, for a store in a folder.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/ssh/serve.h"
#include "tools/commands.h"
#include "tools/stop.h"

/* Whether it is there is found anew by each request: it may be on a disk that comes and goes. */
static char *absolute(const char *typed)
{
	char *here = *typed == '/' ? NULL : getcwd(NULL, 0), *path = NULL;
	size_t len;

	if (*typed == '/')
		path = strdup(typed);
	else if (here && asprintf(&path, "%s/%s", here, typed) < 0)
		path = NULL;
	free(here);
	len = path ? strlen(path) : 0;
	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	return path;
}

static int serve(const char *typed, bool read_only)
{
	char *folder = absolute(typed);
	const struct serve_setup setup = {
	    .io = io_system(), .folder = folder, .in = STDIN_FILENO, .out = STDOUT_FILENO, .read_only = read_only};
	int error;

	if (!folder)
		return fail(exit_code_of(-errno), "cannot find '%s': %s", typed, strerror(errno));
	/* A client that is gone is an error of writing. */
	signal(SIGPIPE, SIG_IGN);
	stop_catch();
	error = serve_run(&setup);
	free(folder);
	if (error == -EPROTO)
		return fail(EXIT_REFUSED,
		            "what came is not what a revfs asks: a remote with an ssh:// URL starts this");
	/* The client ended in the midst of something; there is nobody to tell. */
	if (error == -ECONNRESET || error == -EPIPE)
		return EXIT_TEMPORARY;
	if (error && error != -EINTR)
		return fail(exit_code_of(error), "cannot serve '%s': %s", typed, error_text(error));
	return stop_finish(EXIT_DONE);
}

static int run(int argc, char **argv)
{
	enum { STDIO = COMMAND_LONG, READ_ONLY };
	static const struct option options[] = {
	    {"stdio", no_argument, NULL, STDIO},
	    {"read-only", no_argument, NULL, READ_ONLY},
	    {0},
	};
	bool stdio = false, read_only = false;
	int option;

	while ((option = command_option(&command_serve, argc, argv, "", options)) != -1) {
		stdio |= option == STDIO;
		read_only |= option == READ_ONLY;
	}
	if (!stdio)
		return fail_usage("only '--stdio' is known: standard input and output are the connection");
	if (argc - optind != 1 || !*argv[optind])
		return fail_usage("one folder is to be named");
	return serve(argv[optind], read_only);
}

const struct command command_serve = {
    .name = "serve",
    .run = run,
    .usage = "revfs serve --stdio [--read-only] DIR",
    .summary = "answer the other side of ssh",
};
