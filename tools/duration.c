#include "tools/duration.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
	char letter;
	int64_t seconds;
	const char *name;
} units[] = {{'d', 86400, "day"}, {'h', 3600, "hour"}, {'m', 60, "minute"}, {'s', 1, "second"}};

#define UNITS (sizeof(units) / sizeof(units[0]))

int duration_parse(const char *text, int64_t *seconds)
{
	size_t digits = strspn(text, "0123456789"), i = UNITS - 1;
	int64_t number = 0;

	if (digits == 0 || digits > 15)
		return -EINVAL;
	for (size_t at = 0; at < digits; at++)
		number = number * 10 + (text[at] - '0');
	if (text[digits] != '\0') {
		for (i = 0; i < UNITS && units[i].letter != text[digits];)
			i++;
		if (i == UNITS || text[digits + 1] != '\0')
			return -EINVAL;
	}
	if (number > DURATION_MAX_S / units[i].seconds)
		return -EINVAL;
	*seconds = number * units[i].seconds;
	return 0;
}

char *duration_format(int64_t seconds, char text[32])
{
	size_t i = 0;

	while (i < UNITS - 1 && (seconds < units[i].seconds || seconds % units[i].seconds != 0))
		i++;
	seconds /= units[i].seconds;
	snprintf(text, 32, "%" PRId64 " %s%s", seconds, units[i].name, seconds == 1 ? "" : "s");
	return text;
}
