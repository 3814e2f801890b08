#include "tools/bundle_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)1 << 20)

struct written {
	char path[REMOTE_PATH_SIZE];
	uint64_t at, size;
};

struct bundle_writer {
	int fd;
	struct archive *archive;
	struct archive_entry *entry;
	uint64_t at; /* bytes of the file so far */
	int error;   /* of writing */
	void *files; /* a tree of struct written by their paths, as tsearch(3) makes it */
	uint64_t count;
};

static la_ssize_t write_block(struct archive *archive, void *arg, const void *data, size_t len)
{
	struct bundle_writer *w = arg;

	w->error = io_write_exact(io_system(), w->fd, data, len, w->at);
	if (w->error) {
		archive_set_error(archive, -w->error, "%s", strerror(-w->error));
		return -1;
	}
	w->at += len;
	return (la_ssize_t)len;
}

int bundle_writer_open(const char *path, struct bundle_writer **writer)
{
	struct bundle_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fd = io_open(io_system(), AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0666);
	if (w->fd < 0) {
		int error = w->fd;

		free(w);
		return error;
	}
	w->entry = archive_entry_new();
	w->archive = archive_write_new();
	*writer = w;
	if (!w->entry || !w->archive)
		return -ENOMEM;
	/* Nothing is held back, so that it is known where each file's bytes lie. */
	archive_write_set_format_pax_restricted(w->archive);
	archive_write_set_bytes_per_block(w->archive, 0);
	return archive_write_open(w->archive, w, NULL, write_block, NULL) == ARCHIVE_OK ? 0 : -ENOMEM;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct written *)a)->path, ((const struct written *)b)->path);
}

static struct written *find_written(struct bundle_writer *w, const char *path)
{
	struct written wanted, *const *found;

	snprintf(wanted.path, sizeof(wanted.path), "%s", path);
	found = tfind(&wanted, &w->files, compare);
	return found ? *found : NULL;
}

static int write_body(struct bundle_writer *w, const struct remote_body *body)
{
	uint8_t *piece = body->data ? NULL : malloc(PIECE);
	int error = body->data || piece ? 0 : -ENOMEM;

	for (uint64_t at = 0; at < body->len && !error;) {
		size_t len = body->len - at < PIECE ? (size_t)(body->len - at) : PIECE;

		if (!body->data)
			error = body->next ? body->next(body->arg, piece, len)
			                   : io_read_exact(io_system(), body->fd, piece, len, at);
		if (!error && archive_write_data(w->archive, body->data ? (const uint8_t *)body->data + at : piece,
		                                 len) != (la_ssize_t)len)
			error = w->error ? w->error : -EIO;
		at += len;
	}
	free(piece);
	return error;
}

static int write_header(struct bundle_writer *w, const char *path, uint64_t size)
{
	archive_entry_clear(w->entry);
	archive_entry_set_pathname(w->entry, path);
	archive_entry_set_filetype(w->entry, AE_IFREG);
	archive_entry_set_perm(w->entry, 0444);
	archive_entry_set_mtime(w->entry, 0, 0);
	archive_entry_set_size(w->entry, (la_int64_t)size);
	if (archive_write_header(w->archive, w->entry) == ARCHIVE_OK)
		return 0;
	return w->error ? w->error : -EINVAL;
}

static int put(void *state, const char *path, const struct remote_body *body, bool replace)
{
	struct bundle_writer *w = state;
	struct written *file;
	int error;

	(void)replace;
	if (find_written(w, path))
		return -EEXIST;
	error = write_header(w, path, body->len);
	if (error)
		return error;
	file = malloc(sizeof(*file));
	if (!file)
		return -ENOMEM;
	*file = (struct written){.at = w->at, .size = body->len};
	snprintf(file->path, sizeof(file->path), "%s", path);
	error = write_body(w, body);
	if (!error && archive_write_finish_entry(w->archive) != ARCHIVE_OK)
		error = w->error ? w->error : -EIO;
	if (!error && !tsearch(file, &w->files, compare))
		error = -ENOMEM;
	if (error)
		free(file);
	else
		w->count++;
	return error;
}

static ssize_t read_back(void *state, const char *path, uint64_t offset, void *data, size_t len,
                         const struct arrival *arrival)
{
	struct bundle_writer *w = state;
	const struct written *file = find_written(w, path);

	(void)arrival;
	if (!file)
		return -ENOENT;
	if (offset >= file->size)
		return 0;
	if (len > file->size - offset)
		len = (size_t)(file->size - offset);
	return io_read_some(io_system(), w->fd, data, len, file->at + offset);
}

static int stat_written(void *state, const char *path, struct remote_stat *st)
{
	const struct written *file = find_written(state, path);

	if (!file)
		return -ENOENT;
	*st = (struct remote_stat){.size = file->size};
	return 0;
}

static int refuse_remove(void *state, const char *path)
{
	(void)state;
	(void)path;
	return -EROFS;
}

static int refuse_list(void *state, const char *folder, remote_each each, void *arg)
{
	(void)state;
	(void)folder;
	(void)each;
	(void)arg;
	return -EOPNOTSUPP;
}

/* The writer for the remote that this thread is opening. */
static _Thread_local struct bundle_writer *handed_over;

static int open_state(const struct remote_setup *setup, void **state)
{
	(void)setup;
	*state = handed_over;
	return 0;
}

static void close_state(void *state)
{
	(void)state;
}

static const struct remote_kind kind = {
    .name = "bundle",
    .open = open_state,
    .close = close_state,
    .read = read_back,
    .stat = stat_written,
    .put = put,
    .remove = refuse_remove,
    .list = refuse_list,
};

int bundle_writer_remote(struct bundle_writer *writer, struct remote **remote)
{
	handed_over = writer;
	return remote_open_kind(&(struct remote_setup){.io = io_system(), .name = "bundle", .url = "bundle:"}, &kind,
	                        remote);
}

int bundle_writer_finish(struct bundle_writer *writer, uint64_t *bytes)
{
	char text[32];
	struct remote_body body = {.data = text};
	int error;

	body.len = (uint64_t)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)writer->count);
	error = put(writer, BUNDLE_END, &body, false);
	if (!error && archive_write_close(writer->archive) != ARCHIVE_OK)
		error = writer->error ? writer->error : -EIO;
	*bytes = writer->at;
	return error ? error : io_fsync(io_system(), writer->fd);
}

void bundle_writer_close(struct bundle_writer *writer)
{
	if (!writer)
		return;
	archive_entry_free(writer->entry);
	archive_write_free(writer->archive);
	io_close(io_system(), writer->fd);
	tdestroy(writer->files, free);
	free(writer);
}
