#include "fs/info_exclude.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/io.h"
#include "cache/wire.h"

#define FILE_SIZE_MAX ((size_t)16 << 20)
#define LOCK_WAIT_MS 10000

/* The pattern that matches PATH alone, and a newline. */
static void put_pattern(struct buffer *line, const char *path, bool folder)
{
	const char *blanks = path + strlen(path);

	while (blanks > path && blanks[-1] == ' ')
		blanks--;
	for (; *path; path++) {
		if (*path == '\n' || *path == '\r') {
			/* No pattern can hold them. */
			buffer_put8(line, '?');
			continue;
		}
		if (strchr("[*?\\", *path) || (path >= blanks && !folder))
			buffer_put8(line, '\\');
		buffer_put8(line, (uint8_t)*path);
	}
	buffer_append(line, folder ? "/\n" : "\n", folder ? 2 : 1);
}

/* Whether LINE stands in TEXT as a whole line. */
static bool has_line(const char *text, size_t len, const struct buffer *line)
{
	const char *end = text + len, *p = text;

	while ((size_t)(end - p) >= line->len) {
		if (memcmp(p, line->data, line->len) == 0)
			return true;
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			return false;
		p++;
	}
	return false;
}

/* Add LINE to the file PATH, in one write: where nobody can lock, two who do so at once leave two whole lines. */
static int append_line(const char *path, const struct buffer *line)
{
	const struct io *io = io_system();
	struct buffer text = {0};
	void *data = NULL;
	size_t len = 0;
	int fd = -1, err;

	err = io_read_file(io, AT_FDCWD, path, FILE_SIZE_MAX, &data, &len);
	if (err && err != -ENOENT)
		return err;
	err = 0;
	if (len && has_line(data, len, line))
		goto out;
	if (len && ((const char *)data)[len - 1] != '\n')
		buffer_put8(&text, '\n');
	buffer_append(&text, line->data, line->len);
	err = -ENOMEM;
	if (text.failed)
		goto out;
	fd = io_open(io, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND, 0666);
	/* With O_APPEND the offset says nothing (pwrite(2), BUGS). */
	err = fd < 0 ? fd : io_write_exact(io, fd, text.data, text.len, len);
	io_close(io, fd);
out:
	buffer_release(&text);
	free(data);
	return err;
}

/* Ten seconds at most, and no failure where there are no such locks (NFS). */
static int lock_folder(const struct io *io, int folder)
{
	return io_lock(io, folder, true, LOCK_WAIT_MS) == -EBUSY ? -EBUSY : 0;
}

int info_exclude_open(const struct io *io, const struct repo *repo, bool lock)
{
	char *path;
	int fd, err;

	/* The dot lets a link be followed. */
	if (asprintf(&path, "%s/info/.", repo_common_dir(repo)) < 0)
		return -ENOMEM;
	fd = io_open(io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	free(path);
	err = fd >= 0 && lock ? lock_folder(io, fd) : 0;
	if (err) {
		io_close(io, fd);
		return err;
	}
	return fd;
}

int info_exclude_add(const struct repo *repo, const char *path, bool folder)
{
	struct buffer line = {0};
	char *info = NULL, *file = NULL, *real = NULL;
	int err = -ENOMEM, at = -1;

	put_pattern(&line, path, folder);
	if (line.failed || asprintf(&info, "%s/info", repo_common_dir(repo)) < 0) {
		info = NULL;
		goto out;
	}
	if (asprintf(&file, "%s/exclude", info) < 0) {
		file = NULL;
		goto out;
	}
	io_mkdir(io_system(), AT_FDCWD, info, 0777);
	at = info_exclude_open(io_system(), repo, true);
	err = at < 0 ? at : 0;
	if (err)
		goto out;
	/* Either may be a link to what several clones share. */
	real = realpath(file, NULL);
	err = append_line(real ? real : file, &line);
out:
	io_close(io_system(), at);
	free(real);
	free(file);
	free(info);
	buffer_release(&line);
	return err;
}
