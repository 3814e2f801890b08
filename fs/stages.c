#include "fs/stages.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "cache/pipeline.h"
#include "fs/stat_cache.h"

#define DEPTH_MIN 32 /* batches under way */

static void *run_feed(void *arg)
{
	struct stages *s = arg;

	s->feed_error = feed_run(&s->feed);
	return NULL;
}

static void work(void *arg, void *item)
{
	digest_batch(arg, item);
}

static void tell_problem(struct stages *s, const struct batch *b, const struct step *step)
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
static int add_chunks(struct stages *s, const struct batch *b, const struct step *step, struct content_builder *content)
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
static int make_content(struct stages *s, const struct batch *b, struct step *step)
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

static void remember(struct stages *s, const struct batch *b, const struct step *step)
{
	struct stat_cache_entry entry = {.kind = step->entry_kind, .stamp = step->stamp, .content = step->content};

	stat_cache_writer_add(s->new_cache, batch_name(b, step), step->name_len, &entry);
}

void stages_entry(const struct batch *b, const struct step *step, struct entry *entry)
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

bool stages_same_as_cached(const struct step *step)
{
	bool executable = step->stamp.mode & S_IXUSR;

	return step->cached && content_equal(&step->content, &step->cached_content) &&
	       (step->entry_kind != ENTRY_FILE || executable == step->cached_executable);
}

/* A file or link with its content. */
static int take_entry(struct stages *s, const struct batch *b, struct step *step)
{
	s->result->linked += step->linked;
	s->dirty |= !step->same;
	remember(s, b, step);
	if (s->result->problems)
		return 0;
	return s->hooks->entry(s->arg, b, step);
}

static int take_large(struct stages *s, const struct batch *b, struct step *step)
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

static int take_enter(struct stages *s, const struct batch *b, const struct step *step)
{
	const char *name = batch_name(b, step);

	buffer_append(&s->path, name, step->name_len);
	buffer_put8(&s->path, '/');
	if (s->path.failed)
		return -ENOMEM;
	stat_cache_writer_enter(s->new_cache, name, step->name_len);
	return s->result->problems ? 0 : s->hooks->enter(s->arg, name, step->name_len, step->bare);
}

static int take_leave(struct stages *s)
{
	if (!s->path.len)
		return 0; /* the dataset's own end */
	do
		s->path.len--;
	while (s->path.len && s->path.data[s->path.len - 1] != '/');
	stat_cache_writer_leave(s->new_cache);
	return s->result->problems ? 0 : s->hooks->leave(s->arg);
}

static int take_step(struct stages *s, const struct batch *b, struct step *step)
{
	int error = 0;

	s->dirty |= step->differs;
	if (step->differs && s->hooks->gone && !s->result->problems)
		error = s->hooks->gone(s->arg);
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
	case STEP_HIDDEN:
		return s->result->problems ? 0 : s->hooks->hidden(s->arg, batch_name(b, step), step->name_len);
	case STEP_PROBLEM:
		tell_problem(s, b, step);
		break;
	}
	return 0;
}

static int take_batch(struct stages *s, struct batch *b)
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
static int consume(struct stages *s)
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

static int new_digest(struct stages *s)
{
	const struct digest_setup setup = {
	    .writer = s->run->writer,
	    .level = s->run->level,
	    .dialect = s->feed.dialect,
	    .outside_links = s->run->outside_links,
	    .elsewhere = s->elsewhere,
	    .old = s->old_chunks,
	    .cancelled = s->run->cancelled,
	};

	return digest_new(&setup, &s->digest);
}

static int run(struct stages *s)
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
	s->feed.pipeline = s->pipeline;
	s->feed.pool = s->pool;
	s->feed.writer = s->run->writer;
	s->feed.full = s->run->full;
	s->feed.skip_special = s->run->skip_special;
	s->feed.paths = s->old_chunks;
	s->feed.exclude = s->run->exclude;
	s->feed.cancelled = s->run->cancelled;
	s->feed.dirs_max = dirs_per_batch(depth);
	error = start_thread(&thread, run_feed, s);
	if (error)
		return error;
	error = consume(s);
	pthread_join(thread, NULL);
	/* A feed that was told to stop because of our error has nothing to add. */
	return error ? error : s->feed_error;
}

int stages_run(struct stages *s)
{
	int error = run(s);

	content_builder_release(&s->large);
	if (s->pipeline)
		pipeline_close(s->pipeline);
	digest_free(s->digest);
	batch_pool_free(s->pool);
	buffer_release(&s->path);
	return error;
}
