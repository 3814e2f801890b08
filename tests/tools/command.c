/* Options that commands share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* cmocka has one of its own. */
#undef fail

#include "tools/command.h"

static const struct command command = {.name = "x", .usage = "revfs x"};
static const struct option own[] = {{"no-git", no_argument, NULL, COMMAND_LONG}, {0}};
static struct command_given given;
static char own_seen[16]; /* a letter each: 'f', or 'g' for --no-git */

#define ALL (COMMAND_DRY_RUN | COMMAND_JSON | COMMAND_PROGRESS)

/* Parse the words of TEXT; returns how many arguments are left. */
static int parse(const char *text)
{
	static char words[256];
	char *argv[16] = {"x"};
	int argc = 1, option;
	size_t seen = 0;

	strcpy(words, text);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	optind = 0;
	globals.json = false;
	while ((option = command_option_shared(&command, argc, argv, "f", own, ALL, &given)) != -1)
		own_seen[seen++] = option == 'f' ? 'f' : 'g';
	own_seen[seen] = '\0';
	return argc - optind;
}

static void nothing_given_is_nothing(void **state)
{
	(void)state;
	given = (struct command_given){.dry_run = true, .progress = 1};
	assert_int_equal(parse("a b"), 2);
	assert_false(given.dry_run);
	assert_int_equal(given.progress, -1);
	assert_false(globals.json);
	assert_string_equal(own_seen, "");
}

static void shared_ones_are_taken_and_own_ones_returned(void **state)
{
	(void)state;
	assert_int_equal(parse("-fn a --json --no-git --progress -f"), 1);
	assert_true(given.dry_run);
	assert_int_equal(given.progress, 1);
	assert_true(globals.json);
	assert_string_equal(own_seen, "fgf");
}

static void last_word_about_progress_counts(void **state)
{
	(void)state;
	parse("--progress --no-progress");
	assert_int_equal(given.progress, 0);
	parse("--no-p --prog");
	assert_int_equal(given.progress, 1);
}

static void what_is_behind_the_end_is_no_option(void **state)
{
	(void)state;
	assert_int_equal(parse("--dry-run -- -n --json"), 2);
	assert_true(given.dry_run);
	assert_false(globals.json);
}

/* A command with an 'n' of its own. */
static void what_is_not_shared_is_the_commands(void **state)
{
	char *argv[] = {"x", "-n", "--json", NULL};

	(void)state;
	optind = 0;
	globals.json = false;
	assert_int_equal(command_option_shared(&command, 3, argv, "n", NULL, COMMAND_JSON, NULL), 'n');
	assert_false(globals.json);
	assert_int_equal(command_option_shared(&command, 3, argv, "n", NULL, COMMAND_JSON, NULL), -1);
	assert_true(globals.json);
	globals.json = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_given_is_nothing),
	    cmocka_unit_test(shared_ones_are_taken_and_own_ones_returned),
	    cmocka_unit_test(last_word_about_progress_counts),
	    cmocka_unit_test(what_is_behind_the_end_is_no_option),
	    cmocka_unit_test(what_is_not_shared_is_the_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
