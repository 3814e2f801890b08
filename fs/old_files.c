#include "fs/old_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/wire.h"
#include "fs/dataset.h"
#include "fs/tree.h"

#define COMPARED_MAX 1024 /* of one name and size, by their folders */

struct folder {
	struct directory directory;
	uint32_t parent;
	char *name; /* NULL: the dataset itself */
};

struct noted {
	uint64_t key; /* of the chunk, or of name and size */
	uint32_t folder;
	uint32_t ordinal;
};

struct old_files {
	struct source *source;
	struct folder *folders; /* those before NEXT were read */
	size_t folders_count, folders_room;
	size_t next;
	uint64_t ordinal; /* in folder NEXT: of the first entry that was not read */
	struct noted *files;
	size_t count, room;
	uint64_t read;
	uint64_t allowed;
	uint64_t asked;
	uint32_t answer;    /* the folder of the last list */
	uint32_t confirmed; /* of the last one that was right */
};

int old_files_new(struct source *source, const struct pointer *old, struct old_files **files)
{
	struct old_files *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->folders = calloc(1, sizeof(*o->folders));
	if (!o->folders) {
		free(o);
		return -ENOMEM;
	}
	o->source = source;
	o->folders_count = o->folders_room = 1;
	dataset_directory(old, &o->folders[0].directory);
	*files = o;
	return 0;
}

void old_files_free(struct old_files *files)
{
	if (!files)
		return;
	for (size_t i = 0; i < files->folders_count; i++)
		free(files->folders[i].name);
	free(files->folders);
	free(files->files);
	free(files);
}

static uint64_t key_of_list(const char *name, size_t len, uint64_t size)
{
	return checksum_two(name, len, &size, sizeof(size));
}

static uint64_t key_of_chunk(const struct id *id)
{
	return wire_get64(id->bytes);
}

/* --- filling --- */

static int note_folder(struct old_files *o, const struct entry *entry)
{
	struct folder *folder;

	if (o->folders_count == OLD_FILES_FOLDERS_MAX)
		return 0;
	if (o->folders_count == o->folders_room) {
		struct folder *more = reallocarray(o->folders, 2 * o->folders_room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		o->folders = more;
		o->folders_room *= 2;
	}
	folder = &o->folders[o->folders_count];
	folder->parent = (uint32_t)o->next;
	folder->name = strndup(entry->name, entry->name_len);
	if (!folder->name)
		return -ENOMEM;
	directory_of(entry, &folder->directory);
	o->folders_count++;
	return 0;
}

static int note_file(struct old_files *o, const struct entry *entry)
{
	uint64_t key;

	if (entry->form == CONTENT_INLINE || o->count == OLD_FILES_MAX || o->ordinal > UINT32_MAX)
		return 0;
	if (o->count == o->room) {
		size_t room = o->room ? 2 * o->room : 1024;
		struct noted *files = reallocarray(o->files, room, sizeof(*files));

		if (!files)
			return -ENOMEM;
		o->files = files;
		o->room = room;
	}
	key = entry->form == CONTENT_LIST ? key_of_list(entry->name, entry->name_len, entry->size)
	                                  : key_of_chunk(&entry->id);
	o->files[o->count++] = (struct noted){key, (uint32_t)o->next, (uint32_t)o->ordinal};
	return 0;
}

static int note(struct old_files *o, const struct entry *entry)
{
	if (entry->kind == ENTRY_DIRECTORY)
		return note_folder(o, entry);
	return entry->kind == ENTRY_FILE ? note_file(o, entry) : 0;
}

/* Read on in folder NEXT, and to the next one at its end or where it cannot be read. */
static int read_folder(struct old_files *o)
{
	const struct directory directory = o->folders[o->next].directory;
	struct tree_cursor cursor = {.ordinal = 0};
	struct entry entry;
	int error = tree_cursor_open(o->source, &directory, o->ordinal, &cursor);

	while (!error && o->read < o->allowed) {
		error = tree_cursor_next(&cursor, &entry);
		if (!error)
			error = note(o, &entry);
		if (!error) {
			o->ordinal++;
			o->read++;
		}
	}
	tree_cursor_close(&cursor);
	if (error) {
		o->next++;
		o->ordinal = 0;
	}
	return error == -ENOENT ? 0 : error;
}

static int compare(const void *a, const void *b)
{
	const struct noted *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->folder != y->folder)
		return x->folder < y->folder ? -1 : 1;
	return (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}

/* Sorting is paid once for twice as many. */
static int read_share(struct old_files *o)
{
	const uint64_t may = OLD_FILES_FIRST + o->asked / OLD_FILES_SHARE;
	int error = 0;

	if (o->next == o->folders_count || o->count == OLD_FILES_MAX || may < 2 * o->allowed)
		return 0;
	o->allowed = may;
	while (!error && o->next < o->folders_count && o->read < o->allowed)
		error = read_folder(o);
	if (o->count)
		qsort(o->files, o->count, sizeof(*o->files), compare);
	return error;
}

/* --- looking up --- */

/* How many folders, from the last one upwards, FOLDER and that of PATH have by the same names. */
static unsigned count_alike(const struct old_files *o, uint32_t folder, const char *path)
{
	const char *end = strrchr(path, '/');
	unsigned alike = 0;

	while (end && o->folders[folder].name) {
		const char *start = end;
		size_t len;

		while (start > path && start[-1] != '/')
			start--;
		len = (size_t)(end - start);
		if (strlen(o->folders[folder].name) != len || memcmp(o->folders[folder].name, start, len) != 0)
			break;
		alike++;
		folder = o->folders[folder].parent;
		end = start > path ? start - 1 : NULL;
	}
	return alike;
}

/* The first file whose key is not below KEY. */
static size_t lower_bound(const struct old_files *o, uint64_t key)
{
	size_t from = 0, to = o->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (o->files[middle].key < key)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static int read_content(struct old_files *o, const struct noted *file, struct content *content)
{
	struct tree_cursor cursor = {.ordinal = 0};
	struct entry entry;
	int error = tree_cursor_open(o->source, &o->folders[file->folder].directory, file->ordinal, &cursor);

	if (!error)
		error = tree_cursor_next(&cursor, &entry);
	if (!error)
		error = content_of(&entry, content);
	tree_cursor_close(&cursor);
	return error;
}

int old_files_ask(struct old_files *files, uint64_t size)
{
	files->asked += size;
	return read_share(files);
}

int old_files_chunk(struct old_files *files, const struct id *id, struct content *content)
{
	const uint64_t key = key_of_chunk(id);
	const size_t at = lower_bound(files, key);
	int error;

	if (at == files->count || files->files[at].key != key)
		return -ENOENT;
	error = read_content(files, &files->files[at], content);
	if (!error && (content->form != CONTENT_CHUNK || !id_equal(&content->id, id)))
		error = -ENOENT;
	return error;
}

/* Of one name and size. */
struct likely {
	const struct noted *file;
	unsigned alike;
	bool confirmed;
};

static bool is_likelier(const struct likely *a, const struct likely *b)
{
	return a->alike != b->alike ? a->alike > b->alike : a->confirmed && !b->confirmed;
}

/* The likeliest of those with KEY into LIST, in order.  Their number. */
static unsigned choose(const struct old_files *o, const char *path, uint64_t key, struct likely *list)
{
	const size_t first = lower_bound(o, key);
	unsigned count = 0;

	for (size_t i = first; i < o->count && o->files[i].key == key && i - first < COMPARED_MAX; i++) {
		const struct noted *f = &o->files[i];
		const struct likely one = {f, count_alike(o, f->folder, path), f->folder == o->confirmed};
		unsigned at = count;

		while (at && is_likelier(&one, &list[at - 1]))
			at--;
		if (at == OLD_FILES_LIKELY)
			continue;
		if (count < OLD_FILES_LIKELY)
			count++;
		memmove(&list[at + 1], &list[at], (count - at - 1) * sizeof(*list));
		list[at] = one;
	}
	return count;
}

int old_files_list(struct old_files *files, const char *path, uint64_t size, unsigned nth, struct content *content)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct likely likely[OLD_FILES_LIKELY];
	int error;

	if (nth >= choose(files, path, key_of_list(name, strlen(name), size), likely))
		return -ENOENT;
	error = read_content(files, likely[nth].file, content);
	if (!error)
		files->answer = likely[nth].file->folder;
	return error;
}

void old_files_confirm(struct old_files *files)
{
	files->confirmed = files->answer;
}
