#include "tests/support/fake_remote.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/interrupt.h"

#define FILES_MAX 64
#define WORLD_MAX 8

struct file {
	char path[REMOTE_PATH_SIZE];
	uint8_t *data;
	size_t len;
};

struct fake {
	char url[64];
	struct fake_plan plan;
	unsigned requests, held;
	bool hidden;
	struct file files[FILES_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* a plan was */
static struct fake world[WORLD_MAX];

static struct fake *fake_of(const char *url)
{
	for (size_t i = 0; i < WORLD_MAX; i++) {
		if (!world[i].url[0])
			strcpy(world[i].url, url);
		if (!strcmp(world[i].url, url))
			return &world[i];
	}
	abort();
}

void fake_remote_clear(void)
{
	for (size_t i = 0; i < WORLD_MAX; i++) {
		for (size_t k = 0; k < FILES_MAX; k++)
			free(world[i].files[k].data);
		memset(&world[i], 0, sizeof(world[i]));
	}
}

void fake_remote_plan(const char *url, const struct fake_plan *plan)
{
	pthread_mutex_lock(&lock);
	fake_of(url)->plan = *plan;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

unsigned fake_remote_held(const char *url)
{
	pthread_mutex_lock(&lock);
	unsigned held = fake_of(url)->held;
	pthread_mutex_unlock(&lock);
	return held;
}

unsigned fake_remote_requests(const char *url)
{
	pthread_mutex_lock(&lock);
	unsigned requests = fake_of(url)->requests;
	pthread_mutex_unlock(&lock);
	return requests;
}

void fake_remote_hide(const char *url, bool hidden)
{
	fake_of(url)->hidden = hidden;
}

static struct file *find(struct fake *f, const char *path)
{
	if (f->hidden)
		return NULL;
	for (size_t i = 0; i < FILES_MAX; i++) {
		if (!strcmp(f->files[i].path, path))
			return &f->files[i];
	}
	return NULL;
}

static void put(struct fake *f, const char *path, const void *data, size_t len)
{
	struct file *file = find(f, path);

	if (!file)
		file = find(f, "");
	free(file->data);
	strcpy(file->path, path);
	file->data = malloc(len + 1);
	memcpy(file->data, data, len);
	file->len = len;
}

void fake_remote_put(const char *url, const char *path, const void *data, size_t len)
{
	put(fake_of(url), path, data, len);
}

/* Count a request, with the lock held from here on.  What the plan says. */
static int begin(struct fake *f)
{
	int error;

	pthread_mutex_lock(&lock);
	f->requests++;
	error = f->plan.error;
	if (error && f->plan.failures && !--f->plan.failures)
		f->plan.error = 0;
	return error;
}

static int end(int error)
{
	pthread_mutex_unlock(&lock);
	return error;
}

static int fake_open(const struct remote_setup *setup, void **state)
{
	const char *url = setup->url;
	*state = fake_of(url);
	return 0;
}

static void fake_close(void *state)
{
	(void)state;
}

/* With the lock held.  0, or how the read ends instead. */
static int hold(struct fake *f, size_t got, const struct arrival *arrival)
{
	const size_t some = f->plan.holds_at;
	int error = 0;

	if (!some || some >= got)
		return 0;
	f->held++;
	if (arrival) {
		pthread_mutex_unlock(&lock);
		arrival->came(arrival->arg, some);
		pthread_mutex_lock(&lock);
	}
	while (!error && f->plan.holds_at == some)
		error = interrupt_wait(&changed, &lock);
	f->held--;
	return error ? error : f->plan.error;
}

static ssize_t fake_read(void *state, const char *path, uint64_t offset, void *data, size_t len,
                         const struct arrival *arrival)
{
	struct fake *f = state;
	int error = begin(f);
	struct file *file = error ? NULL : find(f, path);
	size_t got = 0;

	if (!file)
		return end(error ? error : -ENOENT);
	if (offset < file->len)
		got = file->len - offset < len ? file->len - (size_t)offset : len;
	got -= got < f->plan.short_by ? got : f->plan.short_by;
	memcpy(data, file->data + offset, got);
	if (got && f->plan.flips)
		((uint8_t *)data)[got - 1] ^= 1;
	if (got > 30 && f->plan.flips_early)
		((uint8_t *)data)[30] ^= 1;
	error = hold(f, got, arrival);
	end(0);
	return error ? error : (ssize_t)got;
}

static int fake_stat(void *state, const char *path, struct remote_stat *st)
{
	struct fake *f = state;
	int error = begin(f);
	struct file *file = error ? NULL : find(f, path);

	if (!file)
		return end(error ? error : -ENOENT);
	*st = (struct remote_stat){.size = file->len};
	return end(0);
}

static int fake_put(void *state, const char *path, const struct remote_body *body, bool replace)
{
	struct fake *f = state;
	int error = begin(f);

	if (!error && !replace && find(f, path))
		error = -EEXIST;
	if (!error)
		put(f, path, body->data, (size_t)body->len);
	return end(error);
}

static int fake_remove(void *state, const char *path)
{
	struct fake *f = state;
	int error = begin(f);
	struct file *file = error ? NULL : find(f, path);

	if (!file)
		return end(error ? error : -ENOENT);
	file->path[0] = '\0';
	return end(0);
}

static int fake_list(void *state, const char *folder, remote_each each, void *arg)
{
	struct fake *f = state;
	int error = begin(f);

	for (size_t i = 0; i < FILES_MAX && !error; i++) {
		struct remote_stat st = {.size = f->files[i].len};

		if (!strncmp(f->files[i].path, folder, strlen(folder)) && f->files[i].path[strlen(folder)] == '/')
			error = each(arg, f->files[i].path, &st);
	}
	return end(error);
}

static void fake_why(void *state, char why[REMOTE_WHY_SIZE])
{
	(void)state;
	snprintf(why, REMOTE_WHY_SIZE, "so it is planned");
}

const struct remote_kind remote_kind_fake = {
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .read = fake_read,
    .stat = fake_stat,
    .put = fake_put,
    .remove = fake_remove,
    .list = fake_list,
    .why = fake_why,
};
