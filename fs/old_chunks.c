#include "fs/old_chunks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"
#include "fs/content.h"
#include "fs/dataset.h"
#include "fs/remote/relied.h"

#define LISTS_MAX 4         /* that are kept: threads may be at the end of a file and at the beginning of the next */
#define KEPT_MAX (1u << 20) /* chunks in them, before another is read */
#define FAILURES_MAX 3

/* A chunk of a list; the packs stand in a table, which neighbours share. */
struct old_chunk {
	struct id id;
	uint32_t pack;
	uint32_t offset;
	uint32_t stored_len;
};

/* The list of the file at PATH. */
struct old_list {
	char *path; /* NULL: none */
	struct old_chunk *chunks;
	size_t count, room;
	struct pack_id *packs;
	size_t packs_count, packs_room;
};

/* The files of the old folder PATH, by their sizes. */
struct old_folder {
	char *path; /* NULL: none */
	struct content *files;
	size_t count, room;
};

struct old_chunks {
	struct pointer old;
	struct source *outer;  /* whose remotes are asked; borrowed */
	struct source *source; /* of the served thread */
	struct relied *relied; /* NULL: not needed yet */
	unsigned failures;
	struct old_list lists[LISTS_MAX];
	size_t next;              /* the list that goes first */
	struct old_folder folder; /* the last one that was looked at */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool busy; /* a thread is being served: everything above is its own; below the lock */
};

int old_chunks_new(struct source *source, const struct pointer *old, struct old_chunks **chunks)
{
	struct old_chunks *o = calloc(1, sizeof(*o));
	int error;

	if (!o)
		return -ENOMEM;
	o->old = *old;
	o->outer = source;
	error = source_open_beside(source, &o->source);
	if (error) {
		free(o);
		return error;
	}
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->idle, NULL);
	*chunks = o;
	return 0;
}

static void forget(struct old_list *list)
{
	free(list->path);
	free(list->chunks);
	free(list->packs);
	*list = (struct old_list){.path = NULL};
}

static void forget_folder(struct old_folder *folder)
{
	free(folder->path);
	free(folder->files);
	*folder = (struct old_folder){.path = NULL};
}

void old_chunks_free(struct old_chunks *chunks)
{
	struct old_chunks *o = chunks;

	if (!o)
		return;
	for (size_t i = 0; i < LISTS_MAX; i++)
		forget(&o->lists[i]);
	forget_folder(&o->folder);
	relied_free(o->relied);
	source_close(o->source);
	pthread_cond_destroy(&o->idle);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* --- one thread at a time; nothing is held while it reads or asks --- */

static void begin(struct old_chunks *o)
{
	pthread_mutex_lock(&o->lock);
	while (o->busy)
		pthread_cond_wait(&o->idle, &o->lock);
	o->busy = true;
	pthread_mutex_unlock(&o->lock);
}

static void end(struct old_chunks *o)
{
	pthread_mutex_lock(&o->lock);
	o->busy = false;
	pthread_cond_signal(&o->idle);
	pthread_mutex_unlock(&o->lock);
}

/* --- lists --- */

static int compare_chunks(const void *a, const void *b)
{
	return memcmp(((const struct old_chunk *)a)->id.bytes, ((const struct old_chunk *)b)->id.bytes, ID_SIZE);
}

/* The number of the pack ID in LIST, which is the last one mostly. */
static int number_pack(struct old_list *list, const struct pack_id *id, uint32_t *number)
{
	if (!list->packs_count || !pack_id_equal(&list->packs[list->packs_count - 1], id)) {
		if (list->packs_count == list->packs_room) {
			size_t room = list->packs_room ? 2 * list->packs_room : 8;
			struct pack_id *packs = reallocarray(list->packs, room, sizeof(*packs));

			if (!packs)
				return -ENOMEM;
			list->packs = packs;
			list->packs_room = room;
		}
		list->packs[list->packs_count++] = *id;
	}
	*number = (uint32_t)list->packs_count - 1;
	return 0;
}

#define FULL 1

static int add_chunk(void *arg, const struct list_entry *entry)
{
	struct old_list *list = arg;
	struct old_chunk *chunk;

	if (!entry->locator.offset)
		return 0;
	if (list->count == OLD_CHUNKS_MAX)
		return FULL;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct old_chunk *chunks = reallocarray(list->chunks, room, sizeof(*chunks));

		if (!chunks)
			return -ENOMEM;
		list->chunks = chunks;
		list->room = room;
	}
	chunk = &list->chunks[list->count];
	*chunk = (struct old_chunk){
	    .id = entry->id, .offset = entry->locator.offset, .stored_len = entry->locator.stored_len};
	if (number_pack(list, &entry->locator.pack, &chunk->pack))
		return -ENOMEM;
	list->count++;
	return 0;
}

/* --- contents --- */

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

static int read_files(struct old_chunks *o, const struct directory *directory)
{
	struct tree_cursor cursor = {.ordinal = 0};
	struct entry entry;
	int error = tree_cursor_open(o->source, directory, 0, &cursor);

	for (size_t i = 0; i < OLD_CHUNKS_FOLDER_MAX && !error; i++) {
		error = tree_cursor_next(&cursor, &entry);
		if (!error)
			error = add_file(&o->folder, &entry);
	}
	tree_cursor_close(&cursor);
	return error == -ENOENT ? 0 : error;
}

/* Read the old folder PATH; one that was not there has no files. */
static int read_folder(struct old_chunks *o, const char *path)
{
	struct directory directory;
	struct entry_pin found;
	int error = 0;

	dataset_directory(&o->old, &directory);
	if (*path) {
		error = tree_walk(o->source, &directory, path, &found);
		if (!error) {
			const bool is_folder = found.entry.kind == ENTRY_DIRECTORY;

			directory_of(&found.entry, &directory);
			tree_unpin_entry(o->source, &found);
			error = is_folder ? 0 : -ENOTDIR;
		}
	}
	if (!error)
		error = read_files(o, &directory);
	if (!error && o->folder.count)
		qsort(o->folder.files, o->folder.count, sizeof(*o->folder.files), compare_sizes);
	return error == -ENOENT || error == -ENOTDIR ? 0 : error;
}

/* The only file of SIZE bytes in the old folder where PATH is.  Of several nobody can tell which, but by their lists.
 */
static int find_by_size(struct old_chunks *o, const char *path, uint64_t size, struct content *content)
{
	const char *slash = strrchr(path, '/');
	const struct content key = {.size = size}, *found = NULL;
	char *folder = strndup(path, slash ? (size_t)(slash - path) : 0);
	int error = folder ? 0 : -ENOMEM;

	if (folder && o->folder.path && !strcmp(folder, o->folder.path)) {
		free(folder);
	} else if (folder) {
		forget_folder(&o->folder);
		o->folder.path = folder;
		error = read_folder(o, folder);
		if (error)
			forget_folder(&o->folder);
	}
	if (error)
		return error;
	if (o->folder.count)
		found = bsearch(&key, o->folder.files, o->folder.count, sizeof(key), compare_sizes);
	if (!found || (found > o->folder.files && found[-1].size == size) ||
	    (found + 1 < o->folder.files + o->folder.count && found[1].size == size))
		return -ENOENT;
	*content = *found;
	return 0;
}

/* What the file at PATH, of SIZE bytes now, was.  -ENOENT where it was nothing. */
static int find_content(struct old_chunks *o, const char *path, uint64_t size, struct content *content)
{
	struct directory directory;
	struct entry_pin found;
	struct page_pin root;
	struct entry entry;
	int error;

	if (o->old.is_file) {
		error = source_pin_root(o->source, PAGE_FILE, &o->old.root, &root);
		if (error)
			return error;
		page_entry(root.page, 0, &entry);
		error = content_of(&entry, content);
		source_unpin_page(o->source, &root);
		return error;
	}
	dataset_directory(&o->old, &directory);
	error = tree_walk(o->source, &directory, path, &found);
	if (error == -ENOENT)
		return find_by_size(o, path, size, content);
	if (error)
		return error;
	error = content_of(&found.entry, content);
	tree_unpin_entry(o->source, &found);
	return error;
}

/* The old list at PATH, in place of the one that goes first. */
static int read_list(struct old_chunks *o, const char *path, const struct content *content, struct old_list **list)
{
	struct old_list *made = &o->lists[o->next];
	size_t kept = 0;
	int error;

	forget(made);
	for (size_t i = 0; i < LISTS_MAX; i++)
		kept += o->lists[i].count;
	for (size_t i = 0; i < LISTS_MAX && kept > KEPT_MAX; i++) {
		kept -= o->lists[i].count;
		forget(&o->lists[i]);
	}
	error = content_each_chunk(o->source, content, add_chunk, made);
	made->path = error < 0 ? NULL : strdup(path);
	if (!made->path) {
		forget(made);
		return error < 0 ? error : -ENOMEM;
	}
	if (made->count)
		qsort(made->chunks, made->count, sizeof(*made->chunks), compare_chunks);
	o->next = (o->next + 1) % LISTS_MAX;
	*list = made;
	return 0;
}

static bool find_in_list(const struct old_list *list, const struct id *id, struct locator *locator)
{
	const struct old_chunk key = {.id = *id}, *found = NULL;

	if (list->count)
		found = bsearch(&key, list->chunks, list->count, sizeof(key), compare_chunks);
	if (found)
		*locator = (struct locator){
		    .pack = list->packs[found->pack], .offset = found->offset, .stored_len = found->stored_len};
	return found;
}

/* Whether the old content of what is at PATH names ID.  1, 0 or -errno. */
static int find_old(struct old_chunks *o, const char *path, uint64_t size, const struct id *id, struct locator *locator)
{
	struct old_list *list = NULL;
	struct content content;
	int error;

	for (size_t i = 0; i < LISTS_MAX && !list; i++) {
		if (o->lists[i].path && !strcmp(o->lists[i].path, path))
			list = &o->lists[i];
	}
	if (list)
		return find_in_list(list, id, locator);
	error = find_content(o, path, size, &content);
	if (error)
		return error;
	if (content.form != CONTENT_LIST) {
		*locator = content.locator;
		return content.form == CONTENT_CHUNK && id_equal(&content.id, id);
	}
	error = read_list(o, path, &content, &list);
	return error ? error : find_in_list(list, id, locator);
}

/* What says that there is nothing at the path which has chunks. */
static bool is_absence(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EISDIR || error == -EIO;
}

/* find_old() in bounded time. */
static bool look_up(struct old_chunks *o, const char *path, uint64_t size, const struct id *id, struct locator *locator)
{
	uint64_t before;
	int found;

	if (o->failures == FAILURES_MAX)
		return false;
	before = interrupt_limit(OLD_CHUNKS_WAIT_MS);
	found = find_old(o, path, size, id, locator);
	interrupt_unlimit(before);
	if (found < 0 && !is_absence(found))
		o->failures++;
	return found > 0;
}

static bool is_at_remote(struct old_chunks *o, struct fetch *fetch, const struct id *id, const struct locator *locator)
{
	if (!o->relied && relied_new(fetch, &o->relied))
		return false;
	return relied_has(o->relied, RECORD_CHUNK, id, locator);
}

bool old_chunks_find(struct old_chunks *chunks, const char *path, uint64_t size, const struct id *id,
                     struct locator *locator)
{
	struct old_chunks *o = chunks;
	struct fetch *fetch;
	struct locator at;
	bool found;

	begin(o);
	/* Without remotes what is not here is nowhere. */
	fetch = o->failures == FAILURES_MAX ? NULL : source_find_fetch(o->outer);
	found = fetch && look_up(o, path, size, id, &at) && is_at_remote(o, fetch, id, &at);
	end(o);
	if (found)
		*locator = at;
	return found;
}
