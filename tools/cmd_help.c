/*
 * revfs help: the list of commands, or the man page of one.
 */
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/nearest.h"

extern char **environ;

static void list_commands(void)
{
	size_t count;
	const struct command *const *all = command_all(&count);

	puts("usage: revfs [-C DIR] [-q | -v] COMMAND [options] [arguments]\n");
	for (size_t i = 0; i < count; i++)
		printf("   %-12s %s\n", all[i]->name, all[i]->summary);
	puts("\n'revfs help COMMAND' opens its man page, 'revfs COMMAND -h' lists its forms;\n"
	     "'revfs help semantics' tells what a reader may rely on, 'revfs help format' what is on disk.");
}

/* Pages that are not a command's. */
static const struct guide {
	const char *name; /* as it is asked for */
	const char *page;
	char section;
} guides[] = {
    {"format", "revfs-format", '5'}, {"git-revfs", "git-revfs", '1'},       {"mount.revfs", "mount.revfs", '8'},
    {"revfs", "revfs", '1'},         {"semantics", "revfs-semantics", '7'},
};

#define GUIDES (sizeof(guides) / sizeof(guides[0]))

/*
 * Where the page lies if the program was built or unpacked somewhere of its own: man/ beside the folder of the program
 * (a build tree), or share/man/manN beside bin/.  False: man(1) has to find it.
 */
static bool find_page(const char *page, char section, char path[PATH_MAX])
{
	static const char *const places[] = {"../man", "../../man", "../share/man/man"};
	char program[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (len <= 0)
		return false;
	program[len] = '\0';
	char *slash = strrchr(program, '/');
	if (!slash)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const char digit[2] = {i == 2 ? section : '\0', '\0'};
		int written = snprintf(path, PATH_MAX, "%s/%s%s/%s.%c", program, places[i], digit, page, section);
		if (written > 0 && written < PATH_MAX && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

/* Run man(1).  Returns its exit status, or -errno where it cannot run. */
static int run_man(const char *page, char section)
{
	char path[PATH_MAX], number[2] = {section, '\0'};
	bool found = find_page(page, section, path);
	char *argv[] = {"man", found ? "-l" : number, found ? path : (char *)page, NULL};
	int status;
	pid_t child;

	fflush(stdout);
	int error = posix_spawnp(&child, "man", NULL, NULL, argv, environ);
	if (error)
		return -error;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static int unknown(const char *name)
{
	struct nearest nearest = {.wanted = name};
	size_t count;
	const struct command *const *all = command_all(&count);

	for (size_t i = 0; i < count; i++)
		nearest_offer(&nearest, all[i]->name);
	for (size_t i = 0; i < GUIDES; i++)
		nearest_offer(&nearest, guides[i].name);
	if (nearest.count > 0)
		fail(EXIT_USAGE, "there is no help for '%s'; did you mean '%s'?", name, nearest.best[0].name);
	else
		fail(EXIT_USAGE, "there is no help for '%s', see 'revfs help'", name);
	nearest_release(&nearest);
	return EXIT_USAGE;
}

static int open_page(const char *name)
{
	const struct command *command = command_find(name);
	const struct guide *guide = NULL;
	char page[64];

	for (size_t i = 0; i < GUIDES && !guide; i++)
		guide = strcmp(guides[i].name, name) == 0 ? &guides[i] : NULL;
	if (!command && !guide)
		return unknown(name);
	snprintf(page, sizeof(page), guide ? "%s" : "revfs-%s", guide ? guide->page : name);
	if (run_man(page, guide ? guide->section : '1') == 0)
		return EXIT_DONE;
	/* No man(1) here, or no page installed: the usage is better than nothing. */
	if (command)
		command_print_usage(command, false);
	else
		list_commands();
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {{0}};

	while (command_option(&command_help, argc, argv, "", options) != -1)
		;
	if (argc - optind > 1)
		return fail_usage("too many arguments");
	if (optind == argc) {
		list_commands();
		return EXIT_DONE;
	}
	return open_page(argv[optind]);
}

const struct command command_help = {
    .name = "help",
    .run = run,
    .usage = "revfs help [COMMAND | format | semantics]",
    .summary = "show the manual of a command",
};
