#include "tools/metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "cache/io.h"
#include "tools/fail.h"

#define SECOND UINT64_C(1000000000)

struct metrics_file {
	struct view *view;
	char *path;
	char *sibling;
	pthread_t thread;
	bool failed;          /* the thread's: it was said */
	pthread_mutex_t lock; /* of the next three; the view is there as long as it is held and nobody left */
	bool closing;
	bool done;           /* the thread has written for the last time */
	bool left;           /* nobody waits for the thread any more: the view is gone, and all this is the thread's */
	pthread_cond_t turn; /* of closing and done */
};

static int replace(const struct metrics_file *file, const struct buffer *text)
{
	const struct io *io = io_system();
	int fd, error;

	io_unlink(io, AT_FDCWD, file->sibling);
	fd = io_open(io, AT_FDCWD, file->sibling, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return fd;
	error = io_write_exact(io, fd, text->data, text->len, 0);
	if (!error)
		error = io_chmod(io, fd, 0644);
	io_close(io, fd);
	if (!error)
		error = io_rename(io, AT_FDCWD, file->sibling, AT_FDCWD, file->path);
	if (error)
		io_unlink(io, AT_FDCWD, file->sibling);
	return error;
}

/* Write TEXT, which is released. */
static void write_text(struct metrics_file *file, struct buffer *text)
{
	int error = text->failed ? -ENOMEM : replace(file, text);

	buffer_release(text);
	if (error && !file->failed)
		syslog(LOG_WARNING, "cannot write the metrics to '%s': %s; it is tried again every %d seconds",
		       file->path, error_text(error), METRICS_FILE_S);
	file->failed = error != 0;
}

static void free_file(struct metrics_file *file)
{
	pthread_cond_destroy(&file->turn);
	pthread_mutex_destroy(&file->lock);
	free(file->path);
	free(file->sibling);
	free(file);
}

static void *work(void *arg)
{
	struct metrics_file *file = arg;
	bool last = false, left;

	pthread_mutex_lock(&file->lock);
	while (!last && !file->left) {
		struct buffer text = {0};
		struct timespec until;

		last = file->closing;
		view_metrics(file->view, SIZE_MAX, &text);
		pthread_mutex_unlock(&file->lock);
		write_text(file, &text);
		until = io_deadline(io_system(), METRICS_FILE_S * SECOND);
		pthread_mutex_lock(&file->lock);
		while (!file->closing &&
		       pthread_cond_clockwait(&file->turn, &file->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
			;
	}
	file->done = true;
	left = file->left;
	pthread_cond_signal(&file->turn);
	pthread_mutex_unlock(&file->lock);
	if (left)
		free_file(file);
	return NULL;
}

int metrics_file_open(struct view *view, const char *path, struct metrics_file **file)
{
	struct metrics_file *f = calloc(1, sizeof(*f));
	int error = -ENOMEM;

	if (!f)
		return error;
	f->view = view;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->turn, NULL);
	f->path = strdup(path);
	if (asprintf(&f->sibling, "%s.tmp", path) < 0)
		f->sibling = NULL;
	if (f->path && f->sibling)
		error = -pthread_create(&f->thread, NULL, work, f);
	if (error) {
		free_file(f);
		return error;
	}
	*file = f;
	return 0;
}

void metrics_file_close(struct metrics_file *file)
{
	const struct timespec until = io_deadline(io_system(), METRICS_FILE_END_S * SECOND);
	bool left;

	if (!file)
		return;
	pthread_mutex_lock(&file->lock);
	file->closing = true;
	pthread_cond_signal(&file->turn);
	while (!file->done && pthread_cond_clockwait(&file->turn, &file->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
		;
	left = file->left = !file->done;
	if (left)
		pthread_detach(file->thread);
	pthread_mutex_unlock(&file->lock);
	if (left)
		return;
	pthread_join(file->thread, NULL);
	free_file(file);
}
