#include "fs/instep.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/wire.h"
#include "fs/line_path.h"

#define RECORD_SIZE_MAX 65536
#define FIRST_LINE "revfs-instep 1\n"
#define REPLACES_NONE "replaces none\n"
#define SUFFIX ".step"
#define TEMPORARY "step.new"

/* Make the folder NAME, for those who share the folder ABOVE, too, and open it as PATH. */
static int make_folder(const struct io *io, int above, const char *name, const char *path)
{
	struct stat upper, st;
	int fd, error = io_mkdir(io, above, name, 0777);

	if (error && error != -EEXIST)
		return error;
	fd = io_open(io, above, path, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	/* One that is another user's was theirs to share. */
	if (!io->ops->fstat(io->arg, above, &upper) && !io->ops->fstat(io->arg, fd, &st) && (upper.st_mode & S_IWGRP) &&
	    (upper.st_mode & 02777 & ~st.st_mode))
		io_chmod(io, fd, (st.st_mode | (upper.st_mode & 02777)) & 07777);
	return fd;
}

int instep_open_folder(const struct io *io, const char *git_dir, bool create)
{
	int fd, top = io_open(io, AT_FDCWD, git_dir, O_RDONLY | O_DIRECTORY, 0);
	int error = 0;

	if (top < 0)
		return top;
	if (create) {
		const char *name = &INSTEP_FOLDER[strlen("revfs/")];
		/* The store may be a link to another disk: the dot behind it lets it be followed. */
		int store = make_folder(io, top, "revfs", "revfs/.");
		int folder = store < 0 ? store : make_folder(io, store, name, name);

		error = folder < 0 ? folder : 0;
		io_close(io, folder);
		io_close(io, store);
	}
	fd = error ? error : io_open(io, top, INSTEP_FOLDER, O_RDONLY | O_DIRECTORY, 0);
	io_close(io, top);
	return fd;
}

static void file_name(const char *path, const char *suffix, char name[INSTEP_NAME_SIZE])
{
	struct id id;

	id_of(path, strlen(path), &id);
	id_format(&id, name);
	strcat(name, suffix);
}

void instep_stat_name(const char *path, char name[INSTEP_NAME_SIZE])
{
	file_name(path, ".stat", name);
}

static void put_root(struct buffer *text, const char *key, bool present, const struct id *id)
{
	char line[16 + ID_HEX_SIZE], hex[ID_HEX_SIZE];

	if (!present)
		return;
	snprintf(line, sizeof(line), "%s %s\n", key, id_format(id, hex));
	buffer_append(text, line, strlen(line));
}

/* Who writes holds the lock of the worktree: what a kill leaves unfinished makes place for the next. */
static int replace(const struct io *io, int folder, const char *name, const void *data, size_t len)
{
	int fd, error;

	io_unlink(io, folder, TEMPORARY);
	fd = io_open(io, folder, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	error = fd < 0 ? fd : io_write_exact(io, fd, data, len, 0);

	if (fd >= 0)
		io_share_file(io, folder, fd);
	if (!error)
		error = io_fsync(io, fd);
	io_close(io, fd);
	if (!error)
		error = io_rename(io, folder, TEMPORARY, folder, name);
	if (error && fd >= 0)
		io_unlink(io, folder, TEMPORARY);
	return error ? error : io_fsync_dir(io, folder, ".");
}

void instep_settle(struct instep *record, const struct id *pointer)
{
	if ((record->has_replaces || record->is_first) && !id_equal(&record->root, pointer)) {
		record->has_root &= record->has_replaces;
		record->root = record->replaces;
	}
	record->has_replaces = record->is_first = false;
}

bool instep_names(const struct instep *record, const struct id *pointer)
{
	return record->has_root &&
	       (id_equal(&record->root, pointer) || (record->has_replaces && id_equal(&record->replaces, pointer)));
}

void instep_begin_checkout(struct instep *record, const struct id *root)
{
	struct instep was = *record;

	record->before_count = 0;
	if (was.has_checkout && !id_equal(&was.checkout, root))
		record->before[record->before_count++] = was.checkout;
	for (unsigned i = 0; i < was.before_count && record->before_count < INSTEP_BEFORE_MAX; i++) {
		if (!id_equal(&was.before[i], root))
			record->before[record->before_count++] = was.before[i];
	}
	record->checkout = *root;
	record->has_checkout = true;
	record->has_replaces = record->is_first = false;
}

int instep_write(const struct io *io, int folder, const char *path, const struct instep *record)
{
	struct buffer text = {0};
	char name[INSTEP_NAME_SIZE];
	int error;

	buffer_append(&text, FIRST_LINE, strlen(FIRST_LINE));
	put_root(&text, "root", record->has_root, &record->root);
	if (record->is_first)
		buffer_append(&text, REPLACES_NONE, strlen(REPLACES_NONE));
	else
		put_root(&text, "replaces", record->has_replaces, &record->replaces);
	put_root(&text, "checkout", record->has_checkout, &record->checkout);
	for (unsigned i = 0; i < record->before_count; i++)
		put_root(&text, "before", true, &record->before[i]);
	buffer_append(&text, "path ", 5);
	line_path_put(&text, path);
	buffer_put8(&text, '\n');
	file_name(path, SUFFIX, name);
	error = text.failed ? -ENOMEM : replace(io, folder, name, text.data, text.len);
	buffer_release(&text);
	return error;
}

static bool take_root(char **text, const char *key, bool *present, struct id *id)
{
	char *value = line_take(text, key);

	*present = value;
	return !value || !id_parse(value, strlen(value), id);
}

static bool take_replaces(char **text, struct instep *record)
{
	record->is_first = !strncmp(*text, REPLACES_NONE, strlen(REPLACES_NONE));
	if (!record->is_first)
		return take_root(text, "replaces", &record->has_replaces, &record->replaces);
	*text += strlen(REPLACES_NONE);
	return true;
}

static bool take_before(char **text, struct instep *record)
{
	bool more = record->has_checkout;
	struct id id;

	while (more) {
		if (!take_root(text, "before", &more, &id) || (more && record->before_count == INSTEP_BEFORE_MAX))
			return false;
		if (more)
			record->before[record->before_count++] = id;
	}
	return true;
}

/* Parse a whole record, in place.  *PATH points into TEXT. */
static int parse(char *text, size_t len, char **path, struct instep *record)
{
	if (strlen(text) != len || strncmp(text, FIRST_LINE, strlen(FIRST_LINE)))
		return -EBADMSG;
	text += strlen(FIRST_LINE);
	*record = (struct instep){0};
	if (!take_root(&text, "root", &record->has_root, &record->root) || !take_replaces(&text, record) ||
	    !take_root(&text, "checkout", &record->has_checkout, &record->checkout) || !take_before(&text, record))
		return -EBADMSG;
	*path = line_take(&text, "path");
	if (!*path || *text || !line_path_take(*path))
		return -EBADMSG;
	return 0;
}

/* Read the record in the file NAME.  *TEXT is to be freed; *PATH points into it. */
static int read_record(const struct io *io, int folder, const char *name, struct instep *record, char **text,
                       char **path)
{
	void *data;
	size_t len;
	int error = io_read_file(io, folder, name, RECORD_SIZE_MAX, &data, &len);

	if (error)
		return error == -EFBIG ? -EBADMSG : error;
	error = parse(data, len, path, record);
	if (error)
		free(data);
	else
		*text = data;
	return error;
}

int instep_read(const struct io *io, int folder, const char *path, struct instep *record)
{
	char name[INSTEP_NAME_SIZE], *text, *found;
	struct instep read;
	int error;

	file_name(path, SUFFIX, name);
	error = read_record(io, folder, name, &read, &text, &found);
	if (error)
		return error;
	if (strcmp(found, path))
		error = -EBADMSG;
	else
		*record = read;
	free(text);
	return error;
}

int instep_remove(const struct io *io, int folder, const char *path)
{
	char name[INSTEP_NAME_SIZE];
	int error;

	instep_stat_name(path, name);
	io_unlink(io, folder, name);
	file_name(path, SUFFIX, name);
	error = io_unlink(io, folder, name);
	return error == -ENOENT ? 0 : error;
}

struct each {
	const struct io *io;
	int folder;
	int (*each)(void *arg, const char *path, const struct instep *record);
	void *arg;
};

static int each_name(void *arg, const char *name)
{
	struct each *e = arg;
	size_t len = strlen(name);
	struct instep record;
	char *text, *path;
	int answer;

	if (len != ID_HEX_SIZE - 1 + strlen(SUFFIX) || strcmp(name + ID_HEX_SIZE - 1, SUFFIX))
		return 0;
	answer = read_record(e->io, e->folder, name, &record, &text, &path);
	/* Gone, or damaged: no record any more. */
	if (answer == -ENOENT || answer == -EBADMSG || answer == -ELOOP || answer == -EFBIG)
		return 0;
	if (answer)
		return answer;
	answer = e->each(e->arg, path, &record);
	free(text);
	return answer;
}

int instep_each(const struct io *io, int folder, int (*each)(void *arg, const char *path, const struct instep *record),
                void *arg)
{
	struct each e = {.io = io, .folder = folder, .each = each, .arg = arg};

	return io_list(io, folder, ".", each_name, &e);
}
