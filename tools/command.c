#include "tools/command.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/output.h"

#define OPTIONS_MAX 48

/* Of options that no command sees. */
enum { VALUE_HELP = 0x2000, VALUE_DRY_RUN, VALUE_JSON, VALUE_PROGRESS, VALUE_NO_PROGRESS };

static const struct {
	enum command_shared which;
	struct option option;
} shared_options[] = {
    {COMMAND_DRY_RUN, {"dry-run", no_argument, NULL, VALUE_DRY_RUN}},
    {COMMAND_JSON, {"json", no_argument, NULL, VALUE_JSON}},
    {COMMAND_PROGRESS, {"progress", no_argument, NULL, VALUE_PROGRESS}},
    {COMMAND_PROGRESS, {"no-progress", no_argument, NULL, VALUE_NO_PROGRESS}},
};

struct globals globals;

static const struct command *const *commands;
static size_t commands_count;

void command_register(const struct command *const *table, size_t count)
{
	commands = table;
	commands_count = count;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < commands_count; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

const struct command *const *command_all(size_t *count)
{
	*count = commands_count;
	return commands;
}

void command_print_usage(const struct command *command, bool on_stderr)
{
	FILE *out = on_stderr ? stderr : stdout;
	const char *form = command->usage;
	const char *prefix = "usage: ";

	while (*form) {
		size_t len = strcspn(form, "\n");
		fprintf(out, "%s%.*s\n", prefix, (int)len, form);
		prefix = "   or: ";
		form += len + (form[len] == '\n');
	}
}

/* Flush the output of a command that ended with STATUS.  What could not be written was not done, whatever it believed.
 */
static int end_output(int status)
{
	int error = output_finish();

	if (error && (status == EXIT_DONE || status == EXIT_FOUND || status == EXIT_PARTIAL))
		return fail(exit_code_of(error), "cannot write the output: %s", error_text(error));
	return status;
}

bool command_wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0)
			return true;
	}
	return false;
}

/* Print what is wrong with the option that getopt stopped at, then the usage, and exit. */
__attribute__((noreturn)) static void refuse_option(const struct command *command, int argc, char **argv, int found,
                                                    const struct option *options)
{
	const char *word = argv[optind - 1];
	unsigned fits = 0;

	globals.json = command_wants_json(argc, argv);
	/* The word is that of a short option only once getopt is done with all of its letters. */
	bool is_long = strncmp(word, "--", 2) == 0 && (optopt == 0 || found == ':' || strchr(word, '='));
	if (is_long) {
		size_t len = strcspn(word + 2, "=");
		for (const struct option *o = options; o->name; o++)
			fits += strncmp(o->name, word + 2, len) == 0;
		len += 2;
		if (found == ':')
			fail(EXIT_USAGE, "option '%.*s' needs a value", (int)len, word);
		else if (optopt != 0)
			fail(EXIT_USAGE, "option '%.*s' takes no value", (int)len, word);
		else
			fail(EXIT_USAGE, fits > 1 ? "option '%.*s' is ambiguous" : "unknown option '%.*s'", (int)len,
			     word);
	} else if (found == ':') {
		fail(EXIT_USAGE, "option '%s' needs a value", word);
	} else {
		fail(EXIT_USAGE, "unknown option '-%c'", optopt);
	}
	command_print_usage(command, true);
	if (globals.json)
		fail_print_json(EXIT_USAGE);
	exit(EXIT_USAGE);
}

/* All that is known: OPTIONS, then those of SHARED, then the help. */
static void list_options(struct option all[OPTIONS_MAX + 2], const struct option *options, unsigned shared)
{
	size_t count = 0;

	for (; options && options->name; options++) {
		assert(count < OPTIONS_MAX);
		all[count++] = *options;
	}
	for (size_t i = 0; i < sizeof(shared_options) / sizeof(*shared_options); i++) {
		if (!(shared & shared_options[i].which))
			continue;
		assert(count < OPTIONS_MAX);
		all[count++] = shared_options[i].option;
	}
	all[count] = (struct option){"help", no_argument, NULL, VALUE_HELP};
}

/* Whether OPTION is one of SHARED; it is taken then. */
static bool take_shared(int option, unsigned shared, struct command_given *given)
{
	if (option == VALUE_DRY_RUN || (option == 'n' && (shared & COMMAND_DRY_RUN)))
		given->dry_run = true;
	else if (option == VALUE_JSON)
		globals.json = true;
	else if (option == VALUE_PROGRESS || option == VALUE_NO_PROGRESS)
		given->progress = option == VALUE_PROGRESS;
	else
		return false;
	return true;
}

int command_option_shared(const struct command *command, int argc, char **argv, const char *short_options,
                          const struct option *options, unsigned shared, struct command_given *given)
{
	struct option all[OPTIONS_MAX + 2] = {{0}};
	char letters[128];
	int found, len;

	list_options(all, options, shared);
	len = snprintf(letters, sizeof(letters), ":%s%sh", short_options, shared & COMMAND_DRY_RUN ? "n" : "");
	assert(len > 0 && (size_t)len < sizeof(letters));
	assert(given || !(shared & ~COMMAND_JSON));
	if (!optind && given)
		*given = (struct command_given){.progress = -1};
	opterr = 0;
	do
		found = getopt_long(argc, argv, letters, all, NULL);
	while (take_shared(found, shared, given));
	if (found == VALUE_HELP || found == 'h') {
		command_print_usage(command, false);
		exit(end_output(EXIT_DONE));
	}
	if (found == '?' || found == ':')
		refuse_option(command, argc, argv, found, all);
	return found;
}

int command_option(const struct command *command, int argc, char **argv, const char *short_options,
                   const struct option *options)
{
	return command_option_shared(command, argc, argv, short_options, options, 0, NULL);
}

int command_jobs(const char *text, unsigned *jobs)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !value || value > 1024)
		return fail_usage("'--jobs %s': a number from 1 to 1024 is wanted", text);
	*jobs = (unsigned)value;
	return EXIT_DONE;
}

int command_run(const struct command *command, int argc, char **argv)
{
	globals.command = command;
	optind = 0; /* glibc: begin anew, with everything it remembers of the last parse */
	int status = command->run(argc, argv);
	status = end_output(status);
	if (status != EXIT_DONE && globals.json)
		fail_print_json(status);
	return status;
}
