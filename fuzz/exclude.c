/* Patterns, a line each, and behind an empty line a path. */
#include <string.h>

#include "fs/exclude.h"
#include "fuzz/support/fuzz.h"

#define PATTERNS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *patterns[PATTERNS_MAX + 1];
	size_t count = 0;
	char *text = (char *)malloc(len + 1);
	REQUIRE(text);
	memcpy(text, data, len);
	text[len] = 0;
	char *line = text, *end;
	while (count < PATTERNS_MAX && (end = strchr(line, '\n')) && end != line) {
		*end = 0;
		patterns[count++] = line;
		line = end + 1;
	}
	patterns[count] = NULL;
	line += *line == '\n';
	struct exclude *exclude;
	REQUIRE(exclude_new(patterns, &exclude) == 0);
	if (*line) {
		bool plain = exclude_matches(exclude, line, false);
		REQUIRE(count > 0 || !plain);
		exclude_matches(exclude, line, true);
	}
	exclude_free(exclude);
	free(text);
	return 0;
}
