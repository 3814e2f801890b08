#include "fs/attached.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/tree.h"

static int open_folder(const struct io *io, const char *path)
{
	return io_open(io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

static int open_records(const struct io *io, const char *git_dir, const char *name)
{
	char *path;
	int fd;

	if (asprintf(&path, "%s/" ATTACHMENTS_FOLDER "/%s", git_dir, name) < 0)
		return -ENOMEM;
	fd = open_folder(io, path);
	free(path);
	return fd;
}

static int read_record(const struct io *io, struct attached *a)
{
	int error = instep_read(io, a->records, a->attachment->path, &a->record);

	if (error == -ENOENT)
		a->record = (struct instep){.has_root = true, .root = a->attachment->base.root};
	else if (error == -EBADMSG)
		a->record = (struct instep){.has_root = false};
	return error == -ENOENT || error == -EBADMSG ? 0 : error;
}

int attached_open(const struct io *io, const char *git_dir, const struct attachment *attachment,
                  struct attached *attached)
{
	int error = 0;

	*attached = (struct attached){.attachment = attachment, .holder = -1, .records = -1};
	instep_stat_name(attachment->path, attached->stat_name);
	attached->records = open_records(io, git_dir, attachment->name);
	if (attached->records < 0)
		return attached->records;
	attached->holder = open_folder(io, attachment->folder);
	error = attached->holder < 0 ? attached->holder : read_record(io, attached);
	if (error)
		attached_close(io, attached);
	return error;
}

void attached_close(const struct io *io, struct attached *attached)
{
	io_close(io, attached->holder);
	io_close(io, attached->records);
	attached->holder = attached->records = -1;
}

int attached_recorded(struct source *source, const struct attached *attached, struct pointer *pointer)
{
	const struct instep *record = &attached->record;
	struct directory directory = {.id = record->root, .is_root = true};
	struct totals totals;
	int error;

	if (!record->has_root)
		return -ENODATA;
	if (id_equal(&record->root, &attached->attachment->base.root)) {
		*pointer = attached->attachment->base;
		return 0;
	}
	error = directory_totals(source, &directory, &totals);
	if (!error)
		*pointer = (struct pointer){.root = record->root, .files = totals.files, .bytes = totals.bytes};
	return error;
}

void attached_upper(const struct attached *attached, const struct pointer *old, struct upper *upper)
{
	const struct attachment *attachment = attached->attachment;

	*upper = (struct upper){
	    .dirfd = attached->holder,
	    .name = "upper",
	    .path = attachment->path,
	    .dialect = attachment->dialect,
	    .base = &attachment->base,
	    .old = old,
	    .folder = attached->records,
	    .stat_name = attached->stat_name,
	};
}
