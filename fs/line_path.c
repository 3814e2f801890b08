#include "fs/line_path.h"

#include <stdio.h>
#include <string.h>

char *line_take(char **text, const char *key)
{
	size_t len = strlen(key);
	char *value = *text + len + 1, *end;

	if (strncmp(*text, key, len) || (*text)[len] != ' ')
		return NULL;
	end = strchr(value, '\n');
	if (!end)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return value;
}

void line_path_put(struct buffer *text, const char *path)
{
	for (; *path; path++) {
		char code[4];

		if (*path > ' ' && *path < 127 && *path != '%') {
			buffer_put8(text, (uint8_t)*path);
			continue;
		}
		snprintf(code, sizeof(code), "%%%02X", (unsigned char)*path);
		buffer_append(text, code, 3);
	}
}

static int hex_digit(char c)
{
	const char *digits = "0123456789ABCDEF", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

bool line_path_take(char *text)
{
	char *out = text;

	for (; *text; text++) {
		int high, low;

		if (*text <= ' ' || *text >= 127)
			return false;
		if (*text != '%') {
			*out++ = *text;
			continue;
		}
		high = hex_digit(text[1]);
		low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || high + low == 0)
			return false;
		*out++ = (char)(high << 4 | low);
		text += 2;
	}
	*out = '\0';
	return true;
}
