#include "fs/old_chunks.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cache/chunker.h"
#include "cache/interrupt.h"
#include "fs/content.h"
#include "fs/dataset.h"
#include "fs/old_files.h"
#include "fs/old_folder.h"
#include "fs/remote/relied.h"

#define LISTS_MAX 4         /* that are kept: threads may be at the end of a file and at the beginning of the next */
#define KEPT_MAX (1u << 20) /* chunks in them, before another is read */
#define FAILURES_MAX 3

/* Which old file may have been the one at a path, in the order in which they are tried. */
enum guess {
	GUESS_SAME_PATH,                                      /* where there is one, no other is tried */
	GUESS_SAME_NAME,                                      /* and size, in another folder: one of the likely */
	GUESS_SAME_SIZE = GUESS_SAME_NAME + OLD_FILES_LIKELY, /* in the same folder: renamed */
	GUESSES,
};

/* A chunk of a list; the packs stand in a table, which neighbours share. */
struct old_chunk {
	struct id id;
	uint32_t pack;
	uint32_t offset;
	uint32_t stored_len;
};

/* A list for the file at PATH. */
struct old_list {
	char *path; /* NULL: none */
	struct old_chunk *chunks;
	size_t count, room;
	struct pack_id *packs;
	size_t packs_count, packs_room;
};

struct old_chunks {
	struct pointer old;
	struct source *outer;  /* whose remotes are asked; borrowed */
	struct source *source; /* of the served thread */
	struct relied *relied; /* NULL: not needed yet */
	unsigned failures;
	struct old_list lists[LISTS_MAX];
	size_t next; /* the list that goes first */
	struct gone *gone;
	struct old_folder folder;
	struct old_files *files; /* NULL: not needed yet */
	pthread_mutex_t lock;
	pthread_cond_t idle;
	bool busy; /* a thread is being served: everything above is its own; below the lock */
};

int old_chunks_new(struct source *source, const struct pointer *old, struct gone *gone, struct old_chunks **chunks)
{
	struct old_chunks *o = calloc(1, sizeof(*o));
	int error = o ? source_open_beside(source, &o->source) : -ENOMEM;

	if (error) {
		free(o);
		gone_close(gone);
		return error;
	}
	o->old = *old;
	o->outer = source;
	o->gone = gone;
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

void old_chunks_free(struct old_chunks *chunks)
{
	struct old_chunks *o = chunks;

	if (!o)
		return;
	for (size_t i = 0; i < LISTS_MAX; i++)
		forget(&o->lists[i]);
	old_folder_release(&o->folder);
	old_files_free(o->files);
	gone_close(o->gone);
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

static int read_file_root(struct old_chunks *o, struct content *content)
{
	struct page_pin root;
	struct entry entry;
	int error = source_pin_root(o->source, PAGE_FILE, &o->old.root, &root);

	if (error)
		return error;
	page_entry(root.page, 0, &entry);
	error = content_of(&entry, content);
	source_unpin_page(o->source, &root);
	return error;
}

/* What the file at PATH was.  -ENOENT where it was nothing. */
static int find_at_path(struct old_chunks *o, const char *path, struct content *content)
{
	struct directory directory;
	struct entry_pin found;
	int error;

	dataset_directory(&o->old, &directory);
	error = tree_walk(o->source, &directory, path, &found);
	if (error)
		return error;
	error = content_of(&found.entry, content);
	tree_unpin_entry(o->source, &found);
	return error;
}

/* What the file at PATH, of SIZE bytes now, may have been.  -ENOENT where GUESS has nothing. */
static int find_content(struct old_chunks *o, enum guess guess, const char *path, uint64_t size,
                        struct content *content)
{
	if (o->old.is_file)
		return guess == GUESS_SAME_PATH ? read_file_root(o, content) : -ENOENT;
	if (guess == GUESS_SAME_PATH)
		return find_at_path(o, path, content);
	if (guess == GUESS_SAME_SIZE)
		return old_folder_find(&o->folder, o->source, &o->old, path, size, content);
	return old_files_list(o->files, path, size, guess - GUESS_SAME_NAME, content);
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

/* What says that there is nothing at the path which has chunks. */
static bool is_absence(int error)
{
	return error == -ENOENT || error == -ENOTDIR || error == -EISDIR || error == -EIO;
}

static struct old_list *find_list(struct old_chunks *o, const char *path)
{
	for (size_t i = 0; i < LISTS_MAX; i++) {
		if (o->lists[i].path && !strcmp(o->lists[i].path, path))
			return &o->lists[i];
	}
	return NULL;
}

/* Whether CONTENT names ID; a list is kept for PATH, in place of another.  1, 0 or -errno. */
static int look_into(struct old_chunks *o, const char *path, const struct content *content, const struct id *id,
                     struct locator *locator)
{
	struct old_list *list = find_list(o, path);
	int error;

	if (content->form != CONTENT_LIST) {
		*locator = content->locator;
		return content->form == CONTENT_CHUNK && id_equal(&content->id, id);
	}
	if (list)
		forget(list);
	error = read_list(o, path, content, &list);
	if (error)
		return error;
	return find_in_list(list, id, locator);
}

/* Whether a file that has no list was the chunk ID, whatever its name. */
static int find_whole(struct old_chunks *o, uint64_t size, const struct id *id, struct locator *locator)
{
	struct content content;
	int error = o->files ? 0 : old_files_new(o->source, &o->old, o->gone, &o->files);

	if (!error)
		error = old_files_ask(o->files, size < CHUNK_MAX ? size : CHUNK_MAX);
	if (!error && size <= CHUNK_MAX)
		error = old_files_chunk(o->files, id, &content);
	else if (!error)
		error = -ENOENT;
	if (!error)
		*locator = content.locator;
	return error ? error : 1;
}

static enum guess guess_after(enum guess guess, bool was_there)
{
	if (guess == GUESS_SAME_PATH)
		return was_there ? GUESSES : GUESS_SAME_NAME;
	/* Those of one name end at the first that is not there. */
	return guess < GUESS_SAME_SIZE && !was_there ? GUESS_SAME_SIZE : guess + 1;
}

/* The same of the file that GUESS finds; -ENOENT where there is none. */
static int try_guess(struct old_chunks *o, enum guess guess, const char *path, uint64_t size, const struct id *id,
                     struct locator *locator)
{
	struct content content;
	int error = find_content(o, guess, path, size, &content), found;

	if (error)
		return is_absence(error) ? -ENOENT : error;
	found = look_into(o, path, &content, id, locator);
	if (found > 0 && guess != GUESS_SAME_PATH && guess != GUESS_SAME_SIZE)
		old_files_confirm(o->files);
	return found;
}

/* Whether what may have been the file at PATH names ID.  The first chunk of a file decides which one that was.  1, 0 or
 * -errno. */
static int find_old(struct old_chunks *o, const char *path, uint64_t size, const struct id *id, struct locator *locator)
{
	struct old_list *list = find_list(o, path);
	int found = -ENOENT;

	if (list)
		return find_in_list(list, id, locator);
	for (enum guess guess = GUESS_SAME_PATH; found <= 0 && guess < GUESSES; guess = guess_after(guess, !found)) {
		found = try_guess(o, guess, path, size, id, locator);
		if (found == -ENOENT && guess == GUESS_SAME_PATH && !o->old.is_file)
			found = find_whole(o, size, id, locator);
		if (found < 0 && found != -ENOENT)
			return found;
	}
	return found;
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
