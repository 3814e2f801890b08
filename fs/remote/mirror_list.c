#include "fs/remote/mirror_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/condemned.h"
#include "fs/pack_check.h"

#define MOVED ".moved"

static int add(struct mirror_files *files, const struct id *id, uint64_t size)
{
	if (files->count == files->room) {
		size_t room = files->room ? 2 * files->room : 256;
		struct mirror_file *more = reallocarray(files->files, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		files->files = more;
		files->room = room;
	}
	files->files[files->count++] = (struct mirror_file){.id = *id, .size = size};
	return 0;
}

static int compare(const void *a, const void *b)
{
	return id_cmp(&((const struct mirror_file *)a)->id, &((const struct mirror_file *)b)->id);
}

static void sort(struct mirror_files *files)
{
	if (files->count)
		qsort(files->files, files->count, sizeof(*files->files), compare);
}

const struct mirror_file *mirror_files_find(const struct mirror_files *files, const struct id *id)
{
	const struct mirror_file wanted = {.id = *id};

	return files->count ? bsearch(&wanted, files->files, files->count, sizeof(wanted), compare) : NULL;
}

/* The name behind "FOLDER/AA/", where AA are its first two letters; else NULL. */
static const char *name_in(const char *path, const char *folder)
{
	const size_t len = strlen(folder);

	if (strncmp(path, folder, len) || path[len] != '/' || strlen(path) < len + 6 || path[len + 3] != '/' ||
	    strncmp(path + len + 1, path + len + 4, 2) || strchr(path + len + 4, '/'))
		return NULL;
	return path + len + 4;
}

static int take_root(void *arg, const char *path, const struct remote_stat *st)
{
	const char *name = name_in(path, "roots");
	struct mirror_list *list = arg;
	struct id id;

	if (!name || id_parse(name, strlen(name), &id))
		return 0;
	return add(&list->roots, &id, st->size);
}

static int take_pack(void *arg, const char *path, const struct remote_stat *st)
{
	const char *name = name_in(path, "packs");
	struct mirror_list *list = arg;
	struct pack_id pack;
	struct id id;

	if (!name || strlen(name) < PACK_ID_HEX_SIZE - 1 || pack_id_parse(name, PACK_ID_HEX_SIZE - 1, &pack))
		return 0;
	id = pack_check_key(&pack);
	name += PACK_ID_HEX_SIZE - 1;
	if (!*name)
		return add(&list->packs, &id, st->size);
	return strcmp(name, MOVED) ? 0 : add(&list->moved, &id, st->size);
}

/* --- what is condemned --- */

struct lists {
	char (*paths)[REMOTE_PATH_SIZE];
	size_t count;
};

static int take_path(void *arg, const char *path, const struct remote_stat *st)
{
	struct lists *lists = arg;
	char(*more)[REMOTE_PATH_SIZE];

	(void)st;
	if (strlen(path) >= REMOTE_PATH_SIZE)
		return 0;
	more = reallocarray(lists->paths, lists->count + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	lists->paths = more;
	strcpy(lists->paths[lists->count++], path);
	return 0;
}

static int add_condemned(struct mirror_list *list, const struct condemned *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct id id = items[i].is_root ? items[i].root : pack_check_key(&items[i].pack);
		int error = id_set_add(items[i].is_root ? &list->condemned_roots : &list->condemned_packs, &id);

		if (error < 0)
			return error;
	}
	return 0;
}

/* One that went meanwhile, or does not check, counts for nothing. */
static int read_one(struct mirror_list *list, struct remote *remote, const char *path)
{
	struct condemned *items;
	size_t len, count;
	void *text;
	int error = remote_read_file(remote, path, CONDEMNED_FILE_MAX, &text, &len);

	if (error)
		return error == -ENOENT || error == -EFBIG ? 0 : error;
	error = condemned_parse(text, len, &items, &count);
	free(text);
	if (error)
		return error == -EBADMSG ? 0 : error;
	error = add_condemned(list, items, count);
	free(items);
	return error;
}

int mirror_list_read_condemned(struct mirror_list *list, struct remote *remote)
{
	struct lists lists = {0};
	int error = remote_list(remote, "condemned", take_path, &lists);

	for (size_t i = 0; i < lists.count && !error; i++)
		error = read_one(list, remote, lists.paths[i]);
	free(lists.paths);
	return error;
}

/* --- all --- */

int mirror_list_read(struct mirror_list *list, struct remote *remote)
{
	int error = remote_list(remote, "roots", take_root, list);

	if (!error)
		error = mirror_list_read_condemned(list, remote);
	if (!error)
		error = remote_list(remote, "packs", take_pack, list);
	sort(&list->roots);
	sort(&list->packs);
	sort(&list->moved);
	return error;
}

void mirror_list_release(struct mirror_list *list)
{
	free(list->roots.files);
	free(list->packs.files);
	free(list->moved.files);
	id_set_release(&list->condemned_packs);
	id_set_release(&list->condemned_roots);
	*list = (struct mirror_list){0};
}
