#include "fs/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/codec.h"
#include "fs/chunk_file.h"
#include "fs/feed.h"
#include "fs/page.h"

/* A file that was small when it was met may not have grown beyond this: it would not fit in memory. */
#define GROWN_MAX (16 * FEED_LARGE)

/* Readers with their buffers, used again by whichever thread comes next. */
struct reader {
	struct reader *next;
	struct chunk_file *file;
};

struct digest {
	struct digest_setup setup;
	pthread_mutex_t lock; /* of FREE */
	struct reader *free;
};

int digest_new(const struct digest_setup *setup, struct digest **digest)
{
	struct digest *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->setup = *setup;
	pthread_mutex_init(&d->lock, NULL);
	*digest = d;
	return 0;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	while (d->free) {
		struct reader *r = d->free;

		d->free = r->next;
		chunk_file_free(r->file);
		free(r);
	}
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static struct reader *take_reader(struct digest *d)
{
	struct reader *r;

	pthread_mutex_lock(&d->lock);
	r = d->free;
	if (r)
		d->free = r->next;
	pthread_mutex_unlock(&d->lock);
	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (r && chunk_file_new(&r->file)) {
		free(r);
		r = NULL;
	}
	return r;
}

static void give_reader(struct digest *d, struct reader *r)
{
	pthread_mutex_lock(&d->lock);
	r->next = d->free;
	d->free = r;
	pthread_mutex_unlock(&d->lock);
}

/* Whether the file of STEP is one chunk, and the same as it was in the old tree: its locator is taken from there. */
static bool is_in_old_tree(const struct digest *d, const struct step *step, const struct batch_chunk *chunk)
{
	return d->setup.elsewhere && step->kind == STEP_ENTRY && step->cached &&
	       step->cached_content.form == CONTENT_CHUNK && step->content.size == chunk->len &&
	       id_equal(&chunk->id, &step->cached_content.id);
}

/* Whether CHUNK of STEP needs no writing. */
static bool is_known(struct digest *d, const struct batch *b, const struct step *step, struct batch_chunk *chunk)
{
	const char *path = batch_path(b, step);

	return !store_writer_known(d->setup.writer, RECORD_CHUNK, &chunk->id, &chunk->locator) ||
	       is_in_old_tree(d, step, chunk) ||
	       (d->setup.old && path &&
	        old_chunks_find(d->setup.old, path, step->content.size, &chunk->id, &chunk->locator));
}

/* Hash the DATA of CHUNK and, where it is to be stored, compress it into the batch. */
static void digest_chunk(struct digest *d, struct batch *b, const struct step *step, struct batch_chunk *chunk,
                         const uint8_t *data)
{
	ssize_t stored;
	unsigned codec;
	uint8_t *out;

	id_of(data, chunk->len, &chunk->id);
	chunk->known = is_known(d, b, step, chunk);
	if (chunk->known)
		return;
	out = buffer_reserve(&b->stored, codec_bound(chunk->len));
	stored = out ? codec_encode(data, chunk->len, d->setup.level, out, &codec) : -ENOMEM;
	if (stored < 0) {
		b->failed = true;
		return;
	}
	if (codec == CODEC_RAW)
		memcpy(out, data, chunk->len);
	chunk->stored_at = b->stored.len;
	b->stored.len += (size_t)stored;
	chunk->header = (struct record_header){
	    .kind = RECORD_CHUNK,
	    .codec = (uint8_t)codec,
	    .raw_len = chunk->len,
	    .stored_len = (uint32_t)stored,
	    .hashed_len = chunk->len,
	};
}

static int add_piece(struct digest *d, struct batch *b, struct step *step, const struct chunk_piece *piece)
{
	struct batch_chunk *chunk = batch_chunk(b, step);

	if (!chunk)
		return -ENOMEM;
	chunk->len = piece->len;
	chunk->count = piece->count;
	digest_chunk(d, b, step, chunk, piece->data);
	return b->failed ? -ENOMEM : 0;
}

static void forget_chunks(struct batch *b, struct step *step)
{
	b->chunks_count -= step->chunks;
	step->chunks = 0;
}

/* Read the file of STEP once. */
static int read_file(struct digest *d, struct chunk_file *file, struct batch *b, struct step *step)
{
	struct chunk_piece piece;
	struct stat st;
	int ended, error;

	forget_chunks(b, step);
	error = chunk_file_begin(file, scan_dir_fd(step->dir), batch_name(b, step), &st);
	if (error)
		return error;
	error = layer_check_file(d->setup.dialect, chunk_file_fd(file));
	if (error)
		return error;
	if (d->setup.dialect != LAYER_NONE)
		chunk_file_settle(file);
	if (st.st_size > GROWN_MAX)
		error = -EAGAIN;
	step->content = (struct content){.size = (uint64_t)st.st_size};
	while (!error && !(error = chunk_file_next(file, &piece))) {
		if (step->content.size > PAGE_INLINE_MAX)
			error = add_piece(d, b, step, &piece);
		else
			memcpy(step->content.inline_data, piece.data, piece.len);
	}
	ended = chunk_file_end(file);
	if (error == -ENOENT)
		error = ended;
	if (!error)
		file_stamp_of(&st, &step->stamp);
	return error;
}

/* Whether a link in a directory with DEPTH others above it, inside the dataset, leads out of it as its text reads. */
static bool leads_outside(const char *target, unsigned depth)
{
	if (*target == '/')
		return true;
	while (*target) {
		size_t len = strcspn(target, "/");

		if (len == 2 && !memcmp(target, "..", 2)) {
			if (!depth--)
				return true;
		} else if (len && !(len == 1 && *target == '.')) {
			depth++;
		}
		target += len;
		target += *target == '/';
	}
	return false;
}

/* Read the link of STEP once. */
static int read_link(struct digest *d, struct batch *b, struct step *step)
{
	int dirfd = scan_dir_fd(step->dir);
	const char *name = batch_name(b, step);
	char target[PAGE_SYMLINK_MAX + 1];
	struct chunk_piece piece = {.data = (const uint8_t *)target, .count = 1};
	struct file_stamp after;
	ssize_t len;
	struct stat st;

	forget_chunks(b, step);
	len = readlinkat(dirfd, name, target, sizeof(target));
	if (len < 0)
		return errno == EINVAL ? -EAGAIN : -errno;
	if (len > PAGE_SYMLINK_MAX)
		return -ENAMETOOLONG;
	target[len] = '\0';
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	file_stamp_of(&st, &after);
	if (!file_stamp_equal(&after, &step->stamp)) {
		step->stamp = after;
		return -EAGAIN;
	}
	if (!d->setup.outside_links && leads_outside(target, step->depth)) {
		step->kind = STEP_PROBLEM;
		step->problem = PROBLEM_OUTSIDE_LINK;
		return 0;
	}
	step->content = (struct content){.size = (uint64_t)len};
	piece.len = (uint32_t)len;
	if (len > PAGE_INLINE_MAX)
		return add_piece(d, b, step, &piece);
	memcpy(step->content.inline_data, target, (size_t)len);
	return 0;
}

static void digest_entry(struct digest *d, struct chunk_file *file, struct batch *b, struct step *step)
{
	int error = 0;

	for (unsigned i = 0; i < FEED_TRIES; i++) {
		error = step->entry_kind == ENTRY_SYMLINK ? read_link(d, b, step) : read_file(d, file, b, step);
		if (error != -EAGAIN && error != -ENOENT)
			break;
	}
	if (!error)
		return;
	forget_chunks(b, step);
	step->kind = STEP_PROBLEM;
	step->problem = (uint8_t)feed_problem_of(error);
	step->error = error;
}

void digest_batch(struct digest *d, struct batch *b)
{
	struct reader *r = take_reader(d);

	b->failed |= !r;
	for (unsigned i = 0; i < b->steps_count; i++) {
		struct step *step = &b->steps[i];

		if (b->failed || atomic_load_explicit(d->setup.cancelled, memory_order_relaxed))
			break;
		if (step->kind == STEP_ENTRY && !step->same)
			digest_entry(d, r->file, b, step);
		for (uint32_t j = 0; step->kind == STEP_LARGE_CHUNKS && j < step->chunks && !b->failed; j++) {
			struct batch_chunk *chunk = &b->chunks[step->chunk + j];

			digest_chunk(d, b, step, chunk, b->raw.data + chunk->raw_at);
		}
	}
	if (r)
		give_reader(d, r);
}
