/*
 * Commands: what main() and every command share, the table and the options.
 *
 * A command is a file tools/cmd_NAME.c that defines `const struct command command_NAME`, a declaration in commands.h
 * and a line in the table of main.c.
 */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "tools/fail.h"

/* What stands in front of the command. */
struct globals {
	bool quiet;
	int verbose;
	bool json;                     /* set by the command's own --json, for the error line */
	const struct command *command; /* the one that runs, or NULL */
};
extern struct globals globals;

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
	const char *usage;                 /* "revfs snapshot [-m MSG] [PATH...]", more forms behind newlines */
	const char *summary;               /* one line for `revfs help` */
};

/* The table to search: COUNT commands sorted by name, borrowed for ever.  Called once, by main(). */
void command_register(const struct command *const *table, size_t count);

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);

/* The table, *COUNT commands. */
const struct command *const *command_all(size_t *count);

/* "usage: revfs ls ...", forms below one another, on stdout or (ON_STDERR) stderr. */
void command_print_usage(const struct command *command, bool on_stderr);

/* The value of the first option without a short form. */
#define COMMAND_LONG 0x1000

/*
 * Parse one option with getopt_long(3) (prefixes, permutation, `--`): returns its value, -1 at the end of the options.
 * -h and --help print the usage on stdout and exit 0; an unknown option prints it on stderr and exits 2.  OPTIONS (at
 * most 48) must end with a zeroed one and need not list help; SHORT_OPTIONS need not list h.  Values of options without
 * a short form begin at COMMAND_LONG.
 */
int command_option(const struct command *command, int argc, char **argv, const char *short_options,
                   const struct option *options);

/* Options that commands share: which of them one has. */
enum command_shared {
	COMMAND_DRY_RUN = 1,  /* -n, --dry-run */
	COMMAND_JSON = 2,     /* --json, which sets globals.json */
	COMMAND_PROGRESS = 4, /* --progress, --no-progress */
};

/* What was given of them. */
struct command_given {
	bool dry_run;
	int progress; /* as progress_start() has it */
};

/*
 * As command_option(), for a command that has the options SHARED (a sum of enum command_shared) beside its own ones,
 * which may be NULL.  Those are taken into GIVEN (NULL: only COMMAND_JSON is shared), which is set anew before the
 * first option, and none of them is returned.
 */
int command_option_shared(const struct command *command, int argc, char **argv, const char *short_options,
                          const struct option *options, unsigned shared, struct command_given *given);

/* The value of --jobs, from 1 to 1024.  Prints its own error: returns 0 or EXIT_USAGE. */
int command_jobs(const char *text, unsigned *jobs);

/* Whether --json stands among the arguments of a command that could not be parsed. */
bool command_wants_json(int argc, char **argv);

/*
 * Run COMMAND with ARGC, ARGV (argv[0] its name): output is flushed and checked at the end, the JSON error line
 * printed. Returns the exit status.
 */
int command_run(const struct command *command, int argc, char **argv);

#endif
