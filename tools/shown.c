#include "tools/shown.h"

#include <stdlib.h>

#include "tools/output.h"

const char *shown(const char *path)
{
	static char *texts[8];
	static unsigned next;
	char **text = &texts[next++ % 8];

	free(*text);
	*text = output_quoted(path);
	return *text ? *text : path;
}
