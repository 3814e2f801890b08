#include "tools/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/io.h"
#include "tools/path.h"

char *secret_file_path(const char *variable, const char *below_home)
{
	const char *named = variable ? getenv(variable) : NULL, *home = getenv("HOME");

	if (named && *named) {
		if (strncmp(named, "~/", 2) != 0)
			return strdup(named);
		below_home = named + 2;
	}
	return home && *home && *below_home ? path_join(home, below_home) : NULL;
}

/* What home folders and clusters keep such files behind are links, so the end of them is opened. */
int secret_file_read(const char *path, char **text)
{
	char *end = realpath(path, NULL);
	size_t len;
	void *data;
	int error;

	if (!end)
		return errno == ENOTDIR ? -ENOENT : -errno;
	error = io_read_file(io_system(), AT_FDCWD, end, SECRET_FILE_MAX, &data, &len);
	free(end);
	if (!error)
		*text = data;
	return error;
}
