#include "fs/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/interrupt.h"
#include "fs/name.h"
#include "fs/page.h"

/* Hand the present batch on. */
static int submit(struct feed *f)
{
	struct batch *b = f->batch;
	int error;

	if (!b || !b->steps_count)
		return 0;
	f->batch = NULL;
	error = b->failed ? -ENOMEM : pipeline_submit(f->pipeline, b, b->weight + 1);
	if (error)
		batch_give(f->pool, b);
	return error == -ECANCELED ? -EINTR : error;
}

/* A new step, in a new batch where the present one is full. */
static int add_step(struct feed *f, enum step_kind kind, const char *name, size_t len, struct step **step)
{
	if (f->batch && f->batch->steps_count == BATCH_STEPS) {
		int error = submit(f);

		if (error)
			return error;
	}
	if (!f->batch)
		f->batch = batch_take(f->pool);
	*step = f->batch ? batch_step(f->batch, kind, name, len) : NULL;
	if (!*step)
		return -ENOMEM;
	(*step)->depth = f->depth;
	return 0;
}

/* The same of one that a worker reads, or whose chunks it looks at. */
static int add_worker_step(struct feed *f, enum step_kind kind, const char *name, size_t len, struct step **step)
{
	int error = add_step(f, kind, name, len, step);

	if (!error && f->paths) {
		batch_set_path(f->batch, *step, f->file_path);
		(*step)->content.size = f->file_size;
	}
	return error;
}

static int submit_if_full(struct feed *f)
{
	const struct batch *b = f->batch;

	return b && (b->weight >= BATCH_BYTES || b->dirs >= f->dirs_max) ? submit(f) : 0;
}

static int add_problem(struct feed *f, const char *name, size_t len, enum problem problem, int error)
{
	struct step *step;
	int failed = add_step(f, STEP_PROBLEM, name, len, &step);

	if (failed)
		return failed;
	step->problem = (uint8_t)problem;
	step->error = error;
	return 0;
}

/* In an upper folder, NAME is not to be seen: nor is what is below it. */
static int add_hidden(struct feed *f, const char *name, size_t len)
{
	struct step *step;

	return f->dialect == LAYER_NONE ? 0 : add_step(f, STEP_HIDDEN, name, len, &step);
}

/* What the stat cache knows of an entry that was met. */
struct known {
	bool cached, same, differs;
	struct stat_cache_entry entry;
};

static bool in_store(struct feed *f, const struct content *content)
{
	unsigned kind = content->form == CONTENT_LIST ? RECORD_PAGE : RECORD_CHUNK;
	struct locator locator;

	return content->form == CONTENT_INLINE || !store_writer_known(f->writer, kind, &content->id, &locator);
}

static void look_up(struct feed *f, const char *name, size_t len, const struct stat *st, struct known *known)
{
	struct file_stamp stamp;

	file_stamp_of(st, &stamp);
	known->cached = !stat_cache_find(f->cache, name, len, &known->entry);
	known->differs = stat_cache_differs(f->cache);
	known->same = known->cached && !f->full && !known->entry.racy &&
	              file_stamp_equal(&known->entry.stamp, &stamp) &&
	              known->entry.kind == (S_ISLNK(st->st_mode) ? ENTRY_SYMLINK : ENTRY_FILE) &&
	              (f->cache_trusted || in_store(f, &known->entry.content));
}

static void describe(struct step *step, const struct stat *st, const struct known *known)
{
	step->entry_kind = S_ISLNK(st->st_mode) ? ENTRY_SYMLINK : ENTRY_FILE;
	step->differs = known->differs;
	step->same = known->same;
	step->linked = S_ISREG(st->st_mode) && st->st_nlink > 1;
	file_stamp_of(st, &step->stamp);
	step->cached = known->cached && known->entry.kind == step->entry_kind;
	if (!step->cached)
		return;
	step->cached_executable = known->entry.stamp.mode & S_IXUSR;
	step->cached_content = known->entry.content;
	if (step->same)
		step->content = known->entry.content;
}

static int add_chunk(struct feed *f, const struct chunk_piece *piece)
{
	struct batch_chunk *chunk;
	struct step *step;
	int error = 0;

	if (f->batch && f->batch->raw.len && f->batch->raw.len + piece->len > BATCH_BYTES)
		error = submit(f);
	if (error)
		return error;
	if (f->batch && f->batch->steps_count && f->batch->steps[f->batch->steps_count - 1].kind == STEP_LARGE_CHUNKS)
		step = &f->batch->steps[f->batch->steps_count - 1];
	else
		error = add_worker_step(f, STEP_LARGE_CHUNKS, "", 0, &step);
	chunk = error ? NULL : batch_chunk(f->batch, step);
	if (!chunk)
		return error ? error : -ENOMEM;
	chunk->len = piece->len;
	chunk->count = piece->count;
	chunk->raw_at = f->batch->raw.len;
	buffer_append(&f->batch->raw, piece->data, piece->len);
	f->batch->failed |= f->batch->raw.failed;
	f->batch->weight += piece->len;
	return f->batch->failed ? -ENOMEM : 0;
}

/* Errors of the feed itself; everything else is the file's. */
static bool is_ours(int error)
{
	return is_unanswered(error);
}

/* Read a large file once.  -EAGAIN: it changed. */
static int read_large(struct feed *f, int dirfd, const char *file, struct stat *st)
{
	struct chunk_piece piece;
	struct step *step;
	int error = add_step(f, STEP_LARGE_BEGIN, "", 0, &step);

	if (!error)
		error = chunk_file_begin(f->reader, dirfd, file, st);
	if (!error)
		error = layer_check_file(f->dialect, chunk_file_fd(f->reader));
	if (error)
		return error;
	/* Who works in an attached dataset goes on while it is recorded. */
	if (f->dialect != LAYER_NONE)
		chunk_file_settle(f->reader);
	while (!(error = chunk_file_next(f->reader, &piece))) {
		error = atomic_load_explicit(f->cancelled, memory_order_relaxed) ? -EINTR : add_chunk(f, &piece);
		if (error)
			return error;
	}
	return error == -ENOENT ? chunk_file_end(f->reader) : error;
}

enum problem feed_problem_of(int error)
{
	switch (error) {
	case -EAGAIN:
	case -ENOENT:
		return PROBLEM_CHANGING;
	case -EREMOTE:
		return PROBLEM_ELSEWHERE;
	case -ENAMETOOLONG:
		return PROBLEM_TOO_DEEP;
	default:
		return PROBLEM_UNREADABLE;
	}
}

static int add_large(struct feed *f, int dirfd, const char *file, size_t name_len, struct stat *st,
                     const struct known *known)
{
	struct step *step;
	int error = 0;

	for (unsigned i = 0; i < FEED_TRIES; i++) {
		error = read_large(f, dirfd, file, st);
		if (error != -EAGAIN && error != -ENOENT)
			break;
	}
	if (is_ours(error))
		return error;
	if (error)
		return add_problem(f, file, name_len, feed_problem_of(error), error);
	error = add_step(f, STEP_LARGE_END, file, name_len, &step);
	if (error)
		return error;
	describe(step, st, known);
	return submit_if_full(f);
}

/* A file that is not in memory begins its way there before a thread waits for it. */
static void read_ahead(int dirfd, const char *file)
{
	int fd = openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return;
	posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
	close(fd);
}

/* An entry that is no directory: FILE is its name in the file system, of which NAME_LEN bytes (0 for a one-file
 * dataset) are its name in the tree. */
static int add_entry(struct feed *f, struct scan_dir *dir, const char *file, size_t name_len, struct stat *st)
{
	struct known known = {0};
	struct step *step;
	int error;

	if (!S_ISREG(st->st_mode) && !S_ISLNK(st->st_mode))
		return f->skip_special ? add_hidden(f, file, name_len)
		                       : add_problem(f, file, name_len, PROBLEM_SPECIAL, 0);
	look_up(f, file, name_len, st, &known);
	f->file_size = (uint64_t)st->st_size;
	if (!known.same && S_ISREG(st->st_mode) && st->st_size > FEED_LARGE)
		return add_large(f, scan_dir_fd(dir), file, name_len, st, &known);
	error = known.same ? add_step(f, STEP_ENTRY, file, name_len, &step)
	                   : add_worker_step(f, STEP_ENTRY, file, name_len, &step);
	if (error)
		return error;
	describe(step, st, &known);
	if (step->same)
		return 0;
	if (S_ISREG(st->st_mode))
		read_ahead(scan_dir_fd(dir), file);
	batch_pin(f->batch, step, dir, (uint64_t)st->st_size);
	return submit_if_full(f);
}

static bool is_excluded(struct feed *f, const struct scan *scan, bool is_directory)
{
	if (!f->exclude)
		return false;
	buffer_clear(&f->full_path);
	buffer_append(&f->full_path, f->path, strlen(f->path));
	buffer_put8(&f->full_path, '/');
	buffer_append(&f->full_path, scan_path(scan), strlen(scan_path(scan)) + 1);
	return !f->full_path.failed && exclude_matches(f->exclude, (const char *)f->full_path.data, is_directory);
}

/* What a mark hides.  *DONE where MET is no more than a mark. */
static int add_marks(struct feed *f, const struct scan_step *met, bool *done)
{
	enum marks_say say;
	int error = marks_say(&f->marks, met, &say);

	*done = error || say != MARKS_SHOWN;
	if (error)
		return is_ours(error) ? error : add_problem(f, met->name, met->name_len, feed_problem_of(error), error);
	return say == MARKS_HIDES ? add_hidden(f, met->name, met->name_len) : 0;
}

static int add_enter(struct feed *f, struct scan *scan, const struct scan_step *met, bool *skipped)
{
	struct step *step;
	bool bare;
	int error = marks_enter(&f->marks, scan, &bare);

	if (is_ours(error))
		return error;
	if (error) {
		scan_skip(scan);
		*skipped = true;
		return add_problem(f, met->name, met->name_len, feed_problem_of(error), error);
	}
	stat_cache_enter(f->cache, met->name, met->name_len);
	error = add_step(f, STEP_ENTER, met->name, met->name_len, &step);
	if (error)
		return error;
	step->differs = stat_cache_differs(f->cache);
	step->bare = bare;
	f->depth++;
	return 0;
}

static int add_leave(struct feed *f)
{
	struct step *step;
	int error;

	marks_leave(&f->marks);
	if (f->depth)
		stat_cache_leave(f->cache);
	else
		stat_cache_finish(f->cache);
	error = add_step(f, STEP_LEAVE, "", 0, &step);
	if (error)
		return error;
	step->differs = stat_cache_differs(f->cache);
	if (f->depth)
		f->depth--;
	return 0;
}

/* Whether MET is left out: by a mark, by a pattern, or because it is not a name.  What is below it in an upper folder
 * is not to be seen then. */
static int add_left_out(struct feed *f, struct scan *scan, const struct scan_step *met, bool *done)
{
	int error = add_marks(f, met, done);

	if (error || *done)
		return error;
	*done = true;
	if (is_excluded(f, scan, met->event == SCAN_ENTER))
		return add_hidden(f, met->name, met->name_len);
	if (name_is_dotgit(met->name, met->name_len))
		return add_problem(f, met->name, met->name_len, PROBLEM_DOTGIT, 0);
	*done = false;
	return 0;
}

/* What is left out is not entered either: *SKIPPED directories end at once. */
static int add_met(struct feed *f, struct scan *scan, struct scan_step *met, bool *skipped)
{
	bool is_directory = met->event == SCAN_ENTER, done = false;
	int error;

	if (met->event == SCAN_LEAVE)
		return add_leave(f);
	if (met->event == SCAN_FAILED)
		return add_problem(f, met->name ? met->name : "", met->name_len,
		                   met->error == -ENAMETOOLONG ? PROBLEM_TOO_DEEP : PROBLEM_UNREADABLE, met->error);
	error = add_left_out(f, scan, met, &done);
	if (error)
		return error;
	if (done) {
		if (is_directory)
			scan_skip(scan);
		*skipped = is_directory;
		return 0;
	}
	f->file_path = scan_path(scan);
	return is_directory ? add_enter(f, scan, met, skipped)
	                    : add_entry(f, met->dir, met->name, met->name_len, &met->st);
}

static int walk(struct feed *f)
{
	struct scan_step met;
	struct scan *scan;
	bool skipped = false;
	int error = scan_open_marked(f->dirfd, f->name, layer_prefix(f->dialect), &scan);

	if (error)
		return error;
	while (!error && !(error = scan_next(scan, &met))) {
		if (skipped) {
			/* The end of a directory that was never begun. */
			skipped = false;
			continue;
		}
		if (atomic_load_explicit(f->cancelled, memory_order_relaxed))
			error = -EINTR;
		else
			error = add_met(f, scan, &met, &skipped);
	}
	if (error == -ENOENT)
		error = add_leave(f);
	scan_close(scan);
	return error;
}

/* A dataset that is one file. */
static int single(struct feed *f)
{
	struct scan_dir *dir;
	struct stat st;
	int error = scan_dir_open(f->dirfd, ".", &dir);

	f->file_path = "";
	if (error)
		return error;
	if (fstatat(f->dirfd, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		error = -errno;
	else
		error = add_entry(f, dir, f->name, 0, &st);
	scan_dir_unpin(dir);
	return error ? error : add_leave(f);
}

int feed_run(struct feed *f)
{
	int error = chunk_file_new(&f->reader);

	f->marks.dialect = f->dialect;
	if (!error)
		error = f->is_file ? single(f) : walk(f);
	if (!error)
		error = submit(f);
	batch_give(f->pool, f->batch);
	f->batch = NULL;
	chunk_file_free(f->reader);
	buffer_release(&f->full_path);
	marks_release(&f->marks);
	pipeline_end(f->pipeline);
	return error;
}
