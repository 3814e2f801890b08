#include "fs/old_folder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/dataset.h"
#include "fs/tree.h"

void old_folder_release(struct old_folder *folder)
{
	free(folder->path);
	free(folder->files);
	*folder = (struct old_folder){.path = NULL};
}

static int compare_sizes(const void *a, const void *b)
{
	const struct content *x = a, *y = b;

	return (x->size > y->size) - (x->size < y->size);
}

static int add_file(struct old_folder *folder, const struct entry *entry)
{
	struct content content;

	if (entry->kind != ENTRY_FILE || content_of(entry, &content) || content.form == CONTENT_INLINE)
		return 0;
	if (folder->count == folder->room) {
		size_t room = folder->room ? 2 * folder->room : 64;
		struct content *files = reallocarray(folder->files, room, sizeof(*files));

		if (!files)
			return -ENOMEM;
		folder->files = files;
		folder->room = room;
	}
	folder->files[folder->count++] = content;
	return 0;
}

static int read_files(struct old_folder *folder, struct source *source, const struct directory *directory)
{
	struct tree_cursor cursor = {.ordinal = 0};
	struct entry entry;
	int error = tree_cursor_open(source, directory, 0, &cursor);

	for (size_t i = 0; i < OLD_FOLDER_MAX && !error; i++) {
		error = tree_cursor_next(&cursor, &entry);
		if (!error)
			error = add_file(folder, &entry);
	}
	tree_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

/* One that was not there has no files. */
static int read_folder(struct old_folder *folder, struct source *source, const struct pointer *old)
{
	struct directory directory;
	struct entry_pin found;
	int error = 0;

	dataset_directory(old, &directory);
	if (*folder->path) {
		error = tree_walk(source, &directory, folder->path, &found);
		if (!error) {
			const bool is_folder = found.entry.kind == ENTRY_DIRECTORY;

			directory_of(&found.entry, &directory);
			tree_unpin_entry(source, &found);
			error = is_folder ? 0 : -ENOTDIR;
		}
	}
	if (!error)
		error = read_files(folder, source, &directory);
	if (!error && folder->count)
		qsort(folder->files, folder->count, sizeof(*folder->files), compare_sizes);
	return error == -ENOENT || error == -ENOTDIR ? 0 : error;
}

int old_folder_find(struct old_folder *folder, struct source *source, const struct pointer *old, const char *path,
                    uint64_t size, struct content *content)
{
	const char *slash = strrchr(path, '/');
	const struct content key = {.size = size}, *found = NULL;
	char *wanted = strndup(path, slash ? (size_t)(slash - path) : 0);
	int error = wanted ? 0 : -ENOMEM;

	if (wanted && folder->path && !strcmp(wanted, folder->path)) {
		free(wanted);
	} else if (wanted) {
		old_folder_release(folder);
		folder->path = wanted;
		error = read_folder(folder, source, old);
		if (error)
			old_folder_release(folder);
	}
	if (error)
		return error;
	if (folder->count)
		found = bsearch(&key, folder->files, folder->count, sizeof(key), compare_sizes);
	if (!found || (found > folder->files && found[-1].size == size) ||
	    (found + 1 < folder->files + folder->count && found[1].size == size))
		return -ENOENT;
	*content = *found;
	return 0;
}
