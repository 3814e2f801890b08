#include "tools/top_mounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/io.h"
#include "tools/registry.h"

static void release(struct top_mount *mount)
{
	asker_end(&mount->asker);
	free(mount->mountpoint);
	free(mount->repository);
}

static bool is_wanted(const struct top_mounts *mounts, const char *mountpoint)
{
	for (size_t i = 0; mounts->only && i < mounts->only_count; i++) {
		if (strcmp(mounts->only[i], mountpoint) == 0)
			return true;
	}
	return !mounts->only;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct top_mount *)a)->mountpoint, ((const struct top_mount *)b)->mountpoint);
}

static int list(void *arg, const struct registered *registered)
{
	struct top_mounts *mounts = arg;
	struct top_mount *mount = NULL, *items;

	if (!is_wanted(mounts, registered->mountpoint))
		return 0;
	for (size_t i = 0; i < mounts->count && !mount; i++) {
		if (strcmp(mounts->items[i].mountpoint, registered->mountpoint) == 0)
			mount = &mounts->items[i];
	}
	if (!mount) {
		items = reallocarray(mounts->items, mounts->count + 1, sizeof(*items));
		if (!items)
			return -ENOMEM;
		mounts->items = items;
		mount = &items[mounts->count];
		*mount = (struct top_mount){.mountpoint = strdup(registered->mountpoint),
		                            .repository = strdup(registered->repository)};
		mounts->count++;
		if (!mount->mountpoint || !mount->repository)
			return -ENOMEM;
	}
	mount->listed = true;
	mount->state = registered->alive ? TOP_SILENT : TOP_DEAD;
	return 0;
}

/* Forget those that are not mounted any more. */
static void drop(struct top_mounts *mounts)
{
	size_t kept = 0;

	for (size_t i = 0; i < mounts->count; i++) {
		if (mounts->items[i].listed)
			mounts->items[kept++] = mounts->items[i];
		else
			release(&mounts->items[i]);
	}
	mounts->count = kept;
}

/* What MOUNT was told. */
static void take(struct top_mount *mount)
{
	const struct timespec now = io_now(io_system());
	const char *text = asker_text(&mount->asker);
	struct top_sample sample;

	if (text && top_sample_parse(text, &sample)) {
		sample.seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
		top_sample_between(&mount->last, &sample, &mount->between);
		mount->last = sample;
		mount->state = TOP_ANSWERS;
	}
	/* One that was not told yet goes on: a server that hangs is asked by one child and no more. */
	if (mount->asker.done || mount->state == TOP_DEAD)
		asker_end(&mount->asker);
}

int top_mounts_look(struct top_mounts *mounts, int timeout_ms)
{
	struct asker **askers;
	int error;

	for (size_t i = 0; i < mounts->count; i++)
		mounts->items[i].listed = false;
	error = registry_each(list, mounts);
	if (error)
		return error;
	drop(mounts);
	if (mounts->count)
		qsort(mounts->items, mounts->count, sizeof(mounts->items[0]), compare);
	askers = calloc(mounts->count + 1, sizeof(struct asker *));
	if (!askers)
		return -ENOMEM;
	for (size_t i = 0; i < mounts->count; i++) {
		struct top_mount *mount = &mounts->items[i];

		askers[i] = &mount->asker;
		if (mount->state != TOP_DEAD && !mount->asker.child)
			asker_begin(&mount->asker, mount->mountpoint, "metrics");
	}
	asker_wait(askers, mounts->count, timeout_ms);
	free(askers);
	for (size_t i = 0; i < mounts->count; i++)
		take(&mounts->items[i]);
	return 0;
}

void top_mounts_release(struct top_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		release(&mounts->items[i]);
	free(mounts->items);
	mounts->items = NULL;
	mounts->count = 0;
}
