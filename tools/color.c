#include "tools/color.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/command.h"

static enum {
	UNDECIDED,
	WANTED,
	UNWANTED,
} decision;

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value && strcmp(value, "0") != 0;
}

int color_option(const char *when)
{
	if (!when || strcmp(when, "always") == 0)
		decision = WANTED;
	else if (strcmp(when, "never") == 0)
		decision = UNWANTED;
	else if (strcmp(when, "auto") != 0)
		return fail_usage("--color takes always, never or auto, not '%s'", when);
	return EXIT_DONE;
}

const char *color(enum color which)
{
	static const char *const sequences[] = {"\033[31m", "\033[32m", "\033[33m", "\033[36m", "\033[m"};
	const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (decision == UNDECIDED && no_color && *no_color)
		decision = UNWANTED;
	else if (decision == UNDECIDED && is_set("CLICOLOR_FORCE"))
		decision = WANTED;
	else if (decision == UNDECIDED)
		decision = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0 ? WANTED : UNWANTED;
	return decision == WANTED ? sequences[which] : "";
}
