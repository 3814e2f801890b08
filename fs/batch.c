#include "fs/batch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Buffers that grew beyond this are not kept. */
#define KEEP_MAX (8u << 20)

struct batch_pool {
	pthread_mutex_t lock; /* of FREE */
	struct batch *free;
};

int batch_pool_new(struct batch_pool **pool)
{
	struct batch_pool *p = malloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	p->free = NULL;
	*pool = p;
	return 0;
}

static void batch_free(struct batch *b)
{
	buffer_release(&b->names);
	buffer_release(&b->raw);
	buffer_release(&b->stored);
	free(b->chunks);
	free(b);
}

void batch_pool_free(struct batch_pool *pool)
{
	if (!pool)
		return;
	while (pool->free) {
		struct batch *b = pool->free;

		pool->free = b->next;
		batch_free(b);
	}
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

struct batch *batch_take(struct batch_pool *pool)
{
	struct batch *b;

	pthread_mutex_lock(&pool->lock);
	b = pool->free;
	if (b)
		pool->free = b->next;
	pthread_mutex_unlock(&pool->lock);
	return b ? b : calloc(1, sizeof(*b));
}

static void clear(struct buffer *b)
{
	if (b->capacity > KEEP_MAX || b->failed)
		buffer_release(b);
	else
		buffer_clear(b);
}

void batch_give(struct batch_pool *pool, struct batch *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < b->steps_count; i++)
		scan_dir_unpin(b->steps[i].dir);
	clear(&b->names);
	clear(&b->raw);
	clear(&b->stored);
	b->steps_count = b->dirs = 0;
	b->chunks_count = 0;
	b->last_dir = NULL;
	b->weight = 0;
	b->failed = false;
	pthread_mutex_lock(&pool->lock);
	b->next = pool->free;
	pool->free = b;
	pthread_mutex_unlock(&pool->lock);
}

struct step *batch_step(struct batch *b, enum step_kind kind, const char *name, size_t len)
{
	struct step *step;

	if (b->steps_count == BATCH_STEPS)
		return NULL;
	step = &b->steps[b->steps_count];
	*step = (struct step){.kind = (uint8_t)kind, .name_at = b->names.len, .name_len = (uint16_t)len};
	step->chunk = b->chunks_count;
	buffer_append(&b->names, name, strlen(name) + 1);
	if (b->names.failed) {
		b->failed = true;
		return NULL;
	}
	b->steps_count++;
	return step;
}

void batch_pin(struct batch *b, struct step *step, struct scan_dir *dir, uint64_t size)
{
	step->dir = scan_dir_pin(dir);
	b->dirs += dir != b->last_dir;
	b->last_dir = dir;
	b->weight += size;
}

struct batch_chunk *batch_chunk(struct batch *b, struct step *step)
{
	if (b->chunks_count == b->chunks_capacity) {
		uint32_t capacity = b->chunks_capacity ? 2 * b->chunks_capacity : 64;
		struct batch_chunk *chunks = reallocarray(b->chunks, capacity, sizeof(*chunks));

		if (!chunks) {
			b->failed = true;
			return NULL;
		}
		b->chunks = chunks;
		b->chunks_capacity = capacity;
	}
	if (!step->chunks)
		step->chunk = b->chunks_count;
	step->chunks++;
	b->chunks[b->chunks_count] = (struct batch_chunk){.count = 1};
	return &b->chunks[b->chunks_count++];
}

void batch_set_path(struct batch *b, struct step *step, const char *path)
{
	step->path_at = b->names.len; /* behind the step's name, so never 0 */
	buffer_append(&b->names, path, strlen(path) + 1);
	b->failed |= b->names.failed;
}

const char *batch_path(const struct batch *b, const struct step *step)
{
	return step->path_at ? (const char *)b->names.data + step->path_at : NULL;
}

const char *batch_name(const struct batch *b, const struct step *step)
{
	return (const char *)b->names.data + step->name_at;
}
