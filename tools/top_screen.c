#include "tools/top_screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/output.h"

/* ECMA-48 and xterm: the other screen, the cursor, to the top, to the end of the line, to the end of the screen. */
#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

static struct {
	bool taken;
	struct winsize size;
	unsigned rows; /* of this report */
} screen;

static struct winsize size_now(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	return size;
}

void top_screen_begin(void)
{
	const char *term = getenv("TERM");

	screen.taken = isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
	if (screen.taken)
		fputs(ENTER, stdout);
}

bool top_screen_is_taken(void)
{
	return screen.taken;
}

void top_screen_end(void)
{
	if (screen.taken)
		fputs(LEAVE, stdout);
	fflush(stdout);
	screen.taken = false;
}

void top_screen_clear(void)
{
	screen.size = size_now();
	screen.rows = 0;
	if (screen.taken)
		fputs(HOME, stdout);
}

void top_screen_line(const char *format, ...)
{
	va_list args;
	char *line;
	int len;

	va_start(args, format);
	len = vasprintf(&line, format, args);
	va_end(args);
	if (len < 0)
		return;
	if (!screen.taken) {
		puts(line);
	} else if (screen.rows < screen.size.ws_row) {
		/* No line feed behind the last row: it would move all up. */
		printf("%s" CLEAR_LINE "%.*s", screen.rows ? "\r\n" : "", (int)screen.size.ws_col, line);
		screen.rows++;
	}
	free(line);
}

int top_screen_show(void)
{
	if (screen.taken && screen.rows < screen.size.ws_row)
		fputs("\r\n" CLEAR_BELOW, stdout);
	return output_finish();
}

bool top_screen_resized(void)
{
	struct winsize size;

	if (!screen.taken)
		return false;
	size = size_now();
	return size.ws_row != screen.size.ws_row || size.ws_col != screen.size.ws_col;
}
