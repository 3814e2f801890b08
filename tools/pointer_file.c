#include "tools/pointer_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cache/io.h"

int pointer_file_read(const char *file, struct pointer *pointer)
{
	size_t len;
	void *text;
	int error = io_read_file(io_system(), AT_FDCWD, file, POINTER_SIZE_MAX, &text, &len);

	if (error)
		return error == -EFBIG ? -EINVAL : error;
	error = len ? pointer_parse(text, len, pointer, NULL, NULL) : -ENODATA;
	free(text);
	return error == -ENOTSUP || (!error && pointer->unknown_keys) ? -EINVAL : error;
}

int pointer_file_write(const char *file, const struct pointer *pointer)
{
	const struct io *io = io_system();
	char text[POINTER_TEXT_MAX];
	size_t len = pointer_format(pointer, text);
	int fd = io_open(io, AT_FDCWD, file, O_WRONLY | O_TRUNC, 0), error;

	if (fd < 0)
		return fd;
	error = io_write_exact(io, fd, text, len, 0);
	io_close(io, fd);
	return error;
}

char *pointer_file_dataset(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name);

	pointer_name(name, len, &len);
	return strndup(path, (size_t)(name - path) + len);
}
