#include "fs/git/repo_pool.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cache/checksum.h"

void repo_pool_init(struct repo_pool *pool, const struct repo_reader_ops *ops, const struct repo_location *location)
{
	pool->location = location;
	pool->ops = ops;
	pool->count = 0;
	assert(ops->idle_max <= REPO_POOL_MAX);
	pthread_mutex_init(&pool->lock, NULL);
}

void repo_pool_release(struct repo_pool *pool)
{
	for (unsigned i = 0; i < pool->count; i++)
		pool->ops->close(pool->idle[i].handle);
	pthread_mutex_destroy(&pool->lock);
}

/*
 * A number for the packs and alternates of now.  A handle opened before they changed would keep packs open that a `git
 * gc` has deleted, and look for new ones only after a miss.
 */
static uint64_t packs_now(const struct repo_location *location)
{
	static const char *const names[] = {"pack", "info/alternates"};
	uint64_t sum = 0, look[3];
	struct stat st;
	char path[4096];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strlen(location->objects) + strlen(names[i]) + 2 > sizeof(path))
			continue;
		stpcpy(stpcpy(stpcpy(path, location->objects), "/"), names[i]);
		if (stat(path, &st))
			continue;
		look[0] = st.st_ino;
		look[1] = (uint64_t)st.st_mtim.tv_sec;
		look[2] = (uint64_t)st.st_mtim.tv_nsec;
		sum = checksum_two(&sum, sizeof(sum), look, sizeof(look));
	}
	return sum;
}

/* A handle of the pool's, or a new one. */
static int pool_take(struct repo_pool *pool, bool fresh, struct repo_handle *handle)
{
	uint64_t packs = packs_now(pool->location);

	for (;;) {
		pthread_mutex_lock(&pool->lock);
		handle->handle = pool->count ? pool->idle[pool->count - 1].handle : NULL;
		if (handle->handle)
			*handle = pool->idle[--pool->count];
		pthread_mutex_unlock(&pool->lock);
		if (!handle->handle)
			break;
		if (!fresh && handle->packs == packs)
			return 0;
		pool->ops->close(handle->handle);
	}
	handle->packs = packs;
	return pool->ops->open(pool->location, &handle->handle);
}

static void pool_give(struct repo_pool *pool, const struct repo_handle *handle, bool is_good)
{
	bool kept = false;

	pthread_mutex_lock(&pool->lock);
	if (is_good && pool->count < pool->ops->idle_max) {
		pool->idle[pool->count++] = *handle;
		kept = true;
	}
	pthread_mutex_unlock(&pool->lock);
	if (!kept)
		pool->ops->close(handle->handle);
}

int repo_pool_run(struct repo_pool *pool, repo_pool_call call, void *arg)
{
	struct repo_handle handle;
	bool is_good;
	int r;

	for (int attempt = 0;; attempt++) {
		r = pool_take(pool, attempt > 0, &handle);
		if (r)
			return r;
		r = call(pool->ops, handle.handle, arg);
		is_good = !r || r == -ENOENT || r == -EEXIST || r == -EFBIG;
		pool_give(pool, &handle, is_good);
		if (is_good || attempt || r == -EINTR || r == -ENOMEM || r == -ENOPKG)
			return r;
	}
}
