#include "fs/old_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/checksum.h"
#include "cache/wire.h"
#include "fs/dataset.h"
#include "fs/gone.h"
#include "fs/tree.h"

#define COMPARED_MAX 1024 /* of one name and size, by their folders */
#define TURN_ENTRIES 256  /* that are read before it is another folder's turn */

struct folder {
	struct directory directory;
	uint32_t parent;
	char *name;       /* NULL: the dataset itself */
	uint64_t ordinal; /* of the first entry that was not read */
	unsigned depth;
	bool gone;
	bool read; /* to its end, or it cannot be */
};

struct noted {
	uint64_t key; /* of the chunk, or of name and size */
	uint32_t folder;
	uint32_t ordinal;
};

struct old_files {
	struct source *source;
	const struct gone *where;
	struct folder *folders;
	size_t folders_count, folders_room;
	size_t unread;    /* of them */
	size_t next;      /* whose turn it is */
	size_t next_gone; /* those that are gone were read before this one */
	uint32_t reading; /* the folder of what is noted now */
	struct noted *files;
	size_t count, room;
	uint64_t read;
	uint64_t allowed;
	uint64_t asked;
	uint32_t answer;    /* the folder of the last list */
	uint32_t confirmed; /* of the last one that was right */
};

int old_files_new(struct source *source, const struct pointer *old, const struct gone *gone, struct old_files **files)
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
	o->where = gone;
	o->folders_count = o->folders_room = o->unread = 1;
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

/* The path of FOLDER below the dataset, malloc'ed; NULL without memory. */
static char *path_of(const struct old_files *o, size_t folder)
{
	size_t len = 0;
	char *path, *at;

	for (size_t i = folder; o->folders[i].name; i = o->folders[i].parent)
		len += strlen(o->folders[i].name) + 1;
	path = malloc(len + 1);
	if (!path)
		return NULL;
	at = path + len;
	for (size_t i = folder; o->folders[i].name; i = o->folders[i].parent) {
		const size_t name_len = strlen(o->folders[i].name);

		*--at = i == folder ? '\0' : '/';
		at -= name_len;
		memcpy(at, o->folders[i].name, name_len);
	}
	return path;
}

static bool is_gone(const struct old_files *o, size_t folder)
{
	char *path;
	bool gone;

	if (o->folders[o->folders[folder].parent].gone)
		return true;
	if (!o->where)
		return false;
	path = path_of(o, folder);
	gone = path && gone_folder(o->where, path);
	free(path);
	return gone;
}

static int note_folder(struct old_files *o, const struct entry *entry)
{
	const unsigned depth = o->folders[o->reading].depth + 1;
	struct folder *folder;

	if (o->folders_count == OLD_FILES_FOLDERS_MAX || depth > PAGE_DEPTH_MAX)
		return 0;
	if (o->folders_count == o->folders_room) {
		struct folder *more = reallocarray(o->folders, 2 * o->folders_room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		o->folders = more;
		o->folders_room *= 2;
	}
	folder = &o->folders[o->folders_count];
	folder->parent = o->reading;
	folder->name = strndup(entry->name, entry->name_len);
	if (!folder->name)
		return -ENOMEM;
	directory_of(entry, &folder->directory);
	folder->ordinal = 0;
	folder->depth = depth;
	folder->read = false;
	folder->gone = is_gone(o, o->folders_count);
	o->folders_count++;
	o->unread++;
	return 0;
}

static int note_file(struct old_files *o, const struct entry *entry, uint64_t ordinal)
{
	uint64_t key;

	if (entry->form == CONTENT_INLINE || o->count == OLD_FILES_MAX || ordinal > UINT32_MAX)
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
	o->files[o->count++] = (struct noted){key, o->reading, (uint32_t)ordinal};
	return 0;
}

static int note(struct old_files *o, const struct entry *entry, uint64_t ordinal)
{
	if (entry->kind == ENTRY_DIRECTORY)
		return note_folder(o, entry);
	return entry->kind == ENTRY_FILE ? note_file(o, entry, ordinal) : 0;
}

/* Read on in folder number NUMBER, MOST entries.  *COUNT is how many there were. */
static int read_folder(struct old_files *o, size_t number, uint64_t most, uint64_t *count)
{
	const struct directory directory = o->folders[number].directory;
	uint64_t ordinal = o->folders[number].ordinal;
	struct tree_cursor cursor = {.ordinal = 0};
	struct entry entry;
	int error = tree_cursor_open(o->source, &directory, ordinal, &cursor);

	o->reading = (uint32_t)number;
	for (*count = 0; !error && *count < most; ++*count) {
		error = tree_cursor_next(&cursor, &entry);
		if (!error)
			error = note(o, &entry, ordinal++);
		if (error)
			break;
	}
	tree_cursor_close(&cursor);
	o->folders[number].ordinal = ordinal;
	if (error) {
		o->folders[number].read = true;
		o->unread--;
	}
	return error == -ENOENT ? 0 : error;
}

/* All of the folders that are gone.  Where there are any, whoever counts what was deleted reads them, too. */
static int read_gone(struct old_files *o)
{
	uint64_t count;
	int error = 0;

	for (; !error && o->next_gone < o->folders_count; o->next_gone++) {
		const struct folder *folder = &o->folders[o->next_gone];

		if (folder->gone && !folder->read)
			error = read_folder(o, o->next_gone, OLD_FILES_MAX, &count);
	}
	return error;
}

/* The others in turns, as many entries as ALLOWED says: a large one does not keep others waiting. */
static int read_turns(struct old_files *o)
{
	int error = read_gone(o);

	while (!error && o->unread && o->read < o->allowed) {
		const uint64_t left = o->allowed - o->read;
		uint64_t count;

		if (o->next == o->folders_count)
			o->next = 0;
		if (!o->folders[o->next].read) {
			error = read_folder(o, o->next, left < TURN_ENTRIES ? left : TURN_ENTRIES, &count);
			o->read += count;
		}
		o->next++;
		if (!error)
			error = read_gone(o);
	}
	return error;
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
	int error;

	if (!o->unread || o->count == OLD_FILES_MAX || may < 2 * o->allowed)
		return 0;
	o->allowed = may;
	error = read_turns(o);
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
