#include "fs/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cache/pipeline.h"
#include "fs/dataset.h"
#include "fs/digest.h"
#include "fs/feed.h"
#include "fs/stat_cache.h"

#define DEPTH_MIN 32 /* batches under way */

/* One dataset on its way through the stages. */
struct state {
	const struct snapshot_run *run;
	const struct snapshot_dataset *dataset;
	struct snapshot_result *result;
	struct pipeline *pipeline;
	struct batch_pool *pool;
	struct digest *digest;
	struct stat_cache *cache;
	struct stat_cache_writer *new_cache;
	struct old_chunks *old_chunks; /* NULL: what the store lacks is stored */
	struct new_tree *tree;         /* NULL for a dataset that is a file */
	bool followed;                 /* `same` in the cache is the same in the old tree */
	bool elsewhere;                /* what is in the old tree need not be in the store */
	bool dirty;                    /* the new stat cache says something that the old one does not */
	bool whole;                    /* a dataset that is a file was met */
	struct feed feed;
	int feed_error;
	struct content_builder large;
	bool large_open;
	struct buffer path; /* of the present directory, each name with a slash behind it */
};

static void *run_feed(void *arg)
{
	struct state *s = arg;

	s->feed_error = feed_run(&s->feed);
	return NULL;
}

static void work(void *arg, void *item)
{
	digest_batch(arg, item);
}

static void tell_problem(struct state *s, const struct batch *b, const struct step *step)
{
	size_t len = s->path.len;
	const char *name = batch_name(b, step);

	s->result->problems++;
	buffer_append(&s->path, name, step->name_len);
	if (!step->name_len && s->path.len)
		s->path.len--; /* the directory itself, without the slash */
	buffer_append(&s->path, "", 1);
	if (!s->path.failed)
		s->run->problem(s->run->arg, (const char *)s->path.data, step->problem, step->error);
	s->path.len = len;
	if (len)
		s->path.data[len - 1] = '/';
}

/* Add the chunks of STEP to the store and to CONTENT. */
static int add_chunks(struct state *s, const struct batch *b, const struct step *step, struct content_builder *content)
{
	for (uint32_t i = 0; i < step->chunks; i++) {
		struct batch_chunk *chunk = &b->chunks[step->chunk + i];
		struct list_entry entry = {.id = chunk->id, .len = chunk->len, .count = chunk->count};
		int error = 0;

		if (!chunk->known)
			error = store_writer_add(s->run->writer, &chunk->id, &chunk->header,
			                         b->stored.data + chunk->stored_at, &chunk->locator);
		entry.locator = chunk->locator;
		if (!error)
			error = content_builder_add(content, &entry);
		if (error)
			return error;
		s->result->read_bytes += chunk->len * chunk->count;
	}
	return 0;
}

/* The content of a whole entry that was read. */
static int make_content(struct state *s, const struct batch *b, struct step *step)
{
	struct content_builder builder;
	int error;

	if (!step->chunks) {
		s->result->read_bytes += step->content.size;
		return 0;
	}
	content_builder_init(&builder, s->run->writer);
	error = add_chunks(s, b, step, &builder);
	if (!error)
		error = content_builder_finish(&builder, &step->content);
	content_builder_release(&builder);
	return error;
}

static void remember(struct state *s, const struct batch *b, const struct step *step)
{
	struct stat_cache_entry entry = {.kind = step->entry_kind, .stamp = step->stamp, .content = step->content};

	stat_cache_writer_add(s->new_cache, batch_name(b, step), step->name_len, &entry);
}

static void make_entry(const struct batch *b, const struct step *step, struct entry *entry)
{
	*entry = (struct entry){
	    .name = batch_name(b, step),
	    .name_len = step->name_len,
	    .kind = step->entry_kind,
	    .executable = step->entry_kind == ENTRY_FILE && step->stamp.mode & S_IXUSR,
	    .time = {.seconds = step->stamp.mtime.tv_sec,
	             .nanoseconds = (uint32_t)step->stamp.mtime.tv_nsec,
	             .known = true},
	};
	content_set_entry(&step->content, entry);
}

/* Whether what was read is what the stat cache had: a file that was touched, or read again to be sure. */
static bool same_as_cached(const struct step *step)
{
	bool executable = step->stamp.mode & S_IXUSR;

	return step->cached && content_equal(&step->content, &step->cached_content) &&
	       (step->entry_kind != ENTRY_FILE || executable == step->cached_executable);
}

/* The old entry of a dataset that is a file, where there is one. */
static int old_file(struct state *s, struct page_pin *pin, struct entry *entry)
{
	const struct pointer *old = s->dataset->old;
	int error;

	if (!old || !old->is_file)
		return -ENOENT;
	error = source_pin_root(s->run->source, PAGE_FILE, &old->root, pin);
	if (error)
		return error == -ENOMEM ? error : -ESTALE;
	page_entry(pin->page, 0, entry);
	return 0;
}

static int add_single(struct state *s, struct entry *entry)
{
	struct new_tree_counts *counts = &s->result->counts;
	struct page_pin pin = {0};
	struct entry old;
	int error;

	error = old_file(s, &pin, &old);
	if (!error) {
		struct content a, b;
		bool same = !content_of(&old, &a) && !content_of(entry, &b) && content_equal(&a, &b);

		counts->modified += !same || old.executable != entry->executable;
		if (same && old.time.known)
			entry->time = old.time;
		if (same && !entry->locator.offset)
			entry->locator = old.locator;
		source_unpin_page(s->run->source, &pin);
	} else if (error == -ENOENT) {
		counts->added++;
		error = 0;
	}
	if (!error && entry->form != CONTENT_INLINE && !entry->locator.offset)
		error = store_writer_known(s->run->writer, entry->form == CONTENT_LIST ? RECORD_PAGE : RECORD_CHUNK,
		                           &entry->id, &entry->locator);
	if (!error)
		error = builder_file_root(s->run->writer, entry, &s->result->root);
	s->whole = true;
	return error;
}

/* A file or link with its content. */
static int take_entry(struct state *s, const struct batch *b, struct step *step)
{
	struct entry entry;

	s->result->linked += step->linked;
	s->dirty |= !step->same;
	remember(s, b, step);
	if (s->result->problems)
		return 0;
	if (s->followed && (step->same || same_as_cached(step)))
		return new_tree_same(s->tree, batch_name(b, step), step->name_len);
	make_entry(b, step, &entry);
	return s->tree ? new_tree_add(s->tree, &entry) : add_single(s, &entry);
}

static int take_large(struct state *s, const struct batch *b, struct step *step)
{
	int error;

	if (step->kind == STEP_LARGE_BEGIN) {
		content_builder_release(&s->large);
		content_builder_init(&s->large, s->run->writer);
		return 0;
	}
	if (step->kind == STEP_LARGE_CHUNKS)
		return add_chunks(s, b, step, &s->large);
	error = content_builder_finish(&s->large, &step->content);
	return error ? error : take_entry(s, b, step);
}

static int take_enter(struct state *s, const struct batch *b, const struct step *step)
{
	const char *name = batch_name(b, step);

	buffer_append(&s->path, name, step->name_len);
	buffer_put8(&s->path, '/');
	if (s->path.failed)
		return -ENOMEM;
	stat_cache_writer_enter(s->new_cache, name, step->name_len);
	return s->tree && !s->result->problems ? new_tree_enter(s->tree, name, step->name_len) : 0;
}

static int take_leave(struct state *s)
{
	if (!s->path.len)
		return 0; /* the dataset's own end */
	do
		s->path.len--;
	while (s->path.len && s->path.data[s->path.len - 1] != '/');
	stat_cache_writer_leave(s->new_cache);
	return s->tree && !s->result->problems ? new_tree_leave(s->tree) : 0;
}

static int take_step(struct state *s, const struct batch *b, struct step *step)
{
	int error = 0;

	s->dirty |= step->differs;
	if (step->differs && s->followed && !s->result->problems)
		error = new_tree_gone(s->tree);
	if (error)
		return error;
	switch ((enum step_kind)step->kind) {
	case STEP_ENTRY:
		error = step->same ? 0 : make_content(s, b, step);
		return error ? error : take_entry(s, b, step);
	case STEP_ENTER:
		return take_enter(s, b, step);
	case STEP_LEAVE:
		return take_leave(s);
	case STEP_LARGE_BEGIN:
	case STEP_LARGE_CHUNKS:
	case STEP_LARGE_END:
		return take_large(s, b, step);
	case STEP_PROBLEM:
		tell_problem(s, b, step);
		break;
	}
	return 0;
}

static int take_batch(struct state *s, struct batch *b)
{
	struct store_writer_stats before, after;
	uint64_t read_before = s->result->read_bytes, files = 0;
	int error = b->failed ? -ENOMEM : 0;

	store_writer_stats(s->run->writer, &before);
	for (unsigned i = 0; !error && i < b->steps_count; i++) {
		error = take_step(s, b, &b->steps[i]);
		files += b->steps[i].kind == STEP_ENTRY || b->steps[i].kind == STEP_LARGE_END;
	}
	if (!s->run->progress)
		return error;
	store_writer_stats(s->run->writer, &after);
	uint64_t read = s->result->read_bytes - read_before, stored = after.stored_bytes - before.stored_bytes;
	s->run->progress(s->run->arg, files, read, read > stored ? read - stored : 0);
	return error;
}

/* Take every batch; after an error the rest is only given back. */
static int consume(struct state *s)
{
	struct batch *b;
	int error = 0;

	while ((b = pipeline_next(s->pipeline))) {
		if (!error && atomic_load(s->run->cancelled))
			error = -EINTR;
		if (!error) {
			error = take_batch(s, b);
			if (error)
				pipeline_cancel(s->pipeline);
		}
		batch_give(s->pool, b);
	}
	return error;
}

/* Descriptors that one batch may hold, so that all of them together leave half of what we may have. */
static unsigned dirs_per_batch(unsigned depth)
{
	struct rlimit limit;
	rlim_t share;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return 16;
	share = limit.rlim_cur / 2 / depth;
	return share < 1 ? 1 : share > 16 ? 16 : (unsigned)share;
}

/* Signals belong to the program's own threads. */
static int start_thread(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	sigset_t all, old;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = -pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error;
}

static int new_digest(struct state *s)
{
	const struct digest_setup setup = {
	    .writer = s->run->writer,
	    .level = s->run->level,
	    .outside_links = s->run->outside_links,
	    .elsewhere = s->elsewhere && s->followed,
	    .old = s->old_chunks,
	    .cancelled = s->run->cancelled,
	};

	return digest_new(&setup, &s->digest);
}

static int run_stages(struct state *s)
{
	unsigned jobs = s->run->jobs, depth = jobs * 4 > DEPTH_MIN ? jobs * 4 : DEPTH_MIN;
	pthread_t thread;
	int error;

	error = batch_pool_new(&s->pool);
	if (!error)
		error = new_digest(s);
	if (!error)
		error = pipeline_open(jobs, depth, work, s->digest, &s->pipeline);
	if (error)
		return error;
	s->feed = (struct feed){
	    .pipeline = s->pipeline,
	    .pool = s->pool,
	    .writer = s->run->writer,
	    .dirfd = s->dataset->dirfd,
	    .name = s->dataset->path,
	    .path = s->dataset->path,
	    .is_file = s->dataset->is_file,
	    .cache = s->cache,
	    .cache_trusted = s->feed.cache_trusted,
	    .full = s->run->full,
	    .skip_special = s->run->skip_special,
	    .paths = s->old_chunks,
	    .exclude = s->run->exclude,
	    .cancelled = s->run->cancelled,
	    .dirs_max = dirs_per_batch(depth),
	};
	error = start_thread(&thread, run_feed, s);
	if (error)
		return error;
	error = consume(s);
	pthread_join(thread, NULL);
	/* A feed that was told to stop because of our error has nothing to add. */
	return error ? error : s->feed_error;
}

/* Open what is known already: the stat cache, and the old tree where it can be read. */
static int open_known(struct state *s)
{
	const struct pointer *old = s->dataset->old;
	struct directory directory;
	struct locator locator;
	struct id root;
	bool here = false;
	int error = 0;

	if (s->dataset->folder >= 0 &&
	    !stat_cache_open(s->run->io, s->dataset->folder, s->dataset->stat_name, &s->cache, &root))
		/* What it names must be there to be taken over: in the store, or wherever the old tree is read from. */
		here = !store_writer_known(s->run->writer, RECORD_PAGE, &root, &locator);
	s->feed.cache_trusted = s->cache && (here || (old && id_equal(&old->root, &root)));
	if (s->dataset->folder >= 0 && !s->run->dry)
		stat_cache_writer_open(s->run->io, s->dataset->folder, s->dataset->stat_name, &s->run->start,
		                       &s->new_cache);
	/* What is read with --full is to be here, wherever else it is. */
	if (!s->run->full && s->run->source && old && old->is_file == s->dataset->is_file)
		error = old_chunks_new(s->run->source, old, &s->old_chunks);
	if (error || s->dataset->is_file)
		return error;
	s->elsewhere = !s->run->full && !here && s->run->source && source_find_fetch(s->run->source);
	s->followed = s->feed.cache_trusted && old && !old->is_file && id_equal(&old->root, &root);
	if (old && !old->is_file)
		dataset_directory(old, &directory);
	error = new_tree_open(s->run->writer, s->run->source, old && !old->is_file ? &directory : NULL, s->followed,
	                      &s->tree);
	return error;
}

/* What was a directory of many files is a file now, or the other way round. */
static void count_change_of_type(struct state *s)
{
	const struct pointer *old = s->dataset->old;

	if (old && old->is_file != s->dataset->is_file)
		s->result->counts.deleted += old->files;
}

static int finish(struct state *s)
{
	struct snapshot_result *r = s->result;
	const struct pointer *old = s->dataset->old;
	bool untouched = false;
	int error = 0;

	if (s->tree) {
		error = new_tree_finish(s->tree, &r->root, &untouched);
		if (error)
			return error;
		new_tree_counts(s->tree, &r->counts);
	} else if (!s->whole) {
		return -ENOENT;
	}
	count_change_of_type(s);
	if (untouched) {
		r->pointer = *old;
	} else {
		r->pointer = (struct pointer){.is_file = s->dataset->is_file,
		                              .root = r->root.id,
		                              .files = r->root.totals.files,
		                              .bytes = r->root.totals.bytes};
	}
	r->unchanged = old && old->is_file == r->pointer.is_file && id_equal(&old->root, &r->pointer.root);
	r->recorded = true;
	return 0;
}

int snapshot_dataset(const struct snapshot_run *run, const struct snapshot_dataset *dataset,
                     struct snapshot_result *result)
{
	struct state s = {.run = run, .dataset = dataset, .result = result};
	struct store_writer_stats before, after;
	int error;

	*result = (struct snapshot_result){0};
	store_writer_stats(run->writer, &before);
	error = open_known(&s);
	if (!error)
		error = run_stages(&s);
	if (!error && !result->problems)
		error = finish(&s);
	if (error && s.tree && new_tree_old_failed(s.tree) && error != -ENOMEM)
		error = -ESTALE;
	store_writer_stats(run->writer, &after);
	result->new_bytes = after.raw_bytes - before.raw_bytes;
	result->stored_bytes = after.stored_bytes - before.stored_bytes;
	if (!error && s.dirty) {
		result->cache = s.new_cache;
		s.new_cache = NULL;
	}
	stat_cache_writer_abort(s.new_cache);
	content_builder_release(&s.large);
	new_tree_close(s.tree);
	stat_cache_close(s.cache);
	if (s.pipeline)
		pipeline_close(s.pipeline);
	digest_free(s.digest);
	old_chunks_free(s.old_chunks);
	batch_pool_free(s.pool);
	buffer_release(&s.path);
	return error;
}

void snapshot_keep_cache(struct snapshot_result *result)
{
	stat_cache_writer_finish(result->cache, result->recorded ? &result->pointer.root : NULL);
	result->cache = NULL;
}
