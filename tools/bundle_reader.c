#include "tools/bundle_file.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/pack_index.h"
#include "cache/remote_store.h"

#define BLOCK ((size_t)64 << 10)
#define MOVED_MAX ((uint64_t)256 << 20)

struct bundle_reader {
	int fd;
	struct archive *archive;
	uint64_t file_size;
	int stage; /* -1 at the beginning; then what the last file was */
	uint64_t count;
};

int bundle_reader_open(const char *path, struct bundle_reader **reader)
{
	struct bundle_reader *r = calloc(1, sizeof(*r));
	int error = -ENOMEM;

	if (!r)
		return -ENOMEM;
	r->stage = -1;
	r->fd = io_open_regular(io_system(), AT_FDCWD, path, &r->file_size);
	if (r->fd < 0)
		error = r->fd;
	else
		r->archive = archive_read_new();
	if (r->archive && archive_read_support_format_tar(r->archive) == ARCHIVE_OK)
		error = archive_read_open_fd(r->archive, r->fd, BLOCK) == ARCHIVE_OK ? 0 : -EBADMSG;
	if (error) {
		bundle_reader_close(r);
		return error;
	}
	*reader = r;
	return 0;
}

/* What the name says that a file is; only names as they are written count. */
static int classify(const char *name, struct bundle_entry *e)
{
	char path[REMOTE_PATH_SIZE];
	const char *last = strrchr(name, '/');
	const size_t len = last ? strlen(last + 1) : 0;

	if (!strcmp(name, BUNDLE_MANIFEST))
		e->what = BUNDLE_IS_MANIFEST;
	else if (!strcmp(name, STORE_VERSION_FILE))
		e->what = BUNDLE_IS_STORE;
	else if (!strcmp(name, BUNDLE_COMMITS))
		e->what = BUNDLE_IS_COMMITS;
	else if (!strcmp(name, BUNDLE_END))
		e->what = BUNDLE_IS_END;
	else if (len == ID_HEX_SIZE - 1 && !id_parse(last + 1, len, &e->root))
		e->what = BUNDLE_IS_ROOT;
	else if (len >= PACK_ID_HEX_SIZE - 1 && !pack_id_parse(last + 1, PACK_ID_HEX_SIZE - 1, &e->pack))
		e->what = len == PACK_ID_HEX_SIZE - 1 ? BUNDLE_IS_PACK : BUNDLE_IS_MOVED;
	else
		return -EBADMSG;
	if (e->what == BUNDLE_IS_ROOT)
		return strcmp(name, remote_store_root_path(&e->root, path)) ? -EBADMSG : 0;
	if (e->what == BUNDLE_IS_PACK || e->what == BUNDLE_IS_MOVED)
		return strcmp(name, remote_store_pack_path(&e->pack, e->what == BUNDLE_IS_PACK ? "" : ".moved", path))
		           ? -EBADMSG
		           : 0;
	return 0;
}

/* Packs and moved files come in any order, all else in its own; what there is one of comes once. */
static int check_stage(struct bundle_reader *r, const struct bundle_entry *e)
{
	const int stage = e->what == BUNDLE_IS_MOVED ? BUNDLE_IS_PACK : (int)e->what;
	const bool many = stage == BUNDLE_IS_PACK || stage == BUNDLE_IS_ROOT;

	if (stage < r->stage || (stage == r->stage && !many) || (r->stage < BUNDLE_IS_STORE && stage != r->stage + 1))
		return -EBADMSG;
	r->stage = stage;
	return 0;
}

static bool size_fits(const struct bundle_entry *e, uint64_t file_size)
{
	static const uint64_t limits[] = {
	    [BUNDLE_IS_MANIFEST] = BUNDLE_MANIFEST_MAX,
	    [BUNDLE_IS_STORE] = STORE_VERSION_MAX,
	    [BUNDLE_IS_PACK] = PACK_SIZE_MAX,
	    [BUNDLE_IS_MOVED] = MOVED_MAX,
	    [BUNDLE_IS_ROOT] = STORE_ROOT_FILE_MAX,
	    [BUNDLE_IS_COMMITS] = UINT64_MAX,
	    [BUNDLE_IS_END] = 31,
	};

	return e->size <= limits[e->what] && e->size <= file_size;
}

/* The version of the store, and the count at the end, are the reader's own business. */
static int check_text(struct bundle_reader *r, const struct bundle_entry *e)
{
	char *text, wanted[32];
	int error;

	if (e->what != BUNDLE_IS_STORE && e->what != BUNDLE_IS_END)
		return 0;
	error = bundle_reader_read_all(r, e, STORE_VERSION_MAX, (void **)&text);
	if (error)
		return error;
	snprintf(wanted, sizeof(wanted), "%llu\n", (unsigned long long)r->count);
	if (e->what == BUNDLE_IS_STORE)
		error = strlen(text) == e->size ? store_check_version(text) : -EBADMSG;
	else
		error = strlen(text) == e->size && !strcmp(text, wanted) ? 0 : -EBADMSG;
	free(text);
	return error;
}

int bundle_reader_next(struct bundle_reader *reader, struct bundle_entry *entry)
{
	struct archive_entry *found;
	const char *name;
	int error = archive_read_next_header(reader->archive, &found);

	*entry = (struct bundle_entry){.what = BUNDLE_IS_END};
	if (error == ARCHIVE_EOF)
		return reader->stage == BUNDLE_IS_END ? 0 : -EBADMSG;
	if (error != ARCHIVE_OK)
		return -EBADMSG;
	name = archive_entry_pathname(found);
	snprintf(entry->name, sizeof(entry->name), "%s", name ? name : "");
	if (!name || strlen(name) >= sizeof(entry->name) || archive_entry_filetype(found) != AE_IFREG ||
	    archive_entry_hardlink(found) || archive_entry_sparse_count(found) || archive_entry_size(found) < 0)
		return -EBADMSG;
	entry->size = (uint64_t)archive_entry_size(found);
	error = classify(name, entry);
	if (!error && !size_fits(entry, reader->file_size))
		error = -EBADMSG;
	if (!error)
		error = check_stage(reader, entry);
	if (!error)
		error = check_text(reader, entry);
	reader->count++;
	return error ? error : 1;
}

ssize_t bundle_reader_read(struct bundle_reader *reader, void *data, size_t len)
{
	la_ssize_t got = archive_read_data(reader->archive, data, len);

	return got < 0 ? -EBADMSG : (ssize_t)got;
}

int bundle_reader_read_all(struct bundle_reader *reader, const struct bundle_entry *entry, size_t limit, void **data)
{
	char *bytes;
	size_t at = 0;

	if (entry->size > limit)
		return -EBADMSG;
	bytes = malloc((size_t)entry->size + 1);
	if (!bytes)
		return -ENOMEM;
	while (at < entry->size) {
		ssize_t got = bundle_reader_read(reader, bytes + at, (size_t)entry->size - at);

		if (got <= 0) {
			free(bytes);
			return -EBADMSG;
		}
		at += (size_t)got;
	}
	bytes[at] = '\0';
	*data = bytes;
	return 0;
}

void bundle_reader_close(struct bundle_reader *reader)
{
	if (!reader)
		return;
	archive_read_free(reader->archive);
	io_close(io_system(), reader->fd);
	free(reader);
}
