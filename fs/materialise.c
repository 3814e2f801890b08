#include "fs/materialise.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/folder.h"
#include "fs/name.h"
#include "fs/place_visit.h"

/* Files on their way to the workers: enough to keep them busy, few enough for their descriptors. */
#define QUEUE_LENGTH 128
#define THREADS_MAX 64

/* One file or link to be written. */
struct item {
	struct folder *folder; /* pinned */
	char *path;            /* owned */
	struct place place;
};

struct materialise {
	struct materialise_options options;
	struct deposit deposit;
	struct folder *root;
	/* The folder that materialise_add() used last, of path REACHED_PATH. */
	struct folder *reached;
	char *reached_path;
	pthread_t threads[THREADS_MAX];
	unsigned started;

	/* Under LOCK: */
	pthread_mutex_t lock;
	pthread_cond_t filled, drained;
	struct item queue[QUEUE_LENGTH];
	unsigned first, count;
	bool ended;
	int fatal; /* 0, or what ended everything */
	struct materialise_stats stats;

	pthread_mutex_t telling; /* held while failed() runs, and nothing else */
};

/* What is true of the whole file system, or wanted by the user: going on would only say it a million times. */
static bool ends_everything(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EROFS || error == -EINTR || error == -ENOMEM;
}

static void tell_failure(struct materialise *m, const char *path, int error, bool cannot_write)
{
	pthread_mutex_lock(&m->lock);
	m->stats.failed++;
	pthread_mutex_unlock(&m->lock);
	pthread_mutex_lock(&m->telling);
	m->options.failed(m->options.arg, path, error, cannot_write);
	pthread_mutex_unlock(&m->telling);
}

/* PATH could not be written.  Returns 0 where the others go on. */
static int fail_path(struct materialise *m, const char *path, int error, bool cannot_write)
{
	if (!ends_everything(error)) {
		tell_failure(m, path, error, cannot_write);
		return 0;
	}
	pthread_mutex_lock(&m->lock);
	if (m->fatal == 0)
		m->fatal = error;
	pthread_cond_broadcast(&m->drained);
	pthread_mutex_unlock(&m->lock);
	return error;
}

static void release_item(struct item *item)
{
	folder_unpin(item->folder);
	free(item->path);
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void count_file(struct materialise *m, const struct item *item, const struct deposited *result)
{
	pthread_mutex_lock(&m->lock);
	m->stats.files++;
	m->stats.kept += result->kept;
	if (S_ISREG(result->st.st_mode))
		m->stats.bytes += item->place.size;
	pthread_mutex_unlock(&m->lock);
	if (m->options.written)
		m->options.written(m->options.arg, item->path, &item->place, result);
}

static void work_on(struct materialise *m, struct item *item)
{
	struct deposited result;
	int r = deposit_write(&m->deposit, folder_fd(item->folder), last_component(item->path), &item->place, &result);

	if (r == 0)
		count_file(m, item, &result);
	else
		fail_path(m, item->path, r, result.cannot_write);
}

/* The next item, unless everything was written or has ended. */
static bool take(struct materialise *m, struct item *item, bool *dropped)
{
	bool taken = false;

	pthread_mutex_lock(&m->lock);
	while (m->count == 0 && !m->ended)
		pthread_cond_wait(&m->filled, &m->lock);
	if (m->count > 0) {
		*item = m->queue[m->first];
		m->first = (m->first + 1) % QUEUE_LENGTH;
		m->count--;
		taken = true;
		pthread_cond_signal(&m->drained);
	}
	*dropped = m->fatal != 0;
	pthread_mutex_unlock(&m->lock);
	return taken;
}

static void *worker(void *arg)
{
	struct materialise *m = arg;
	struct item item;
	bool dropped;

	while (take(m, &item, &dropped)) {
		if (!dropped)
			work_on(m, &item);
		release_item(&item);
	}
	return NULL;
}

/* Takes over FOLDER's pin and PATH, also on failure. */
static int enqueue(struct materialise *m, struct folder *folder, char *path, const struct place *place)
{
	struct item item = {.folder = folder, .path = path};
	int r;

	pthread_mutex_lock(&m->lock);
	while (m->count == QUEUE_LENGTH && m->fatal == 0)
		pthread_cond_wait(&m->drained, &m->lock);
	r = m->fatal;
	if (r == 0) {
		item.place = *place;
		m->queue[(m->first + m->count) % QUEUE_LENGTH] = item;
		m->count++;
		pthread_cond_signal(&m->filled);
	}
	pthread_mutex_unlock(&m->lock);
	if (r < 0)
		release_item(&item);
	return r;
}

static unsigned threads_wanted(unsigned asked)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = asked > 0 ? asked : cpus > 0 ? (unsigned)cpus : 1;

	return threads < THREADS_MAX ? threads : THREADS_MAX;
}

int materialise_open(const struct materialise_options *options, int dirfd, struct materialise **materialise)
{
	struct materialise *m = calloc(1, sizeof(*m));
	unsigned wanted = threads_wanted(options->threads);
	int r;

	if (!m)
		return -ENOMEM;
	m->options = *options;
	m->deposit = (struct deposit){.world = options->world, .way = options->way, .stop = options->stop};
	pthread_mutex_init(&m->lock, NULL);
	pthread_mutex_init(&m->telling, NULL);
	pthread_cond_init(&m->filled, NULL);
	pthread_cond_init(&m->drained, NULL);
	r = folder_open(dirfd, &m->root);
	while (r == 0 && m->started < wanted) {
		r = -pthread_create(&m->threads[m->started], NULL, worker, m);
		m->started += r == 0;
	}
	/* Fewer threads than wanted do, as long as there is one. */
	if (r < 0 && m->started == 0) {
		materialise_finish(m, NULL);
		return r;
	}
	*materialise = m;
	return 0;
}

/* The folder that holds PATH; pinned for the caller, and kept for the next path. */
static int reach_above(struct materialise *m, const char *path, struct folder **folder)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	char *above;
	int r;

	if (m->reached && strlen(m->reached_path) == len && memcmp(m->reached_path, path, len) == 0) {
		*folder = folder_pin(m->reached);
		return 0;
	}
	above = strndup(path, len);
	if (!above)
		return -ENOMEM;
	r = folder_reach(m->root, above, true, folder);
	if (r < 0) {
		free(above);
		return r;
	}
	folder_unpin(m->reached);
	free(m->reached_path);
	m->reached = folder_pin(*folder);
	m->reached_path = above;
	return 0;
}

/* Make the directory PATH below ABOVE.  The name is looked at here, since only files pass through deposit_write(). */
static int make_directory(struct materialise *m, struct folder *above, const char *path, struct folder **folder)
{
	const char *name = last_component(path);
	int r = name_is_valid(name, strlen(name)) ? folder_make(above, name, folder) : -EIO;

	if (r < 0)
		return r;
	pthread_mutex_lock(&m->lock);
	m->stats.directories++;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

int materialise_add(struct materialise *m, const char *path, const struct place *place)
{
	struct folder *above, *folder;
	char *copy;
	int r = reach_above(m, path, &above);

	if (r < 0)
		return fail_path(m, path, r, true);
	if (place_is_directory(place)) {
		r = make_directory(m, above, path, &folder);
		folder_unpin(above);
		if (r < 0)
			return fail_path(m, path, r, true);
		folder_unpin(folder);
		return 0;
	}
	copy = strdup(path);
	if (!copy) {
		folder_unpin(above);
		return fail_path(m, path, -ENOMEM, true);
	}
	return enqueue(m, above, copy, place);
}

/* A tree being walked: the folder of each directory that was entered and not left yet, each pinned. */
struct walk {
	struct materialise *m;
	struct folder **folders;
	unsigned depth;
	unsigned capacity;
	const char *prefix; /* the path of the folder where the walk began, "" or with a final slash */
};

/* Takes over FOLDER's pin, also on failure. */
static int push(struct walk *w, struct folder *folder, const struct place *place)
{
	if (w->depth == w->capacity) {
		unsigned capacity = w->capacity ? 2 * w->capacity : 16;
		struct folder **folders = realloc(w->folders, capacity * sizeof(struct folder *));

		if (!folders) {
			folder_unpin(folder);
			return -ENOMEM;
		}
		w->folders = folders;
		w->capacity = capacity;
	}
	if (w->m->options.way == DEPOSIT_PRIVATE)
		folder_set_time(folder, &place->time);
	w->folders[w->depth++] = folder;
	return 0;
}

/* The path as those see it who asked for the walk; malloc'ed. */
static char *whole_path(const struct walk *w, const char *path)
{
	size_t prefix_len = strlen(w->prefix), len = strlen(path);
	char *whole = malloc(prefix_len + len + 1);

	if (!whole)
		return NULL;
	memcpy(whole, w->prefix, prefix_len);
	memcpy(whole + prefix_len, path, len + 1);
	return whole;
}

static int fail_below(struct walk *w, const char *path, int error, bool cannot_write)
{
	char *whole = whole_path(w, path);
	int r = fail_path(w->m, whole ? whole : path, error, cannot_write);

	free(whole);
	return r;
}

/* Make a directory and go in; where that fails, it is passed over with what is in it. */
static int enter(struct walk *w, const char *path, const struct place *place)
{
	struct folder *folder;
	int r = make_directory(w->m, w->folders[w->depth - 1], path, &folder);

	if (r == 0)
		r = push(w, folder, place);
	if (r == 0)
		return 0;
	r = fail_below(w, path, r, true);
	return r < 0 ? r : 1;
}

static int walk_each(void *arg, const char *path, const struct place *place)
{
	struct walk *w = arg;
	const atomic_bool *stop = w->m->options.stop;
	char *whole;

	if (stop && atomic_load_explicit(stop, memory_order_relaxed))
		return fail_path(w->m, path, -EINTR, true);
	if (place_is_directory(place) && place->kind != PLACE_BROKEN)
		return enter(w, path, place);
	whole = whole_path(w, path);
	if (!whole)
		return fail_path(w->m, path, -ENOMEM, true);
	return enqueue(w->m, folder_pin(w->folders[w->depth - 1]), whole, place);
}

static void walk_leave(void *arg, const char *path)
{
	struct walk *w = arg;

	(void)path;
	folder_unpin(w->folders[--w->depth]);
}

static int walk_failed(void *arg, const char *path, int error)
{
	return fail_below(arg, path, error, false);
}

int materialise_tree(struct materialise *m, const char *path, const struct place *place)
{
	struct walk w = {.m = m};
	struct place_visitor visitor = {
	    .each = walk_each, .leave = walk_leave, .failed = walk_failed, .arg = &w, .without_pointers = true};
	struct folder *folder;
	char *prefix = NULL;
	int r = folder_reach(m->root, path, true, &folder);

	if (r < 0)
		return fail_path(m, path, r, true);
	if (asprintf(&prefix, "%s%s", path, *path ? "/" : "") < 0) {
		prefix = NULL;
		folder_unpin(folder);
		return fail_path(m, path, -ENOMEM, true);
	}
	w.prefix = prefix;
	r = push(&w, folder, place);
	if (r == 0)
		r = place_visit(m->options.world, place, &visitor);
	/* All that ends a walk is known already, but for what place_visit() itself lacks. */
	if (r == -ENOMEM)
		r = fail_path(m, path, r, true);
	while (w.depth > 0)
		folder_unpin(w.folders[--w.depth]);
	free(w.folders);
	free(prefix);
	return r;
}

int materialise_finish(struct materialise *m, struct materialise_stats *stats)
{
	int fatal;

	pthread_mutex_lock(&m->lock);
	m->ended = true;
	pthread_cond_broadcast(&m->filled);
	pthread_mutex_unlock(&m->lock);
	for (unsigned i = 0; i < m->started; i++)
		pthread_join(m->threads[i], NULL);
	folder_unpin(m->reached);
	free(m->reached_path);
	folder_unpin(m->root);
	fatal = m->fatal;
	if (stats)
		*stats = m->stats;
	pthread_cond_destroy(&m->filled);
	pthread_cond_destroy(&m->drained);
	pthread_mutex_destroy(&m->lock);
	pthread_mutex_destroy(&m->telling);
	free(m);
	return fatal;
}
