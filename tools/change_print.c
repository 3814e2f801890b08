#include "tools/change_print.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools/color.h"
#include "tools/output.h"

const char *change_letter_color(char letter)
{
	switch (letter) {
	case 'A':
		return color(COLOR_GREEN);
	case 'D':
		return color(COLOR_RED);
	case 'R':
		return color(COLOR_CYAN);
	default:
		return color(COLOR_YELLOW);
	}
}

bool change_is_directory(const struct listed_change *change)
{
	return (change->b.kind ? change->b.kind : change->a.kind) == ENTRY_DIRECTORY;
}

void change_print_path(const struct listed_change *change)
{
	char *path;

	if (!change_is_directory(change)) {
		output_name(stdout, change->path, false);
	} else if (asprintf(&path, "%s/", change->path) >= 0) {
		output_name(stdout, path, false);
		free(path);
	}
}

void change_print_line(const struct change_list *list, const struct listed_change *change)
{
	char before[32], after[32], letter = change_letter(change);

	printf("%s%c%s ", change_letter_color(letter), letter, color(COLOR_OFF));
	if (letter == 'R') {
		output_name(stdout, list->items[change->from].path, false);
		fputs(" -> ", stdout);
	}
	change_print_path(change);
	if (letter == 'M' && change->a.size != change->b.size)
		printf(" (%s -> %s)", output_size(change->a.size, before), output_size(change->b.size, after));
	else if (letter == 'M' && change->a.executable != change->b.executable)
		printf(" (%s executable)", change->b.executable ? "now" : "no longer");
	else if (!change_is_directory(change))
		printf(" (%s)", output_size(change->b.kind ? change->b.size : change->a.size, after));
	putchar('\n');
}
