/*
 * revfs: the table of commands, and what stands in front of a command.
 *
 * Also runs as git-revfs (so that `git revfs` works) and as mount.revfs (for mount(8) and fstab).
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/commands.h"
#include "tools/nearest.h"

/* clang-format off */
static const struct command *const table[] = {
	&command_archive,
	&command_attach,
	&command_bundle,
	&command_cache,
	&command_cat,
	&command_checkout,
	&command_config,
	&command_detach,
	&command_diff,
	&command_diff_driver,
	&command_du,
	&command_export,
	&command_fetch,
	&command_gc,
	&command_help,
	&command_init,
	&command_install,
	&command_log,
	&command_ls,
	&command_merge_driver,
	&command_mirror,
	&command_mount,
	&command_mounts,
	&command_pin,
	&command_prefetch,
	&command_push,
	&command_remote,
	&command_run_attached,
	&command_serve,
	&command_snapshot,
	&command_status,
	&command_top,
	&command_umount,
	&command_unbundle,
	&command_uninstall,
	&command_unpin,
	&command_verify,
	&command_version,
};
/* clang-format on */

#define COMMANDS (sizeof(table) / sizeof(table[0]))

/*
 * A closed descriptor among the first three would be given to the next file that is opened, and messages written into
 * it. Standard output is filled so that writing to it fails, as it would have.
 */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		int opened = open("/dev/null", fd == 2 ? O_WRONLY : O_RDONLY);
		if (opened != fd)
			_exit(EXIT_SYSTEM);
	}
}

/*
 * Whoever started us may ignore or block SIGPIPE; `revfs ls | head -1` must end all the same, and quietly.  A write
 * past the limit of file sizes is to fail like one to a full disk, not to kill.
 */
static void set_signals(void)
{
	sigset_t set;

	signal(SIGXFSZ, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/*
 * Chunks come and go all the time: memory that they leave is kept for the next ones, all threads take from the same
 * arenas, and none gets pages of its own from the system, which would cost a fault each.
 */
static void set_allocation(void)
{
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	mallopt(M_TOP_PAD, 1 << 20);
}

static void unknown_command(const char *name)
{
	struct nearest nearest = {.wanted = name};

	for (size_t i = 0; i < COMMANDS; i++)
		nearest_offer(&nearest, table[i]->name);
	fail(EXIT_USAGE, "'%s' is not a command, see 'revfs help'", name);
	for (size_t i = 0; i < nearest.count; i++)
		fprintf(stderr, "%s%s\n", i == 0 ? "did you mean: " : "              ", nearest.best[i].name);
	nearest_release(&nearest);
}

static int run(const char *name, int argc, char **argv)
{
	const struct command *command = command_find(name);

	if (!command) {
		unknown_command(name);
		if (command_wants_json(argc, argv))
			fail_print_json(EXIT_USAGE);
		return EXIT_USAGE;
	}
	argv[0] = (char *)command->name;
	return command_run(command, argc, argv);
}

static int enter(const char *dir)
{
	if (!dir)
		return fail_usage("option '-C' needs a value");
	if (*dir && chdir(dir))
		return fail(EXIT_NOT_FOUND, "cannot enter the folder '%s': %s", dir, strerror(errno));
	return EXIT_DONE;
}

/* Take the letters of a word like -qv apart.  *NEXT is the value that -C takes.  0, or an exit status. */
static int take_letters(const char *word, const char *next, bool *took_next)
{
	for (const char *p = word + 1; *p; p++) {
		if (*p == 'q') {
			globals.quiet = true;
		} else if (*p == 'v') {
			globals.verbose++;
		} else if (*p == 'C') {
			*took_next = p[1] == '\0';
			return enter(*took_next ? next : p + 1);
		} else {
			return fail_usage("unknown option '-%c'", *p);
		}
	}
	return EXIT_DONE;
}

static int run_named(const char *name)
{
	char *argv[] = {(char *)name, NULL};
	return run(name, 1, argv);
}

int main(int argc, char **argv)
{
	int i = 1;

	fill_standard_descriptors();
	set_signals();
	set_allocation();
	command_register(table, COMMANDS);
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *base = slash ? slash + 1 : argc > 0 ? argv[0] : "revfs";
	if (strcmp(base, "mount.revfs") == 0)
		return command_run(&command_mount_helper, argc, argv);

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return run("help", argc - i, argv + i);
		if (strcmp(argv[i], "--version") == 0)
			return run_named("version");
		if (argv[i][1] == '-')
			return fail_usage("unknown option '%s'", argv[i]);
		bool took_next = false;
		int status = take_letters(argv[i], i + 1 < argc ? argv[i + 1] : NULL, &took_next);
		if (status)
			return status;
		i += took_next;
	}
	if (i >= argc)
		return fail_usage("no command given");
	return run(argv[i], argc - i, argv + i);
}
